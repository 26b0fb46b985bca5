// The conflist that `berth install --conflist` writes: a bridge with berth as its IPAM plugin, and
// portmap. Its key "berth.dev/made-by" carries a hash of the file (computed with zeros in its own
// place), so that a file which somebody has changed is told from one that may be replaced.
//
//   { "cniVersion", "name", "berth.dev/made-by": "berth install <16 hex digits>", "plugins" }
//
// Refuses: subnets that a plugin would refuse, or that overlap.
import {
  hasHostBits,
  lastHi,
  lastLo,
  parsedFamily,
  parsedHi,
  parsedLength,
  parsedLo,
  parsedMapped,
  parsePrefix,
} from "../address";
import { below, Range } from "../pool/range";
import {
  close,
  documentBegin,
  item,
  member,
  open,
  valuePlain,
  valueText,
} from "../protocol/document";
import { isName } from "../protocol/env";
import { Text, textByte, textBytes, textString, textTake, textTo } from "../protocol/text";
import { scratchTake } from "../scratch";
import { sipHash } from "../siphash";
import { askAt, askBad, askBytes, askMissing, askOption, NETWORK_NAME } from "./ask";

const SUBNETS_MAX: i32 = 8;
const FILE_BYTES: i32 = 16384;
const MADE_BY: string = '"berth.dev/made-by": "berth install ';
const DIGITS: i32 = 16;

let subnets: usize = 0;
let texts: usize = 0;
let subnetCount: i32 = 0;

function subnet(i: i32): Range {
  return changetype<Range>(subnets + <usize>i * offsetof<Range>());
}

// One subnet of the list: big enough, without host bits, apart from the others. "", or what is
// wrong with it.
function readSubnet(at: usize, bytes: i32): string {
  if (subnetCount == SUBNETS_MAX) return "that is the ninth, 8 are taken";
  if (!parsePrefix(at, bytes) || parsedMapped) {
    return "that is no subnet: use a list as 10.244.1.0/24,fd00:1::/64";
  }
  const bits = parsedFamily == 6 ? 128 : 32;
  const hi = parsedHi;
  const lo = parsedLo;
  if (hasHostBits()) return "there are bits behind the subnet's length";
  if (parsedLength > bits - 2) return "too small: use one of 4 addresses at least";
  const r = subnet(subnetCount);
  r.family = parsedFamily;
  r.startHi = hi;
  r.startLo = lo;
  r.endHi = lastHi(r.family, parsedLength, hi);
  r.endLo = lastLo(r.family, parsedLength, lo);
  for (let i = 0; i < subnetCount; i++) {
    const o = subnet(i);
    if (o.family != r.family || below(o.endHi, o.endLo, hi, lo)) continue;
    if (!below(r.endHi, r.endLo, o.startHi, o.startLo)) return "it overlaps another of the list";
  }
  store<usize>(texts + <usize>subnetCount * 16, at);
  store<i32>(texts + <usize>subnetCount * 16, bytes, 8);
  subnetCount++;
  return "";
}

function readSubnets(): bool {
  subnets = scratchTake(<usize>SUBNETS_MAX * offsetof<Range>());
  texts = scratchTake(<usize>SUBNETS_MAX * 16);
  subnetCount = 0;
  if (!askOption("subnet")) {
    return askMissing("--subnet LIST", "the conflist's subnets, as 10.244.1.0/24,fd00:1::/64");
  }
  const at = askAt;
  const end = askBytes;
  let from = 0;
  for (let i = 0; i <= end; i++) {
    if (i < end && load<u8>(at + i) != 44) continue;
    const wrong = readSubnet(at + from, i - from);
    if (wrong.length > 0) return askBad("subnet", at + from, i - from, wrong);
    from = i + 1;
  }
  return true;
}

/** Do the options --conflist, --subnet and --bridge fit together? Else an error begins. */
export function conflistAccepts(): bool {
  if (!askOption("conflist")) {
    const none = !askOption("subnet") && !askOption("bridge") && !askOption("conf-dir");
    if (none && !askOption("data-dir")) return true;
    return askMissing(
      "--conflist NAME",
      "--subnet, --bridge, --conf-dir and --data-dir are for a conflist",
    );
  }
  if (!isName(askAt, askBytes)) return askBad("conflist", askAt, askBytes, NETWORK_NAME);
  if (askOption("bridge") && (!isName(askAt, askBytes) || askBytes > 15)) {
    return askBad("bridge", askAt, askBytes, "use a name of at most 15 letters, digits, _ . -");
  }
  return readSubnets();
}

/** Adds the file's name to a directory's path. */
export function conflistName(path: Text): void {
  askOption("conflist");
  textTo(path);
  textString("10-");
  textBytes(askAt, askBytes);
  textString(".conflist");
}

function ipam(): void {
  open(123);
  member("type");
  valuePlain("berth");
  if (askOption("data-dir")) {
    member("dataDir");
    valueText(askAt, askBytes);
  }
  member("ranges");
  open(91);
  for (let i = 0; i < subnetCount; i++) {
    item();
    open(91);
    item();
    open(123);
    member("subnet");
    valueText(load<usize>(texts + <usize>i * 16), load<i32>(texts + <usize>i * 16, 8));
    close(125);
    close(93);
  }
  close(93);
  member("routes");
  open(91);
  if (hasFamily(4)) route("0.0.0.0/0");
  if (hasFamily(6)) route("::/0");
  close(93);
  close(125);
}

function hasFamily(family: i32): bool {
  for (let i = 0; i < subnetCount; i++) if (subnet(i).family == family) return true;
  return false;
}

function route(to: string): void {
  item();
  open(123);
  member("dst");
  valuePlain(to);
  close(125);
}

function flag(name: string): void {
  member(name);
  textString("true");
}

function plugins(): void {
  open(91);
  item();
  open(123);
  member("type");
  valuePlain("bridge");
  member("bridge");
  if (askOption("bridge")) valueText(askAt, askBytes);
  else valuePlain("cni0");
  flag("isGateway");
  flag("ipMasq");
  flag("hairpinMode");
  member("ipam");
  ipam();
  close(125);
  item();
  open(123);
  member("type");
  valuePlain("portmap");
  member("capabilities");
  open(123);
  flag("portMappings");
  close(125);
  close(125);
  close(93);
}

// Where the digits of the hash begin; -1 = the file has none.
function digitsIn(at: usize, bytes: i32): i32 {
  const mark = scratchTake(<usize>MADE_BY.length);
  for (let i = 0; i < MADE_BY.length; i++) {
    store<u8>(mark + i, load<u8>(changetype<usize>(MADE_BY) + ((<usize>i) << 1)));
  }
  for (let i = 0; i + MADE_BY.length + DIGITS <= bytes; i++) {
    if (memory.compare(at + i, mark, MADE_BY.length) == 0) return i + MADE_BY.length;
  }
  return -1;
}

function hexDigit(n: u32): u8 {
  return <u8>(n < 10 ? 48 + n : 87 + n);
}

// Puts the hash of the file into it.
function sign(at: usize, bytes: i32, digits: i32): void {
  memory.fill(at + digits, 48, DIGITS);
  const hash = sipHash(0x6265727468, 0x696e7374616c6c, at, <u32>bytes);
  for (let i = 0; i < DIGITS; i++) {
    store<u8>(at + digits + i, hexDigit(<u32>((hash >> ((<u64>i) << 2)) & 15)));
  }
}

/** Is this a conflist of berth's that nobody has changed? (Its bytes may be written to.) */
export function conflistIsOurs(at: usize, bytes: i32): bool {
  const digits = digitsIn(at, bytes);
  if (digits < 0) return false;
  const said0 = load<u64>(at + digits);
  const said1 = load<u64>(at + digits, 8);
  sign(at, bytes, digits);
  return load<u64>(at + digits) == said0 && load<u64>(at + digits, 8) == said1;
}

/** The file that the options ask for. */
export function conflistMake(): Text {
  const file = textTake(FILE_BYTES);
  textTo(file);
  documentBegin();
  open(123);
  member("cniVersion");
  valuePlain("1.0.0");
  member("name");
  askOption("conflist");
  valueText(askAt, askBytes);
  member("berth.dev/made-by");
  valuePlain("berth install 0000000000000000");
  member("plugins");
  plugins();
  close(125);
  textByte(10);
  sign(file.at, file.length, digitsIn(file.at, file.length));
  return file;
}

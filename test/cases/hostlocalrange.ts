// Suite "host-local-range": what the plugin makes of a range. The plugin's own core is asked
// (build/cni.wasm on files in memory), so that assembly/protocol/ranges.ts stays the only place
// that knows what a range is. It is asked by configs whose answer shows it:
//
//   canonicalize   a set that has the range twice: "subnets START-END and START-END overlap";
//                  the gateway: of the result of an ADD
//   contains       an ADD that requests the address
//   overlaps       two sets: "range set 0 overlaps with 1"
import { call, Disk } from "../support/memoryhost.ts";
import { type Answer, type Operation, type Player, refused, textOf, Unknown } from "./answer.ts";

const ENVIRONMENT = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "case",
  CNI_NETNS: "/proc/1/ns/none",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/",
};

/** Words of a refusal, and its class. */
const REFUSALS: [RegExp, readonly string[]][] = [
  [/too small to allocate from/, ["tooSmall"]],
  [/has host bits set/, ["hostBits"]],
  [/not in network/, ["outOfRange", "invalidRange"]],
  [/^invalid (range set|CIDR address|IP address)/, ["invalidRange"]],
];

interface Added {
  /** Words of the error; undefined: it was added. */
  error: string | undefined;
  gateway: string | undefined;
}

function add(ranges: unknown[][], request?: string): Added {
  const config = {
    cniVersion: "1.0.0",
    name: "case",
    type: "case",
    ipam: { type: "berth", dataDir: "/case", ranges },
    ...(request !== undefined && { runtimeConfig: { ips: [request] } }),
  };
  const { status, json } = call(new Disk(), ENVIRONMENT, config);
  if (status === 0) return { error: undefined, gateway: json.ips[0].gateway };
  return { error: json.msg, gateway: undefined };
}

function refusal(message: string): Answer | undefined {
  for (const [words, classes] of REFUSALS)
    if (words.test(message)) return refused(classes, message);
  return undefined;
}

function canonicalize(range: unknown): Answer {
  const twice = add([[range, range]]).error ?? "";
  const ends = /subnets (\S+)-(\S+) and /.exec(twice);
  if (!ends) return refusal(twice) ?? refused([], twice);
  const [, rangeStart, rangeEnd] = ends;
  const { error, gateway } = add([[range]]);
  // No gateway in a result: it is the only address of the range, and never given.
  const only = error?.includes("no IP addresses available") && rangeStart === rangeEnd;
  return { rangeStart, rangeEnd, gateway: only ? rangeStart : gateway };
}

function contains(range: unknown, ip: string): Answer {
  const { error } = add([[range]], ip);
  if (error === undefined || /subnet's gateway/.test(error)) return { value: true };
  if (/failed to allocate all requested/.test(error)) return { value: false };
  // A range that has nothing to give but its gateway doesn't get as far as the request.
  if (/no IP addresses available/.test(error)) return { value: false };
  return refusal(error) ?? refused([], error);
}

function overlap(a: unknown, b: unknown): Answer {
  for (const range of [a, b]) {
    const answer = canonicalize(range);
    if (answer.error) return answer;
  }
  return { value: /overlaps with/.test(add([[a], [b]]).error ?? "") };
}

function play(operation: Operation): Answer {
  switch (operation.op) {
    case "canonicalize":
      return canonicalize(operation.range);
    case "contains":
      return contains(operation.range, textOf(operation, "ip"));
    case "overlaps":
      return overlap(operation.a, operation.b);
    default:
      throw new Unknown(operation.op);
  }
}

/** A player of one case. */
export function hostLocalRange(): Player {
  return { play, close: () => {} };
}

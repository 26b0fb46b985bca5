// The pictures of `berth map` as one SVG document: a block for each range, under each other, and a
// legend; readable on light and dark ground (prefers-color-scheme).
//
//   margin | title, counts, frame | cells of CELL pixels | ... | legend
//
// Cells of one letter are one path, a run of them in a row one piece of it.
import { Range, RangeSet, rangeAt } from "../pool/range";
import { call } from "../protocol/call";
import { textByte, textNumber, textString } from "../protocol/text";
import { scratchMark, scratchRewind, scratchTake } from "../scratch";
import { sayCensus, sayFrame, sayRange } from "./captions";
import { Census, censusOf } from "./census";
import { knownCount, knownSet } from "./known";
import { pictureColumns, pictureLetter, pictureOf, pictureRows } from "./picture";
import { printRoom, say } from "./print";

const BITS: i32 = 12;
const MARGIN: i32 = 16;
const HEAD: i32 = 66;
const LEGEND: i32 = 56;
const WIDTH: i32 = 720;
const SIDE: i32 = 512;

// Pixels of a cell: small pictures get large ones.
function cell(): i32 {
  return max<i32>(min<i32>(SIDE / pictureColumns, 32), 1);
}

function number(n: i32): void {
  textNumber(n);
}

function attribute(name: string, n: i32): void {
  say(" ");
  say(name);
  say('="');
  number(n);
  say('"');
}

function textAt(x: i32, y: i32, kind: string): void {
  say("<text");
  attribute("x", x);
  attribute("y", y);
  say(kind);
  say(">");
}

function style(): void {
  say("<style>\n");
  say("text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}\n");
  say(".g{fill:#fff}.o{fill:#eaeef2}.F{fill:#b7e1c0}.H{fill:#0b57d0}.h{fill:#7fb0f5}\n");
  say(".R{fill:#d9730d}.r{fill:#f3bf85}.C{fill:#8431c4}.c{fill:#cfa6ec}\n");
  say(".X{fill:#57606a}.x{fill:#a5adb6}\n");
  say("@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{fill:#0d1117}.o{fill:#161b22}\n");
  say(".F{fill:#1d4a2a}.H{fill:#4493f8}.h{fill:#23508c}.R{fill:#f0883e}.r{fill:#8a4f24}\n");
  say(".C{fill:#b583f0}.c{fill:#60408a}.X{fill:#8b949e}.x{fill:#4b525a}}\n");
  say("</style>\n");
}

// The path of all cells with one letter.
function path(letter: u32, name: string): void {
  let begun = false;
  for (let y = 0; y < pictureRows; y++) {
    for (let x = 0; x < pictureColumns; ) {
      let run = 0;
      while (x + run < pictureColumns && pictureLetter(x + run, y) == letter) run++;
      if (run == 0) {
        x++;
        continue;
      }
      if (!begun) {
        say('<path class="');
        say(name);
        say('" d="');
      }
      begun = true;
      say("M");
      number(x);
      say(" ");
      number(y);
      say("h");
      number(run);
      say("v1h-");
      number(run);
      say("z");
      x += run;
    }
    printRoom();
  }
  if (begun) say('"/>\n');
}

function draw(y: i32): void {
  say("<rect");
  attribute("x", MARGIN);
  attribute("y", y);
  attribute("width", pictureColumns * cell());
  attribute("height", pictureRows * cell());
  say(' class="o"/>\n<g transform="translate(');
  number(MARGIN);
  say(" ");
  number(y);
  say(") scale(");
  number(cell());
  say(')">\n');
  path(46, "F");
  path(72, "H");
  path(104, "h");
  path(82, "R");
  path(114, "r");
  path(67, "C");
  path(99, "c");
  path(88, "X");
  path(120, "x");
  say("</g>\n");
}

function block(set: RangeSet, r: Range, c: Census, y: i32): void {
  textAt(MARGIN, y + 18, ' class="t"');
  for (let i = 0; i < call.network.bytes; i++) {
    const b = <u32>load<u8>(call.network.at + i);
    if (b == 38) textString("&amp;");
    else if (b == 60) textString("&lt;");
    else if (b >= 32) textByte(b);
  }
  say(", set ");
  number(set.index);
  say(": ");
  sayAddresses(r);
  say("</text>\n");
  textAt(MARGIN, y + 38, "");
  sayCensus(c);
  say("</text>\n");
  textAt(MARGIN, y + 56, "");
  sayFrame(r);
  say("</text>\n");
  draw(y + HEAD);
}

// A name of a range may hold what XML reserves: the picture goes without it.
function sayAddresses(r: Range): void {
  const bytes = r.nameBytes;
  r.nameBytes = 0;
  sayRange(r);
  r.nameBytes = bytes;
}

function legend(y: i32): void {
  entry(0, y, "H", "held");
  entry(1, y, "R", "reserved");
  entry(2, y, "C", "cooling");
  entry(3, y, "X", "never given");
  entry(4, y, "F", "free");
  textAt(MARGIN, y + 38, "");
  say("Paler: fewer than half of the cell's addresses.</text>\n");
}

function entry(place: i32, y: i32, name: string, what: string): void {
  const x = MARGIN + place * 112;
  say("<rect");
  attribute("x", x);
  attribute("y", y + 4);
  attribute("width", 12);
  attribute("height", 12);
  say(' class="');
  say(name);
  say('"/>');
  textAt(x + 18, y + 15, "");
  say(what);
  say("</text>\n");
}

// Draws all blocks, or only measures them. Answers the height.
function blocks(only: i32, whole: bool, drawing: bool): i32 {
  const count = knownCount;
  const c = changetype<Census>(scratchTake(offsetof<Census>()));
  let y = MARGIN;
  for (let i = 0; i < count; i++) {
    if (only >= 0 && only != i) continue;
    const mark = scratchMark();
    const set = knownSet(i);
    censusOf(i, c);
    for (let n = 0; n < set.count; n++) {
      pictureOf(rangeAt(set, n), BITS, whole);
      if (drawing) block(set, rangeAt(set, n), c, y);
      y += HEAD + pictureRows * cell() + MARGIN;
    }
    scratchRewind(mark);
  }
  return y;
}

/** Prints the document: set `only`, or all where it is -1. */
export function svg(only: i32, whole: bool): void {
  const height = blocks(only, whole, false);
  say('<svg xmlns="http://www.w3.org/2000/svg"');
  attribute("width", WIDTH);
  attribute("height", height + LEGEND);
  say(' viewBox="0 0 ');
  number(WIDTH);
  say(" ");
  number(height + LEGEND);
  say('" role="img">\n<title>Addresses of a network along a Hilbert curve</title>\n');
  style();
  say('<rect class="g"');
  attribute("width", WIDTH);
  attribute("height", height + LEGEND);
  say("/>\n");
  blocks(only, whole, true);
  legend(height);
  say("</svg>\n");
}

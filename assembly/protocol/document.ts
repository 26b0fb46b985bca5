// A JSON document on its way out, indented as Go's json.MarshalIndent(v, "", "    ") prints it:
// every item on a line of its own, `{}` and `[]` when empty, no final newline. Writes to the
// current text.
import { textByte, textJson, textNumber, textString } from "./text";

let depth: i32 = 0;
let items: bool = false;
// What is open: a bit for each level, the innermost lowest, 1 = an object.
let objects: u64 = 0;
let keptDepth: i32 = 0;
let keptItems: bool = false;
let keptObjects: u64 = 0;

/** Remembers how far the document is: a place where an item or a member has ended. */
export function documentKeep(): void {
  keptDepth = depth;
  keptItems = items;
  keptObjects = objects;
}

/** Goes back to that place; whoever wrote takes back the text, too. */
export function documentBack(): void {
  depth = keptDepth;
  items = keptItems;
  objects = keptObjects;
}

/** Closes what is open until `levels` levels are left. */
export function documentClose(levels: i32): void {
  while (depth > levels) close(objects & 1 ? 125 : 93);
}

/** Begins a document. */
export function documentBegin(): void {
  depth = 0;
  items = false;
  objects = 0;
}

function line(): void {
  textByte(10);
  for (let i = 0; i < depth; i++) textString("    ");
}

/** The next item of a list begins. */
export function item(): void {
  if (items) textByte(44); // ,
  line();
  items = true;
}

/** The next member of an object begins: its value must follow. */
export function member(name: string): void {
  item();
  textByte(34);
  textString(name);
  textByte(34);
  textString(": ");
}

/** Opens an object or a list. */
export function open(bracket: u32): void {
  textByte(bracket);
  depth++;
  objects = (objects << 1) | (bracket == 123 ? 1 : 0);
  items = false;
}

/** Closes what was opened last. */
export function close(bracket: u32): void {
  depth--;
  objects >>= 1;
  if (items) line();
  textByte(bracket);
  items = true;
}

/** A string as value. */
export function valueText(at: usize, bytes: i32): void {
  textJson(at, bytes);
}

/** A string as value that needs no escapes. */
export function valuePlain(s: string): void {
  textByte(34);
  textString(s);
  textByte(34);
}

/** A number as value. */
export function valueNumber(n: i64): void {
  textNumber(n);
}

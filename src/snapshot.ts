// Snapshots: a pool as bytes, for any store.
//
//   0   "BERTHPOL" | version u32 | bytes of the head u32 | bytes of the set u64 | checksum u64
//  32   head: JSON, padded with spaces to a multiple of 8
//       set: leaf words of a bitmap, or groups of 24 bytes (assembly/library/snapshot.ts)
//
// The checksum is over head and set. The head says the prefix, the options, the cursor, and which
// addresses cool for how long yet. Cost: a copy and a hash, about 1 ns for each byte.
import { formatPrefix, type Prefix, parsePrefix } from "./address.ts";
import type { Bytes } from "./embedded.ts";
import { IpamError } from "./errors.ts";
import { BUSY, type Heap, heap, TRANSFER_BYTES } from "./heap.ts";
import type { PoolOptions } from "./pooloptions.ts";
import { type Slots, TICK } from "./slots.ts";

const MAGIC = "BERTHPOL";
const VERSION = 1;
const HEADER = 32;
const GROUP = 24;
const GROUPS = Math.floor(TRANSFER_BYTES / GROUP);

interface Head {
  prefix: string;
  policy?: PoolOptions["policy"];
  exclude?: readonly string[];
  cooldown?: number;
  band?: number;
  cursor: string;
  /** Slot and seconds that are left, in the order in which they become due. */
  cooling: [string, number][];
  yields?: number;
}

/** Checksum of several pieces. */
export function hashOf(h: Heap, pieces: readonly Uint8Array[]): bigint {
  let seed = 0n;
  for (const piece of pieces) {
    const inside = piece.buffer === h.memory.buffer;
    for (let at = 0; at < piece.length; at += TRANSFER_BYTES) {
      const part = piece.subarray(at, at + TRANSFER_BYTES);
      if (!inside) h.u8.set(part, h.transfer);
      const from = inside ? part.byteOffset : h.transfer;
      seed = h.exports.snapshotHash!(seed, from, part.length) as bigint;
    }
  }
  return BigInt.asUintN(64, seed);
}

// An array whose bytes will all be written: Node can leave out clearing it, which is most of a
// snapshot's time.
function uncleared(length: number): Bytes {
  const { Buffer } = globalThis;
  const buffer = Buffer?.allocUnsafeSlow(length).buffer as ArrayBuffer | undefined;
  return buffer ? new Uint8Array(buffer) : new Uint8Array(length);
}

// Copies bytes that nobody else reads or writes meanwhile. V8 goes word by word where one side is
// shared memory; Node's fill, given as many bytes as there is room for, copies them as one piece,
// in two thirds of the time.
function copyAt(target: Uint8Array, at: number, bytes: Uint8Array): void {
  const { Buffer } = globalThis;
  if (!Buffer || bytes.length === 0) target.set(bytes, at);
  else Buffer.from(target.buffer, target.byteOffset + at, bytes.length).fill(bytes);
}

/** Header, head and set in one array. */
export function frame(h: Heap, magic: string, head: object, set: Uint8Array): Bytes {
  const text = JSON.stringify(head);
  const json = new TextEncoder().encode(text);
  const headBytes = (json.length + 7) & ~7;
  const out = uncleared(HEADER + headBytes + set.length);
  const view = new DataView(out.buffer);
  out.fill(32, HEADER, HEADER + headBytes);
  out.set(json, HEADER);
  copyAt(out, HEADER + headBytes, set);
  for (let i = 0; i < 8; i++) out[i] = magic.charCodeAt(i);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, headBytes, true);
  view.setBigUint64(16, BigInt(set.length), true);
  const padded = out.subarray(HEADER, HEADER + headBytes);
  view.setBigUint64(24, hashOf(h, [padded, set]), true);
  return out;
}

// undefined: the array is detached. (V8's compiled code was seen to have its old length then.)
function viewOf(bytes: Uint8Array): DataView | undefined {
  try {
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch {
    return undefined;
  }
}

/** What lies in a frame, before anything of it is trusted. */
interface Parts {
  head: Uint8Array;
  set: Uint8Array;
  checksum: bigint;
  damaged(why: string): IpamError;
}

function partsOf(magic: string, bytes: unknown): Parts {
  if (!(bytes instanceof Uint8Array))
    throw new IpamError("invalid", "a snapshot is a Uint8Array from toBytes", bytes);
  const damaged = (why: string) => new IpamError("damaged", `not a whole snapshot: ${why}`, bytes);
  if (bytes.length < HEADER) throw damaged(`${bytes.length} bytes are less than its header`);
  const view = viewOf(bytes);
  if (!view) throw damaged("its buffer was transferred");
  for (let i = 0; i < 8; i++)
    if (bytes[i] !== magic.charCodeAt(i)) throw damaged(`it doesn't begin with ${magic}`);
  const version = view.getUint32(8, true);
  if (version > VERSION)
    throw new IpamError(
      "newer",
      `the snapshot is of version ${version}, this reads ${VERSION}`,
      bytes,
    );
  const end = HEADER + view.getUint32(12, true);
  const setBytes = view.getBigUint64(16, true);
  if (version !== VERSION || BigInt(end) + setBytes !== BigInt(bytes.length))
    throw damaged("its length isn't what its header says");
  const checksum = view.getBigUint64(24, true);
  return { head: bytes.subarray(HEADER, end), set: bytes.subarray(end), checksum, damaged };
}

/** Throws "damaged" if the checksum isn't that of the head and `set`, the frame's or a copy. */
function verify(h: Heap, { head, checksum, damaged }: Parts, set: Uint8Array): void {
  if (hashOf(h, [head, set]) !== checksum) throw damaged("its checksum doesn't match");
}

function headOf({ head, damaged }: Parts): unknown {
  const value: unknown = JSON.parse(new TextDecoder().decode(head));
  if (typeof value !== "object" || value === null) throw damaged("its head isn't an object");
  return value;
}

/** Takes a frame apart. Throws "invalid" (no bytes), "damaged", "newer". */
export function unframe(
  h: Heap,
  magic: string,
  bytes: unknown,
): { head: unknown; set: Uint8Array } {
  const parts = partsOf(magic, bytes);
  verify(h, parts, parts.set);
  return { head: headOf(parts), set: parts.set };
}

function join(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

// Calls a function of the core again while the heap's lock is in other hands.
function ask(slots: Slots, name: string, ...values: unknown[]): number {
  const call = slots.heap.exports[name]!;
  return slots.heap.patiently(() => call(slots.cell, ...values) as number, BUSY);
}

/** The set of a pool of slots: its leaf words where they lie (copy them at once), or groups. */
export function readSet(slots: Slots): Uint8Array {
  const { heap: h, cell } = slots;
  const words = (h.exports.snapshotWords!(cell) as number) >>> 0;
  if (words !== 0) {
    const set = h.u8.subarray(words, words + wordBytes(slots));
    // Others may write to it meanwhile: the checksum must be that of the copy.
    return h.lives === undefined ? set : set.slice();
  }
  const parts: Uint8Array[] = [];
  for (let hi = 0n, lo = 0n; ; ) {
    const n = ask(slots, "snapshotGroups", hi, lo, h.transfer, GROUPS);
    parts.push(h.u8.slice(h.transfer, h.transfer + n * GROUP));
    if (n < GROUPS) return join(parts);
    const last = h.transfer + (n - 1) * GROUP;
    lo = (h.u64[(last + 8) / 8]! + 64n) & 0xffff_ffff_ffff_ffffn;
    hi = h.u64[last / 8]! + (lo === 0n ? 1n : 0n);
    if (hi >> 64n !== 0n) return join(parts);
  }
}

function wordBytes(slots: Slots): number {
  return Math.max(8, 2 ** slots.bits / 8);
}

/** Fills the set of a new pool of slots, once `verify` has seen it. Throws "damaged". */
export function loadSet(slots: Slots, set: Uint8Array, verify = (_: Uint8Array) => {}): void {
  const { heap: h, cell } = slots;
  const words = (h.exports.snapshotWords!(cell) as number) >>> 0;
  const damaged = () => new IpamError("damaged", "the snapshot's set doesn't fit its prefix");
  if (words !== 0) {
    if (set.length !== wordBytes(slots)) throw damaged();
    // Copied once, to its place, and hashed there: a third of the time of reading a large pool.
    copyAt(h.u8, words, set);
    verify(h.u8.subarray(words, words + set.length));
    if (!ask(slots, "snapshotSettle")) throw damaged();
    return;
  }
  verify(set);
  if (set.length % GROUP !== 0) throw damaged();
  for (let at = 0; at < set.length; at += GROUPS * GROUP) {
    const part = set.subarray(at, at + GROUPS * GROUP);
    h.u8.set(part, h.transfer);
    if (!ask(slots, "snapshotLoad", h.transfer, part.length / GROUP)) throw damaged();
  }
}

function readCooling(slots: Slots, now: number): [string, number][] {
  const { heap: h } = slots;
  const out: [string, number][] = [];
  for (;;) {
    const n = ask(slots, "snapshotCooling", out.length, h.transfer, GROUPS);
    for (let i = 0; i < n; i++) {
      const at = (h.transfer + i * GROUP) / 8;
      const key = (h.u64[at]! << 64n) | h.u64[at + 1]!;
      out.push([key.toString(16), Math.max(0, slots.seconds(Number(h.u64[at + 2]!)) - now)]);
    }
    if (n < GROUPS) return out;
  }
}

/** The cursor of policy `next`, in hexadecimal. */
export function cursorOf(slots: Slots): string {
  const { exports } = slots.heap;
  const hi = BigInt.asUintN(64, exports.cursorHi!(slots.cell));
  return ((hi << 64n) | BigInt.asUintN(64, exports.cursorLo!(slots.cell))).toString(16);
}

/** Sets the cursor from its text. */
export function cursorTo(slots: Slots, text: string): void {
  const value = BigInt(`0x${text}`);
  ask(slots, "cursorSet", value >> 64n, value & 0xffff_ffff_ffff_ffffn);
}

/** A pool as bytes. `now` = its clock. */
export function writePool(slots: Slots, range: Prefix, options: PoolOptions, now: number): Bytes {
  const { policy, exclude, cooldown, band } = options;
  const cursor = cursorOf(slots);
  // The set first: what is given up and taken meanwhile in another thread must not seem to cool.
  const set = readSet(slots);
  const cooling = readCooling(slots, now);
  const prefix = formatPrefix(range);
  const yields = slots.count(3) || undefined;
  const head = { prefix, policy, exclude, cooldown, band, cursor, cooling, yields } as Head;
  return frame(slots.heap, MAGIC, head, set);
}

/**
 * Makes a pool again: `make` is given its prefix, its options, and what fills its slots. Throws
 * "damaged", "newer", "invalid", and what `make` throws.
 */
export function readPool<T>(
  bytes: Uint8Array,
  make: (range: Prefix, options: PoolOptions, load: (slots: Slots, now: number) => void) => T,
): T {
  const parts = partsOf(MAGIC, bytes);
  let verified = false;
  const verifyOnce = (set: Uint8Array) => {
    verified = true;
    verify(heap(), parts, set);
  };
  try {
    const head = headOf(parts) as Head;
    const { prefix, cursor: _, cooling: __, yields: ___, ...options } = head;
    return make(parsePrefix(prefix), options, (slots, now) => {
      loadSet(slots, parts.set, verifyOnce);
      loadHead(slots, head, now, bytes);
    });
  } catch (error) {
    // A head that nobody has verified may say anything: then it is the damage that counts.
    if (!verified) verifyOnce(parts.set);
    throw error;
  }
}

function loadHead(slots: Slots, head: Head, now: number, bytes: Uint8Array): void {
  const { cursor, cooling, yields = 0, cooldown = 0 } = head;
  const damaged = (why: string) => new IpamError("damaged", `not a snapshot: ${why}`, bytes);
  if (!/^[0-9a-f]{1,33}$/.test(cursor) || !(Number.isSafeInteger(yields) && yields >= 0))
    throw damaged("its cursor or count isn't a number");
  if (!Array.isArray(cooling)) throw damaged("what cools isn't a list");
  cursorTo(slots, cursor);
  ask(slots, "yieldsSet", BigInt(yields));
  for (const [text, left] of cooling) {
    if (!/^[0-9a-f]{1,32}$/.test(text) || !(left >= 0 && left <= cooldown + 1))
      throw damaged("what cools has no address or time");
    const key = BigInt(`0x${text}`);
    // To the next tick; what is a tick but for the last bit of a fraction stays that tick.
    const due = slots.ticks(now + left + TICK - 1e-6);
    // One that isn't held was given up and freed meanwhile: nothing to do.
    ask(slots, "snapshotCool", key >> 64n, key & (2n ** 64n - 1n), due);
  }
}

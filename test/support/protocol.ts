// fixtures/protocol.ts compiled and loaded: the readers of addresses and JSON, handed bytes from
// here.
import { fixtureModule } from "./fixture.ts";

interface Exports {
  input(bytes: number): number;
  parseAddress(at: number, bytes: number): number;
  parsePrefix(at: number, bytes: number): number;
  foundHi(): bigint;
  foundLo(): bigint;
  foundFamily(): number;
  foundLength(): number;
  foundMapped(): number;
  maskHi(family: number, length: number): bigint;
  maskLo(family: number, length: number): bigint;
  lastHi(family: number, length: number, hi: bigint): bigint;
  lastLo(family: number, length: number, lo: bigint): bigint;
  format(family: number, hi: bigint, lo: bigint): number;
  escapeJson(at: number, bytes: number, cap: number): number;
  escapeQuote(at: number, bytes: number): number;
  outAt: WebAssembly.Global;
  jsonRead(at: number, bytes: number): number;
  jsonKind(node: number): number;
  jsonNext(node: number): number;
  jsonCount(node: number): number;
  jsonAt(node: number): number;
  jsonBytes(node: number): number;
  jsonText(node: number): void;
  jsonInteger(node: number): number;
  integer(): bigint;
  textAt(): number;
  textBytes(): number;
  faultByte(): number;
  faultAt(): number;
  faultUnits(): number;
  member(rule: number): number;
}

export type Json = null | boolean | string | { number: string } | Json[] | { [key: string]: Json };

/** The readers. One instance serves a whole test file. */
export class Readers {
  readonly memory: WebAssembly.Memory;
  readonly exports: Exports;

  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 16896 });
    const instance = new WebAssembly.Instance(fixtureModule("protocol", "cni"), {
      env: { memory: this.memory },
    });
    this.exports = instance.exports as unknown as Exports;
  }

  /** Puts bytes into fresh scratch: where they lie. */
  put(bytes: Uint8Array): number {
    const at = this.exports.input(bytes.length);
    new Uint8Array(this.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  text(at: number, bytes: number): string {
    return Buffer.from(this.memory.buffer, at, bytes).toString();
  }

  out(bytes: number): string {
    return this.text(this.exports.outAt.value, bytes);
  }

  /** Go's words for why the JSON is refused, or undefined if it is good. */
  refusal(bytes: Uint8Array): string | undefined {
    const e = this.exports;
    if (e.jsonRead(this.put(bytes), bytes.length)) return undefined;
    const units = new Uint16Array(this.memory.buffer, e.faultAt(), e.faultUnits());
    const where = String.fromCharCode(...units);
    const byte = e.faultByte();
    return byte < 0 ? where : `invalid character 0x${byte.toString(16)}${where}`;
  }

  /** The decoded text of a string node. */
  decoded(node: number): string {
    this.exports.jsonText(node);
    return this.text(this.exports.textAt(), this.exports.textBytes());
  }

  /** A node and all that it holds; of equal keys the last. Numbers stay texts. */
  value(node: number): Json {
    const e = this.exports;
    const kind = e.jsonKind(node);
    if (kind < 3) return [null, false, true][kind]!;
    if (kind === 3) return { number: this.text(e.jsonAt(node), e.jsonBytes(node)) };
    if (kind === 4) return this.decoded(node);
    const list: Json[] = [];
    const object: { [key: string]: Json } = Object.create(null);
    for (let n = node + 1; n < e.jsonNext(node); n = e.jsonNext(n)) {
      if (kind === 5) list.push(this.value(n));
      else {
        const key = this.decoded(n++);
        object[key] = this.value(n);
      }
    }
    return kind === 5 ? list : object;
  }
}

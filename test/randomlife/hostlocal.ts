// host-local as it works on its directory, on files in memory: what the real one does to them
// (../shared/reference/host-local.md, sections 6 to 8), for lives in which both programs take turns.
// Its lock isn't needed: one call at a time.

import { format, parse } from "../plugin/support/address.ts";
import type { Disk } from "../support/memoryhost.ts";

/** A range of a set, both ends included, with its gateway; all as text. */
export interface Span {
  from: string;
  to: string;
  gateway: string;
}

/** The address behind `text` within its range set. */
function after(set: readonly Span[], text: string): string {
  const at = set.findIndex(({ from, to }) => {
    const [low, high, one] = [parse(from)!, parse(to)!, parse(text)];
    return one?.v6 === low.v6 && one.value >= low.value && one.value <= high.value;
  });
  if (at < 0) return set[0]!.from;
  if (set[at]!.to === text) return set[(at + 1) % set.length]!.from;
  const { v6, value } = parse(text)!;
  return format({ v6, value: value + 1n });
}

export class HostLocal {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  #write(name: string, text: string): void {
    const time = this.#disk.time();
    // A file that is there is written to in place, as marks are.
    const file = this.#disk.names.get(name) ?? { cache: Buffer.alloc(0), disk: Buffer.alloc(0) };
    Object.assign(file, { cache: Buffer.from(text), dirty: undefined, time });
    this.#disk.names.set(name, file);
  }

  /** Names of the address files of an owner. */
  #of(id: string, ifname: string): string[] {
    const all = [...this.#disk.names].filter(([name]) => parse(name) !== undefined);
    const mine = (text: string) =>
      all.filter(([, { cache }]) => `${cache}`.trim() === text).map(([name]) => name);
    const exact = mine(`${id}\r\n${ifname}`);
    return exact.length > 0 ? exact : mine(id);
  }

  /** ADD: an address of each set, or undefined. What it couldn't use it gives back. */
  add(id: string, ifname: string, sets: readonly (readonly Span[])[]): string[] | undefined {
    const given: string[] = [];
    for (const [n, set] of sets.entries()) {
      const address = this.#one(id, ifname, n, set);
      if (address === undefined) {
        for (const name of given.length > 0 ? this.#of(id, ifname) : [])
          this.#disk.names.delete(name);
        return undefined;
      }
      given.push(address);
    }
    return given;
  }

  #one(id: string, ifname: string, n: number, set: readonly Span[]): string | undefined {
    const inSet = (text: string) => {
      const one = parse(text)!;
      return set.some(({ from, to }) => {
        const [low, high] = [parse(from)!, parse(to)!];
        return one.v6 === low.v6 && one.value >= low.value && one.value <= high.value;
      });
    };
    if (this.#of(id, ifname).some(inSet)) return undefined;
    const mark = `last_reserved_ip.${n}`;
    const begin = after(set, `${this.#disk.read(mark) ?? ""}`);
    let text = begin;
    do {
      const isGateway = set.some(({ gateway }) => gateway === text);
      if (!isGateway && !this.#disk.names.has(text)) {
        this.#write(text, `${id}\r\n${ifname}`);
        this.#write(mark, text);
        return text;
      }
      text = after(set, text);
    } while (text !== begin);
    return undefined;
  }

  /** DEL: its files go. */
  del(id: string, ifname: string): void {
    for (const name of this.#of(id, ifname)) this.#disk.names.delete(name);
  }
}

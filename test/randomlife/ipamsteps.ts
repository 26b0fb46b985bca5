// The steps of an Ipam's life, and the world in which they are taken: pools, owners, names. A step
// has everything in it, so that any part of a life can be played again.
import type { IpamPoolOptions, OwnerKind } from "../../src/ipam/words.ts";

export type Dice = (n: number) => number;

interface PoolSpec {
  prefix: string;
  options: IpamPoolOptions;
  /** What it may give. */
  gives: (address: string) => boolean;
  /** All its addresses, of a small one. */
  all: string[];
}

const list = (base: string, count: number) => Array.from({ length: count }, (_, n) => base + n);

function small(prefix: string, all: string[], options: IpamPoolOptions): PoolSpec {
  const never = [options.gateway, ...(options.exclude ?? [])];
  const free = new Set(all.filter((one) => !never.includes(one)));
  return { prefix, options, gives: (address) => free.has(address), all };
}

function large(prefix: string, begin: string, options: IpamPoolOptions): PoolSpec {
  return { prefix, options, gives: (address) => address.startsWith(begin), all: [] };
}

/** The pools; the plugin gives from the first and the third, too. */
export const POOLS = [
  small("10.0.0.0/28", list("10.0.0.", 16), {
    exclude: ["10.0.0.0", "10.0.0.15"],
    gateway: "10.0.0.1",
  }),
  small("10.9.0.0/29", list("10.9.0.", 8), { policy: "random", cooldown: 20, name: "nine" }),
  small("fd00::/125", ["fd00::", ...list("fd00::", 8).slice(1)], {
    policy: "first",
    cooldown: 7,
    exclude: ["fd00::"],
    gateway: "fd00::1",
  }),
  large("10.64.0.0/16", "10.64.", { cooldown: 3 }),
  large("fd01::/64", "fd01::", { policy: "random" }),
];

const MIXES = [[0], [1], [2], [3], [4], [0, 2], [1, 2], [2, 1], [3, 4], [0, 1, 2, 3, 4], [3, 2]];
const LENGTHS = [3, 20, 64, 65, 150, 3000];
const KINDS: OwnerKind[] = ["container", "other", "node", "service"];
export const OWNERS = 24;
const NAMES = 6;

/** Owner number `n`; containers are the plugin's, too; from OWNERS on with long texts. */
export function ownerOf(n: number): { owner: string; kind: OwnerKind; ifname: string } {
  if (n >= OWNERS) return { owner: `long${n}`.padEnd(3900, `z${n}`), kind: "other", ifname: "" };
  const kind = KINDS[n % 4]!;
  const text = `o${n}-`;
  const owner = text.padEnd(LENGTHS[(n >> 2) % LENGTHS.length]!, text);
  return { owner, kind, ifname: kind === "container" ? "eth0" : "" };
}

/** Name number `n`; a pod's, and some that no pod can have. */
export function nameOf(n: number): string {
  return `ns/pod-${n}`.padEnd(n < 4 ? 8 : 150 * (n - 3), `-${n}`);
}

/** What befalls whoever works, after so many operations on files. */
export interface Trouble {
  left: number;
  errno?: number;
  pages?: number;
  /** The machine is down at once, too. */
  down?: Down;
}

/** The power is cut (`cut`: a seed) or the machine shut down, for so long. */
export interface Down {
  cut?: number;
  seconds: number;
  /** CLOCK_BOOTTIME afterwards. */
  now: number;
  /** By so much the wall clock is behind then. */
  back: number;
}

export type Step =
  | { do: "open"; lock: "exclusive" | "per-call" }
  | { do: "pool"; n: number; odd: boolean }
  | { do: "allocate"; who: number; pools: number[]; name?: number; want?: number }
  | { do: "release"; who: number; ttl?: number; name: number }
  | { do: "reserve"; name: number; pools: number[]; ttl: number }
  | { do: "unreserve"; name: number }
  | { do: "time"; seconds: number }
  | { do: "wall"; seconds: number }
  | { do: "flush"; wait: boolean }
  | { do: "settle"; n: number; fails: boolean; ms: number }
  | { do: "look" | "copy" | "locked" | "kill" }
  | { do: "close"; trouble?: Trouble }
  | { do: "trouble"; trouble: Trouble }
  | { do: "down"; down: Down }
  | { do: "full"; on: boolean }
  | { do: "add"; who: number; name?: number; trouble?: Trouble }
  | { do: "del"; who: number; trouble?: Trouble }
  | { do: "churn"; times: number; trouble?: Trouble };

const EIO = 5;
const ENOSPC = 28;
const HOUR = 3600;

/** Draws steps. */
export class Steps {
  readonly #dice: Dice;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  #down(): Down {
    const dice = this.#dice;
    const down = { seconds: dice(60), now: 5 + dice(100), back: dice(5) === 0 ? dice(HOUR) : 0 };
    return dice(3) > 0 ? { ...down, cut: dice(2 ** 31) } : down;
  }

  #trouble(within?: number): Trouble {
    const dice = this.#dice;
    const left = dice(within ?? [3, 10, 40][dice(3)]!);
    const kind = dice(5);
    if (kind === 0) return { left, errno: dice(2) === 0 ? EIO : ENOSPC };
    const trouble = { left, pages: dice(3) === 0 ? dice(20) : 0 };
    return kind === 1 ? trouble : { ...trouble, down: this.#down() };
  }

  // Once in `of` times; within so many operations.
  #often(of: number, within?: number): { trouble?: Trouble } {
    return this.#dice(of) === 0 ? { trouble: this.#trouble(within) } : {};
  }

  #maybe<K extends string>(key: K, n: number, of = 2): { [k in K]?: number } {
    const dice = this.#dice;
    return dice(of) === 0 ? ({ [key]: dice(n) } as { [k in K]?: number }) : {};
  }

  next(): Step {
    const dice = this.#dice;
    const pools = MIXES[dice(MIXES.length)]!;
    const drawn = dice(1000);
    const who = dice(OWNERS);
    if (drawn < 130) return { do: "open", lock: dice(4) === 0 ? "per-call" : "exclusive" };
    if (drawn < 160) return { do: "pool", n: dice(POOLS.length), odd: dice(8) === 0 };
    if (drawn < 400)
      return {
        do: "allocate",
        who,
        pools,
        ...this.#maybe("name", NAMES),
        ...this.#maybe("want", 8, 5),
      };
    if (drawn < 560) return { do: "release", who, name: dice(NAMES), ...this.#maybe("ttl", 60, 3) };
    if (drawn < 600) return { do: "reserve", name: dice(NAMES), pools, ttl: 1 + dice(90) };
    if (drawn < 615) return { do: "unreserve", name: dice(NAMES) };
    if (drawn < 655) return { do: "time", seconds: 1 + dice(dice(6) === 0 ? 200 : 6) };
    if (drawn < 660) return { do: "wall", seconds: (dice(2) === 0 ? 1 : -1) * dice(2 * HOUR) };
    if (drawn < 770) return { do: "flush", wait: dice(2) === 0 };
    if (drawn < 860)
      return { do: "settle", n: dice(2), fails: dice(12) === 0, ms: [0.01, 0.2, 3][dice(3)]! };
    if (drawn < 872) return { do: "look" };
    if (drawn < 877) return { do: "copy" };
    if (drawn < 879) return { do: "locked" };
    if (drawn < 925) return { do: "close", ...this.#often(2, 16) };
    if (drawn < 933) return { do: "kill" };
    if (drawn < 948) return { do: "trouble", trouble: this.#trouble() };
    if (drawn < 955) return { do: "down", down: this.#down() };
    if (drawn < 958) return { do: "full", on: dice(3) === 0 };
    if (drawn < 975)
      return { do: "add", who: who & ~3, ...this.#maybe("name", 4), ...this.#often(8) };
    if (drawn < 992) return { do: "del", who: who & ~3, ...this.#often(8) };
    return { do: "churn", times: 1 + dice(10), ...this.#often(2, 16) };
  }
}

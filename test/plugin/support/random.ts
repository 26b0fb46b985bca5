// Random numbers by seed (mulberry32), so that every failure can be played again.

/** The seed of a run: BERTH_SEED, or a fixed one. Tests name it in what they throw. */
export const seed = Number(process.env.BERTH_SEED ?? 20_251_121);

/** A stream of numbers that depends on its seed only. */
export class Random {
  #state: number;

  constructor(...seeds: number[]) {
    this.#state = seeds.reduce((s, x) => Math.imul(s ^ x, 0x9e3779b1) + 0x7f4a7c15, 1) >>> 0;
    for (let i = 0; i < 4; i++) this.below(2);
  }

  /** An integer in [0, n), n at most 2^32. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** A bigint in [0, n), n at most 2^60. */
  big(n: bigint): bigint {
    return (BigInt(this.below(2 ** 30)) * 2n ** 30n + BigInt(this.below(2 ** 30))) % n;
  }

  /** True with probability p. */
  chance(p: number): boolean {
    return this.below(1_000_000) < p * 1_000_000;
  }

  /** One of a list that isn't empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** The list in another order. */
  shuffle<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  /** Random bytes. */
  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.below(256));
  }
}

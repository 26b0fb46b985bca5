// What can be known at a reboot of the time that has passed, from a wall clock that somebody sets.

import type { Disk } from "../support/memoryhost.ts";
import type { Gap } from "./compare.ts";

/** 2026: a wall clock before isn't believed. */
const RELEASED = 1_767_225_600;

export class Clocks {
  readonly #disk: Disk;
  /** How far the wall clock was ahead of the other in this boot, and in the last call that wrote. */
  #offsets: number[];
  #seen: number;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.#offsets = [disk.wall];
    this.#seen = disk.wall;
  }

  /** Somebody sets the wall clock. */
  jump(seconds: number): void {
    this.#disk.wall += seconds;
    this.#offsets.push(this.#disk.wall);
  }

  /** A call has written: it has seen how far the clocks are apart. */
  wrote(): void {
    this.#seen = this.#disk.wall;
  }

  /** What the wall clock will say of a time without power; `now`: the next boot's clock then. */
  gap(down: number, now: number, cut: boolean): Gap {
    const { wall, now: was } = this.#disk;
    const jump = wall - (cut ? Math.min(...this.#offsets) : this.#seen);
    const believed = wall + was >= RELEASED;
    const passed = believed ? Math.max(0, down + Math.max(0, jump)) : 0;
    const still = this.#offsets.every((offset) => offset === wall);
    return { passed: was + passed, exact: believed && still && down >= 0, now, cut };
  }

  /** The next boot has begun. */
  booted(): void {
    this.#offsets = [this.#disk.wall];
    this.#seen = this.#disk.wall;
  }
}

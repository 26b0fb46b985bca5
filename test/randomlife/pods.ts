// The machine of a random life: which network namespaces there are, which of them a record
// remembers, and what `berth gc` must say of each container: docs/GC.md.

import { Machine } from "../support/machine.ts";
import type { Allocation, Model } from "./model.ts";

const DIRECTORY = "/run/netns";
/** Seconds between two looks after which what shows no sign of life goes. */
const GRACE = 900;

/** What one look of `berth gc` comes to. */
export interface Look {
  live: number;
  unknown: number;
  waiting: number;
  due: Allocation[];
}

export class Pods {
  readonly machine = new Machine();
  readonly #names = new Map<string, number>();
  /** The namespace that an owner's record remembers. */
  readonly #of = new Map<string, number>();
  /** When an allocation was first seen without a sign of life. */
  #seen = new Map<string, { serial: number; first: number }>();

  constructor() {
    this.machine.names.set(DIRECTORY, this.#names);
  }

  /** A sandbox gets its namespace: the path of it. */
  begin(netns: number): string {
    this.#names.set(`n${netns}`, netns);
    return `${DIRECTORY}/n${netns}`;
  }

  /** An ADD has ended: its owner holds something since, or the sandbox goes again. */
  added(owner: string, netns: number, holds: boolean): void {
    if (holds) this.#of.set(owner, netns);
    else this.#names.delete(`n${netns}`);
  }

  /** An ADD couldn't tell its namespace. */
  forget(owner: string): void {
    this.#of.delete(owner);
  }

  /** The sandbox goes, whether there is a DEL or not. */
  end(owner: string): void {
    this.#names.delete(`n${this.#of.get(owner)}`);
  }

  /** No namespace outlives its boot, and no number of one means anything in the next. */
  reboot(): void {
    this.#names.clear();
    this.#of.clear();
    this.#seen.clear();
  }

  /** One look; what is due is seen no more. */
  look({ owners, now }: Model): Look {
    const look: Look = { live: 0, unknown: 0, waiting: 0, due: [] };
    const seen = new Map<string, { serial: number; first: number }>();
    for (const [owner, whose] of owners) {
      const netns = this.#of.get(owner);
      if (netns === undefined) look.unknown++;
      else if (this.#names.has(`n${netns}`)) look.live++;
      else {
        const before = this.#seen.get(owner);
        const first = before?.serial === whose.serial ? before.first : undefined;
        if (first !== undefined && now - first >= GRACE) look.due.push(whose);
        else {
          look.waiting++;
          seen.set(owner, { serial: whose.serial, first: first ?? now });
        }
      }
    }
    this.#seen = seen;
    return look;
  }
}

// What pools answer, and what one thread sends another to share a pool.
import type { PoolOptions } from "./pooloptions.ts";
import type { HeapToken } from "./share.ts";

/** What `explain` answers. */
export interface Explanation {
  state: "free" | "allocated" | "held" | "cooling" | "excluded" | "outside";
  /** Seconds of the pool's clock: when a hold lapses or a cool-down ends. */
  until?: number;
  /** The same in words. */
  why: string;
}

/** A shared pool, as it is sent to another thread. */
export interface PoolToken {
  berth: "pool";
  heap: HeapToken;
  cell: number;
  number: number;
  epoch: number;
  prefix: string;
  options: PoolOptions;
}

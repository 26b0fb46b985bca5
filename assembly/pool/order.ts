// An order: what an allocation is asked for. Filled by the protocol and the library, in scratch
// memory; never stored.

import { Owner } from "../records/key";
import { RangeSet } from "./range";

/** For whom, and what is asked for; the texts are bytes in memory. */
@unmanaged
export class Order extends Owner {
  /** Name that the owner goes by (namespace/name); nameBytes = 0 for none. */
  name: usize;
  nameBytes: u32;
  /** Seconds for which the name is reserved when it is let go; 0 = it isn't. */
  reserveFor: u32;
  /** NAME_ flags. */
  flags: u32;
  /** Inode number of the container's network namespace; 0 = unknown. */
  netns: u32;
  /** `setCount` of RangeSet, and as many Given to be filled. */
  sets: usize;
  setCount: i32;
  given: usize;
  /** `wantedCount` of Wanted. */
  wanted: usize;
  wantedCount: i32;
  policy: i32;
  /** Two random words, for POLICY_RANDOM. */
  random0: u64;
  random1: u64;
  /** While something is due: FAIL_EXHAUSTED, `failOver`, rather than a cool-down cut short. */
  seek: bool;
  /** Seconds of CLOCK_BOOTTIME. */
  now: u32;
  /** Number of the commit that is being prepared. */
  number: u64;
}

/** The RangeSet number `i` of an order. */
export function orderSet(o: Order, i: i32): usize {
  return o.sets + <usize>i * offsetof<RangeSet>();
}

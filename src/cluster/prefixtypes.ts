// What prefix pools are asked and what they answer.
import type { Family } from "../address.ts";
import { keysOf, needKeys, ownOptions } from "../keys.ts";
import type { PerFamily } from "./prefixoptions.ts";

/** What `allocate` and `hold` are asked for; all may be left out. */
export interface PrefixRequest {
  /** Who it is for: any text that isn't empty. An owner may have several. */
  owner?: string | undefined;
  /** Another length than the pool's (`mixed` only); one number is for both families. */
  length?: PerFamily;
  /** Of this family only. */
  family?: Family;
}
const REQUEST_KEYS = keysOf<PrefixRequest>("request", "a key of a request for a prefix", {
  owner: true,
  length: true,
  family: true,
});

/**
 * A copy of a request, which is read once: that may be the caller's code, which may change it or
 * close the pool. Throws "invalid".
 */
export function requestOf(request: PrefixRequest): PrefixRequest {
  needKeys(request, REQUEST_KEYS);
  return ownOptions(request, REQUEST_KEYS);
}

/**
 * What `occupy` answers. `added`: it is held now; `same`: this owner had it already; `conflict`:
 * nothing was changed, somebody else has it (or it is kept back, then there is no `prefix`).
 */
export type Occupied =
  | {
      status: "added" | "same";
      /** Who has it now; undefined: nobody that has a name. */
      owner?: string;
      prefix?: undefined;
      why?: undefined;
    }
  | {
      status: "conflict";
      /** Who has it; undefined: nobody that has a name, or it is kept back. */
      owner?: string;
      /** The held sub-prefix that is in the way. */
      prefix?: string;
      /** The same in words. */
      why: string;
    };

/** What `explain` answers. */
export interface PrefixExplanation {
  /** `partly`: something in it is held; `held`: on hold, neither confirmed nor aborted. */
  state: "free" | "allocated" | "held" | "partly" | "excluded" | "outside";
  /** The held sub-prefix that it is, lies in, or (partly) the first one in it. */
  prefix?: string;
  owner?: string;
  /** The cluster prefix that it lies in. */
  clusterPrefix?: string;
  /** Seconds of the pool's clock: when a hold lapses. */
  until?: number;
  /** The same in words. */
  why: string;
}

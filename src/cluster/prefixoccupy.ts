// Occupying: notes that somebody has a prefix, wherever it comes from. Kubernetes' rule where a
// pool has one length, as it is where lengths are mixed: each cluster prefix knows (ranges.ts).
// Either all parts of the prefix that lie in cluster prefixes fit, or nothing changes. Several of
// them are whole cluster prefixes, few enough sub-prefixes for bitmaps or one block each: those
// need no memory, so none of them finds the heap full after another. With one length what is kept
// back stays what it is, whatever cluster prefix it lies in: that is a conflict only where there is
// nothing else.
import { formatPrefix, type Prefix, parsePrefix } from "../address.ts";
import { type ClusterPrefixes, checkOwner } from "./clusterprefixes.ts";
import type { Owners } from "./owners.ts";
import { conflicted } from "./prefixreport.ts";
import type { Occupied } from "./prefixtypes.ts";
import type { ClusterRange } from "./ranges.ts";

/** PrefixPool.occupy, which says what it throws. */
export function occupied(
  prefixes: ClusterPrefixes,
  owners: Owners,
  text: string,
  owner: string | undefined,
): Occupied {
  checkOwner(owner);
  const p = parsePrefix(text, true);
  const isMine = (held: Prefix) => {
    return (owners.size > 0 ? owners.of(formatPrefix(held)) : undefined) === owner;
  };
  const free: [ClusterRange, Prefix][] = [];
  let [same, kept] = [false, false];
  for (const range of prefixes.touching(p)) {
    const part = range.clip(p);
    range.checkWidth(part, owner !== undefined);
    const fit = range.fit(part, isMine);
    if (fit.status === "conflict" && (fit.held || prefixes.mixed))
      return conflicted(text, fit.held, owners);
    if (fit.status === "free") free.push([range, part]);
    else if (fit.status === "same") same = true;
    else kept = true;
  }
  if (free.length === 0 && !same) {
    if (kept) return conflicted(text, undefined, owners);
    throw prefixes.outside(text);
  }
  for (const [range, part] of free)
    range.allocations += range.occupy(
      part,
      owner === undefined ? undefined : (each) => owners.set(formatPrefix(each), owner),
    );
  return { status: free.length > 0 ? "added" : "same", owner };
}

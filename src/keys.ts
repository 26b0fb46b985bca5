// Keys: what may be written into an object that a caller passes. A key that no call reads is a
// misspelt one, and is refused by its name: no option does nothing.
//
// Own keys with a text for a name: symbols and what is inherited are left alone. Cost: some 5 ns
// for each key, by comparing it with the known ones: they are few, a set takes twice as long.
import { IpamError, needObject, shown } from "./errors.ts";

/** Of so many characters one may be wrong in a name that is taken for a misspelt one. */
const RIGHT = 3;

/** What an object may have. */
export interface Keys {
  /** The argument, as needObject names it. */
  readonly what: string;
  /** What one of its keys is, as an error says it: "an option of createPool". */
  readonly one: string;
  readonly known: readonly string[];
  /** May this other key stand in this object? */
  readonly also: ((key: string, value: object) => boolean) | undefined;
}

/** All keys of `T`: the compiler wants each of them, and no other. */
export function keysOf<T>(
  what: string,
  one: string,
  known: Readonly<Record<keyof T, true>>,
  also?: Keys["also"],
): Keys {
  return { what, one, known: Object.keys(known), also };
}

/**
 * The same for what may have keys of others besides, such as a service's spec: only a key that is
 * nearly one that isn't written is misspelt.
 */
export function someKeysOf<T>(
  what: string,
  one: string,
  known: Readonly<Record<keyof T, true>>,
): Keys {
  const all = Object.keys(known);
  const also = (key: string, value: object) =>
    nearest(
      key,
      all.filter((other) => !Object.hasOwn(value, other)),
    ) === undefined;
  return { what, one, known: all, also };
}

/** Throws "invalid" unless it is an object whose keys are known. */
export function needKeys(value: unknown, keys: Keys): void {
  needObject(value, keys.what);
  const { known } = keys;
  for (const key in value as object) {
    let at = 0;
    while (at < known.length && known[at] !== key) at++;
    if (at === known.length) refuse(key, value as object, keys);
  }
}

/**
 * A copy of options that the caller's later changes don't reach: their lists are copied, too. All
 * else stays as it is, for the check, which names it.
 */
export function ownOptions<T extends object>(options: T, keys: Keys): T {
  const own: Record<string, unknown> = {};
  for (const key of keys.known) {
    const value = (options as Record<string, unknown>)[key];
    if (value === undefined) continue;
    own[key] = Array.isArray(value) ? [...value] : value;
  }
  return own as T;
}

function refuse(key: string, value: object, { one, known, also }: Keys): void {
  if (!Object.hasOwn(value, key) || also?.(key, value)) return;
  const near = nearest(key, known);
  const right = near === undefined ? `there are ${known.join(", ")}` : `use ${near}`;
  throw new IpamError("invalid", `${shown(key)} is not ${one}: ${right}`, key);
}

/** The name that was probably meant, if one is near. Case doesn't count. */
export function nearest(text: string, names: Iterable<string>): string | undefined {
  let found: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const most = Math.max(1, Math.floor(Math.max(text.length, name.length) / RIGHT));
    if (Math.abs(text.length - name.length) > most) continue;
    const far = distance(text.toLowerCase(), name.toLowerCase());
    if (far <= most && far < least) [found, least] = [name, far];
  }
  return found;
}

// Characters to add, take away, change or swap with the next one, to make `b` of `a`.
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const [above, row] = [rows[i - 1]!, [i]];
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(above[j]! + 1, row[j - 1]! + 1, changed);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

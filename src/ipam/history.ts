// What the flight recorder keeps, as objects: the last 1,024 events of a state, oldest first. The
// words are those of `berth history`. assembly/records/eventcell.ts draws what lies in the image.
import { formatAddress } from "../address.ts";
import type { Core } from "./core.ts";

/** What became of addresses. */
export type HistoryWord =
  | "given"
  | "given back"
  | "released"
  | "reserved"
  | "expired"
  | "yielded"
  | "refused"
  | "adopted"
  | "reboot"
  | "unknown";

/** One event of the recorder. */
export interface HistoryEvent {
  what: HistoryWord;
  /** To the second, by the wall clock of then; of "expired": when it was due. */
  when: Date;
  /** At most one of each family; what was asked for, of a refusal. */
  addresses: string[];
  /** The first 12 bytes of the owner's text. */
  owner?: string;
  /** The first 44 bytes of its name. */
  name?: string;
  /**
   * Who let go: "DEL", "DEL note", "GC", "operator", "host-local", "another pod of its name",
   * "reboot" ("DEL": the library, too).
   */
  by?: string;
  /** Why it was refused. */
  reason?: string;
  /** How often it was refused; how many containers hold nothing after a reboot. */
  count?: number;
  /** Of the cool-down ("yielded": that were left of it), of the reservation; none: for ever. */
  seconds?: number;
}

const WHAT: readonly HistoryWord[] = [
  "unknown",
  "given",
  "released",
  "reserved",
  "given back",
  "expired",
  "yielded",
  "refused",
  "adopted",
  "reboot",
];
const BY = ["DEL", "DEL note", "GC", "operator", "host-local", "another pod of its name", "reboot"];
/** The reason by which a replay knows a refusal for want of addresses. */
export const NOTHING_FREE = "nothing was free";
const REASONS = [
  "",
  "it holds addresses already",
  NOTHING_FREE,
  "the address is the gateway",
  "the address is excluded",
  "the address wasn't free",
  "no range set has the address",
  "the state couldn't grow",
  "another container of its name holds the address",
  "the address wasn't free",
  "an annotation can't be followed",
];
const NEVER = 2 ** 32 - 1;

/** The events that are kept, oldest first; [] where no recorder runs. */
export function readEvents(core: Core): HistoryEvent[] {
  core.exports.bookEvents!();
  const [from, next] = [core.out(0), core.out(1)];
  const events: HistoryEvent[] = [];
  for (let n = from; n < next; n++) if (core.exports.bookEvent!(n)) events.push(readEvent(core));
  return events;
}

// The event that lies in the block.
function readEvent(core: Core): HistoryEvent {
  const what = WHAT[core.outNumber(0)] ?? "unknown";
  const addresses: string[] = [];
  if (core.outNumber(5)) addresses.push(formatAddress(4, core.out(6)));
  if (core.outNumber(7)) addresses.push(formatAddress(6, (core.out(8) << 64n) | core.out(9)));
  const event: HistoryEvent = { what, when: new Date(core.outNumber(2) * 1000), addresses };
  const owner = core.ownerText(core.outNumber(10));
  const name = core.nameText(core.outNumber(11));
  if (owner !== "") event.owner = owner;
  if (name !== "") event.name = name;
  const [cause, extra] = [core.outNumber(1), core.outNumber(3)];
  if (what === "released" || what === "reserved") event.by = BY[cause] ?? "DEL";
  if (what === "refused")
    Object.assign(event, { reason: REASONS[cause] ?? "unknown", count: core.outNumber(4) });
  else if (what === "reboot") event.count = extra;
  else if (extra !== 0 && extra !== NEVER) event.seconds = extra;
  return event;
}

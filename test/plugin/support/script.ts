// Random scripts of CNI calls: what a network looks like, and what is done to it, step by step.
// A step is data and complete in itself, so that a failing script can lose steps and stay one.

import { type Address, format, parse, type Range, type Span, spanOf } from "./address.ts";
import type { Verb } from "./plugin.ts";
import type { Random } from "./random.ts";

/** The part of a configuration that scripts vary. */
export interface Shape {
  /** Old-style keys directly in ipam. */
  old?: Range;
  ranges: Range[][];
  /** runtimeConfig.ipRanges. */
  ipRanges?: Range[][];
  routes?: { dst: string; gw?: string }[];
  /** The text of the file that resolvConf names. */
  resolv?: string;
  /** Keys in another case, as Go's reader takes them. */
  shout?: boolean;
  /** Made to be refused by ADD; DEL isn't tried under it. */
  broken?: boolean;
}

/** One call by one owner. */
export interface CallStep {
  kind: "call";
  verb: Verb;
  id: string;
  ifname: string;
  version: string;
  args?: string;
  /** args.cni.ips */
  argsIps?: string[];
  /** runtimeConfig.ips */
  runtimeIps?: string[];
  /** Hand the result of the ADD back as prevResult. */
  prevResult?: boolean;
}

export type Step = { kind: "shape"; shape: Shape } | CallStep;

/** Range sets in the order in which they are used. */
export function setsOf(s: Shape): Range[][] {
  return [...(s.ipRanges ?? []), ...(s.old?.subnet ? [[s.old]] : []), ...s.ranges];
}

/** Their spans; ranges that can't be read are left out. */
export function spansOf(s: Shape): Span[][] {
  return setsOf(s).map((set) => set.map(spanOf).filter((span) => span !== undefined));
}

function subnet(r: Random, v6: boolean, tiny: boolean): string {
  if (v6) {
    const length = tiny ? r.pick([124, 125, 125, 126]) : r.pick([48, 64, 64, 112, 116, 120]);
    const low = length >= 120 ? r.below(4) << 8 : 0;
    return `2001:db8:${r.below(5)}::${low ? low.toString(16) : ""}/${length}`;
  }
  const length = tiny ? r.pick([28, 29, 29, 30]) : r.pick([8, 16, 16, 20, 24, 26]);
  const words = [r.pick([10, 10, 172, 203]), r.below(4), r.below(4) << 4, r.below(4) << 6];
  const value = words.reduce((n, w) => n * 256n + BigInt(w), 0n);
  const host = BigInt(32 - length);
  return `${format({ v6, value: (value >> host) << host })}/${length}`;
}

function somewhere(r: Random, s: Span, low: bigint): bigint {
  const size = s.last - low + 1n;
  if (size <= 1n) return low;
  if (r.chance(0.7)) return low + r.big(size < 9n ? size : 9n);
  return low + r.big(size < 2n ** 59n ? size : 2n ** 59n);
}

function spelled(r: Random, a: Address): string {
  const text = format(a);
  if (!a.v6 && r.chance(0.03)) return `::ffff:${text}`;
  if (a.v6 && r.chance(0.1)) return text.toUpperCase();
  return text;
}

function range(r: Random, v6: boolean, tiny: boolean): Range {
  const out: Range = { subnet: subnet(r, v6, tiny) };
  const span = spanOf(out)!;
  let low = span.first;
  if (r.chance(0.3)) {
    low = somewhere(r, span, span.first - (r.chance(0.1) ? 1n : 0n));
    out.rangeStart = spelled(r, { v6, value: low });
  }
  if (r.chance(0.3)) {
    out.rangeEnd = spelled(r, { v6, value: somewhere(r, span, low) });
  }
  if (r.chance(0.35)) {
    const inside = { v6, value: somewhere(r, span, span.first) };
    out.gateway = r.chance(0.8)
      ? spelled(r, inside)
      : r.pick(["", "192.0.2.99", "2001:db8:ff::1", "10.1.0.1"]);
  }
  return out;
}

function breakSomething(r: Random, s: Shape): void {
  const set = r.pick(s.ranges);
  const one = r.pick(set);
  const v6 = one.subnet!.includes(":");
  const ways: (() => void)[] = [
    () => set.splice(0),
    () => (one.subnet = ""),
    () => (one.subnet = "10.1.2.3"),
    () => (one.subnet = v6 ? "2001:db8::1/64" : "10.1.2.3/24"),
    () => (one.subnet = v6 ? "2001:db8::/127" : "10.1.2.0/31"),
    () => (one.subnet = v6 ? "2001:db8::/129" : "10.1.2.0/33"),
    () => delete one.subnet,
    () => (one.rangeStart = v6 ? "2001:db9::1" : "192.0.2.1"),
    () => (one.rangeEnd = v6 ? "2001:db9::1" : "192.0.2.1"),
    () => (one.rangeStart = "10.0.0.01"),
    () => (one.gateway = "fe80::1%eth0"),
    () => (one.gateway = "x"),
    () => set.push({ subnet: v6 ? "10.9.0.0/24" : "2001:db8:9::/64" }),
    () => set.push({ ...one }),
    () => s.ranges.push([{ subnet: one.subnet! }]),
    () => (s.routes = [{ dst: "10.0.0.0" }]),
    () => (s.routes = [{ dst: "10.0.0.0/8", gw: "10" }]),
  ];
  r.pick(ways)();
  s.broken = true;
}

const resolvLines = [
  "nameserver 192.0.2.53",
  "nameserver 2001:db8::53 trailing",
  "  nameserver\t192.0.2.54\r",
  "domain example.org",
  "domain a.example b.example",
  "search one.example two.example",
  "search three.example",
  "options ndots:5 timeout:2",
  "options rotate # not a comment",
  "# nameserver 192.0.2.1",
  "; search none",
  "Nameserver 192.0.2.2",
  "sortlist 192.0.2.0",
  "nameserver",
  "",
];

/** True if two ranges share an address, which host-local and Berth refuse. */
export function overlapping(s: Shape): boolean {
  const all = spansOf(s).flat();
  return all.some((a, i) =>
    all.some((b, j) => i < j && a.v6 === b.v6 && a.first <= b.last && b.first <= a.last),
  );
}

/** A network's shape, small ranges if `tiny`; most overlap nowhere. */
function shapeOf(r: Random, tiny: boolean, families: boolean[]): Shape {
  for (;;) {
    const shape = anyShape(r, tiny, families);
    if (!overlapping(shape) || r.chance(0.1)) return shape;
  }
}

function anyShape(r: Random, tiny: boolean, families: boolean[]): Shape {
  const out: Shape = { ranges: [] };
  for (const v6 of families) {
    const count = r.pick([1, 1, 2, 3]);
    const set = Array.from({ length: count }, () => range(r, v6, tiny));
    if (count === 1 && out.old === undefined && r.chance(0.15)) out.old = set[0]!;
    else if (r.chance(0.1)) out.ipRanges = [...(out.ipRanges ?? []), set];
    else out.ranges.push(set);
  }
  if (r.chance(0.3)) {
    const all = [
      { dst: "0.0.0.0/0" },
      { dst: "::/0", gw: "2001:DB8::1" },
      { dst: "10.1.2.3/8", gw: "::ffff:10.0.0.1" },
      { dst: "2001:db8:0:0::7/48" },
      { dst: "192.0.2.0/24", gw: "" },
    ];
    out.routes = r.shuffle(all).slice(0, r.below(5));
  }
  if (r.chance(0.25)) {
    out.resolv = Array.from({ length: r.below(9) }, () => r.pick(resolvLines)).join("\n");
  }
  if (r.chance(0.06)) out.shout = true;
  if (r.chance(0.07) && out.ranges.length > 0) breakSomething(r, out);
  return out;
}

function request(r: Random, spans: Span[][]): string {
  const span = r.pick(spans.flat());
  const inside = { v6: span.v6, value: somewhere(r, span, span.first) };
  const text = r.chance(0.85)
    ? spelled(r, inside)
    : r.chance(0.5) && span.gateway
      ? format(span.gateway)
      : r.pick(["192.0.2.77", "2001:db8:ff::77", format({ ...inside, value: span.last + 1n })]);
  return r.chance(0.3) ? `${text}/${r.pick(["24", "8", text.includes(":") ? "64" : "30"])}` : text;
}

/** CNI_ARGS that are refused. */
export const badArgs = ["A", "IP=foo", "FOO=BAR", "A=b=c", "IP=10.1.2.3;", "IgnoreUnknown=yes;X=1"];
const goodArgs = [
  "",
  "IgnoreUnknown=1",
  "IgnoreUnknown=true;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;K8S_POD_INFRA_CONTAINER_ID=c",
  "K8S_POD_NAME=b;IgnoreUnknown=TRUE",
  "IP=",
];

function addStep(r: Random, ids: string[], version: string, spans: Span[][]): Step {
  const ifname = r.pick(["eth0", "eth0", "eth0", "net1"]);
  const step: Step = { kind: "call", verb: "ADD", id: r.pick(ids), ifname, version };
  step.args = r.chance(0.02) ? r.pick(badArgs) : r.pick(goodArgs);
  if (!r.chance(0.25) || spans.flat().length === 0) return step;
  for (let n = r.pick([1, 1, 1, 2, 3]); n > 0; n--) {
    const ip = request(r, spans);
    const source = r.below(3);
    if (source === 0) step.args = `IgnoreUnknown=1;IP=${ip}`;
    else if (source === 1) step.argsIps = [...(step.argsIps ?? []), ip];
    else step.runtimeIps = [...(step.runtimeIps ?? []), ip];
  }
  return step;
}

function checkStep(r: Random, one: Omit<CallStep, "verb">, versions: string[]): Step {
  const checked = versions.filter((v) => v >= "0.4");
  const version = one.version >= "0.4" || r.chance(0.1) ? one.version : r.pick(checked);
  return { ...one, verb: "CHECK", version, prevResult: r.chance(0.5) };
}

/** A script of about `length` steps over a few owners. */
export function scriptOf(r: Random, length: number, versions: string[]): Step[] {
  const tiny = r.chance(0.6);
  const family = () => r.chance(0.5);
  const mix = r.pick([[false, true], [false, true], [true, false], [family()], [true, true]]);
  const families = r.chance(0.1) ? [family(), family(), family()] : mix;
  const ids = Array.from({ length: tiny ? 9 : 5 }, (_, i) => `pod-${i}.a_b`);
  ids.push("f".repeat(64), "L".repeat(r.pick([65, 130, 200])));
  const late = versions.filter((v) => v >= "0.3");
  const version = r.pick(new Set(families).size < families.length ? late : versions);
  let shape = shapeOf(r, tiny, families);
  const out: Step[] = [{ kind: "shape", shape }];
  while (out.length < length) {
    const id = r.pick(ids);
    const ifname = r.pick(["eth0", "eth0", "net1"]);
    const v = r.chance(0.93) ? version : r.pick([...versions, "", "0.3.9", "9.9.9"]);
    const one = { kind: "call" as const, id, ifname, version: v };
    const dice = r.below(100);
    if (dice < 60) out.push(addStep(r, ids, v, spansOf(shape)));
    else if (dice < 82) out.push({ ...one, verb: "DEL" });
    else if (dice < 90) out.push(checkStep(r, one, late));
    else if (dice < 91)
      out.push({ ...one, verb: "ADD", ifname: r.pick(["a/b", "..", "0123456789abcdef"]) });
    else if (dice < 92) out.push({ ...one, verb: "CHECK", id: "-x" });
    else {
      const grown = structuredClone(shape);
      const v6 = family();
      if (r.chance(0.4)) grown.ranges.push([range(r, v6, tiny)]);
      else if (r.chance(0.5)) grown.ranges.unshift([range(r, v6, tiny)]);
      shape = r.chance(0.5) ? grown : shapeOf(r, tiny, families);
      out.push({ kind: "shape", shape });
    }
  }
  return out;
}

/** The addresses that a step asks for, each once, in canonical text. */
export function requested(step: Step): string[] {
  if (step.kind !== "call") return [];
  const ip = /(?:^|;)IP=([^;]*)/.exec(step.args ?? "")?.[1];
  const all = [ip ?? "", ...(step.argsIps ?? []), ...(step.runtimeIps ?? [])];
  const plain = all.map((t) => parse(t.replace(/\/.*$/, ""))).filter((a) => a !== undefined);
  return [...new Set(plain.map(format))];
}

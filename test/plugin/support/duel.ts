// Plays a script against two programs, each with a data directory of its own, and finds the first
// step where they differ.
//
// Steps where Berth departs from host-local on purpose (DESIGN.md section 6) aren't played; the
// numbers are those of section 14 of the host-local reference. `avoided` names each.

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { bare, parse, within } from "./address.ts";
import { type Call, command, type Json, type Outcome, type Plugin } from "./plugin.ts";
import {
  badArgs,
  type CallStep,
  overlapping,
  requested,
  type Shape,
  type Step,
  setsOf,
  spansOf,
} from "./script.ts";

/** What an owner got, as the oracle told it. */
interface Held {
  addresses: string[];
  version: string;
  result: Record<string, Json>;
}

function shouted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shouted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k.toUpperCase(), shouted(v)]));
}

/** The configuration of a step; `dir` is the side's own folder, `common` holds resolv.conf. */
function configOf(s: Shape, step: CallStep, dir: string, common: string, held?: Held): object {
  const ipam: Record<string, unknown> = { type: "x", dataDir: dir, ranges: s.ranges };
  if (s.routes !== undefined) ipam.routes = s.routes;
  if (s.resolv !== undefined) ipam.resolvConf = path.join(common, "resolv.conf");
  const runtime: Record<string, unknown> = {};
  if (s.ipRanges !== undefined) runtime.ipRanges = s.ipRanges;
  if (step.runtimeIps !== undefined) runtime.ips = step.runtimeIps;
  const out: Record<string, unknown> = { name: "net", type: "bridge", mtu: 1400 };
  if (step.version !== "") out.cniVersion = step.version;
  out.ipam = s.shout ? shouted({ ...ipam, ...s.old }) : { ...ipam, ...s.old };
  if (Object.keys(runtime).length > 0) out.runtimeConfig = runtime;
  if (step.argsIps !== undefined) out.args = { cni: { ips: step.argsIps } };
  if (step.prevResult && held?.version === step.version) out.prevResult = held.result;
  return out;
}

const firstFamilyOnly = ["", "0.1.0", "0.2.0"];

/** Why a step isn't played, or undefined. */
function avoided(s: Shape, step: CallStep, held: Held | undefined): string | undefined {
  const spans = spansOf(s);
  if (step.verb === "DEL") {
    // 10: with a config that ADD refuses, or bad CNI_ARGS, host-local's DEL frees nothing.
    if (s.broken || badArgs.includes(step.args ?? "")) return "10";
    const families = setsOf(s).map((set) => set[0]?.subnet?.includes(":"));
    const twice = new Set(families).size < families.length;
    if (twice && firstFamilyOnly.includes(step.version)) return "10";
    if (overlapping(s)) return "10";
    return undefined;
  }
  if (step.verb !== "ADD") return undefined;
  const wanted = requested(step).map((t) => parse(t)!);
  // 1, 2: a second ADD of an owner is a duplicate by any of its addresses. host-local agrees only
  // if the first set holds one, and nothing is requested; else it may free a live address.
  if (held !== undefined) {
    const own = held.addresses.map((t) => parse(bare(t))!);
    const found = own.filter((a) => spans[0]?.some((span) => within(span, a)));
    if (wanted.length > 0 || found.length !== 1) return "1, 2";
  }
  // 12: of several candidates for one set host-local takes a random one.
  for (const set of spans) {
    if (wanted.filter((a) => set.some((span) => within(span, a))).length > 1) return "12";
  }
  return undefined;
}

function departs(s: Shape): boolean {
  const spans = spansOf(s).flat();
  // 5: a rangeStart above the default end is taken by host-local, which then walks past the subnet.
  if (spans.some((span) => span.first > span.last)) return true;
  // 6: v6 addresses below ::1:0:0 are printed as v4 ones after a carry.
  return spans.some((span) => span.v6 && span.first >> 48n === 0n);
}

/** The result without what host-local 1.1.1 and later ones print differently (section 0). */
function plain(result: Record<string, Json>): Record<string, Json> {
  const out = { ...result };
  const dns = out.dns;
  const late = typeof out.cniVersion === "string" && /^[1-9]/.test(out.cniVersion);
  if (late && dns !== null && typeof dns === "object" && Object.keys(dns).length === 0) {
    delete out.dns;
  }
  return out;
}

function text(msg: string): string {
  const [, head, list] = /^(failed to allocate all requested IPs: )(.*)$/.exec(msg) ?? [];
  if (head !== undefined) return head + list!.split(" ").sort().join(" ");
  if (msg.startsWith("json: cannot unmarshal")) return "json: cannot unmarshal";
  // Each says its own name first.
  return msg.replace(/^(host-local|berth): (?=Failed to find)/, "");
}

/** How two outcomes differ, or undefined. */
export function difference(oracle: Outcome, ours: Outcome): string | undefined {
  const show = (o: Outcome) => JSON.stringify(o.ok ? o.result : o.error);
  const both = `\nhost-local: ${show(oracle)}\nberth:      ${show(ours)}`;
  if (oracle.ok !== ours.ok) return `success differs${both}`;
  if (oracle.ok) {
    return isDeepStrictEqual(plain(oracle.result), plain(ours.result))
      ? undefined
      : `results differ${both}`;
  }
  if (oracle.error.code !== ours.error.code) return `codes differ${both}`;
  return text(oracle.error.msg) === text(ours.error.msg) ? undefined : `texts differ${both}`;
}

/** The two sides of a duel. */
export interface Duel {
  oracle: Plugin;
  ours: Plugin;
}

/** How the answer of our side is wrong by itself, beyond what the oracle shows. */
function unlikeHead(version: string, ours: Outcome): string | undefined {
  const early = firstFamilyOnly.includes(version) || version.startsWith("0.");
  const empty =
    ours.result.dns !== undefined && Object.keys(ours.result.dns as object).length === 0;
  if (!early && empty) return "empty dns in a 1.0.0 result";
  if (early && ours.result.dns === undefined) return "no dns in a result before 1.0.0";
  return undefined;
}

/** Plays a script; a text about the first difference, or undefined. `dir` must be fresh. */
export async function playDuel(d: Duel, script: Step[], dir: string): Promise<string | undefined> {
  const held = new Map<string, Held>();
  let shape: Shape = { ranges: [] };
  const round = async (step: CallStep): Promise<string | undefined> => {
    const owner = `${step.id} ${step.ifname}`;
    const own = held.get(owner);
    if (departs(shape) || avoided(shape, step, own) !== undefined) return undefined;
    const side = (name: string): Call => ({
      verb: step.verb,
      id: step.id,
      ifname: step.ifname,
      ...(step.args ? { args: step.args } : {}),
      config: configOf(shape, step, path.join(dir, name), dir, own),
    });
    const [a, b] = await Promise.all([d.oracle.call(side("a")), d.ours.call(side("b"))]);
    const wrong =
      difference(a, b) ??
      (step.verb === "ADD" && b.ok && d.ours.binary.kind !== "upstream"
        ? unlikeHead(step.version, b)
        : undefined);
    if (wrong !== undefined) return `${wrong}\n${command(d.ours.binary, side("b"))}`;
    if (step.verb === "ADD" && a.ok) {
      held.set(owner, { addresses: a.addresses, version: step.version, result: a.result });
    }
    if (step.verb === "DEL" && a.ok) held.delete(owner);
    return undefined;
  };
  mkdirSync(dir, { recursive: true });
  for (const [at, step] of script.entries()) {
    if (step.kind === "shape") {
      shape = step.shape;
      if (shape.resolv !== undefined) writeFileSync(path.join(dir, "resolv.conf"), shape.resolv);
      continue;
    }
    const wrong = await round(step);
    if (wrong !== undefined) return `step ${at}: ${wrong}`;
  }
  return undefined;
}

/** A script with fewer steps that still differs; `fresh` makes folders. */
export async function shrink(d: Duel, script: Step[], fresh: () => string): Promise<Step[]> {
  let small = script;
  for (let at = small.length - 1; at >= 0; at--) {
    const less = small.filter((_, i) => i !== at);
    if ((await playDuel(d, less, fresh())) !== undefined) small = less;
  }
  return small;
}

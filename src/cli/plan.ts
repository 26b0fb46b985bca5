// `berth plan`: the plan of a cluster's prefixes, for people or as JSON (../cluster/plan.ts).
//
//   exit status   0 all fits     1 it doesn't     2 the arguments are wrong
import type { Family } from "../address.ts";
import {
  type ClusterNeeds,
  type ClusterPlan,
  type FamilyPlan,
  planCluster,
} from "../cluster/plan.ts";
import { IpamError } from "../errors.ts";
import { readArguments, UsageError } from "./arguments.ts";

const HELP = `berth plan --nodes N --pods N PREFIX... [options]

Plans the prefixes of a cluster: how long a node's prefix must be, how many nodes fit,
what is wasted, and what Kubernetes would refuse.

  --nodes N          nodes that there will be
  --pods N           pods on each node at most (110 is kubelet's default)
  PREFIX...          prefixes for pods of one or both families, like 10.0.0.0/8 fd00::/48
  --services PREFIX  a prefix for services; may be repeated
  --headroom X       addresses for each pod (default 2: a /24 for 110 pods)
  --length4 N        length of a node's IPv4 prefix, instead of what the pods need
  --length6 N        the same for IPv6 (default 64, longer where that doesn't fit)
  --json             the plan as JSON
  --help             this text

Exit status: 0 all fits, 1 it doesn't, 2 the arguments are wrong.
`;

/** Where the command writes. */
export interface Streams {
  out(text: string): unknown;
  err(text: string): unknown;
}

const STREAMS: Streams = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

function number(name: string, text: string | undefined): number {
  if (text === undefined) throw new UsageError(`--${name} is missing`);
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) throw new UsageError(`--${name} ${text}: not a number`);
  return Number(text);
}

/** What the arguments ask for; undefined: help. */
function read(argv: string[]): { needs: ClusterNeeds; json: boolean } | undefined {
  const { values, positionals } = readArguments(argv, {
    nodes: { type: "string" },
    pods: { type: "string" },
    services: { type: "string", multiple: true },
    headroom: { type: "string" },
    length4: { type: "string" },
    length6: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) return undefined;
  const list = (texts: string[]) => texts.flatMap((text) => text.split(","));
  const clusterPrefixes = list(positionals);
  if (clusterPrefixes.length === 0) throw new UsageError("a prefix for pods is missing");
  const length: { 4?: number; 6?: number } = {};
  if (values.length4 !== undefined) length[4] = number("length4", values.length4);
  if (values.length6 !== undefined) length[6] = number("length6", values.length6);
  const needs: ClusterNeeds = {
    nodes: number("nodes", values.nodes),
    podsPerNode: number("pods", values.pods),
    clusterPrefixes,
    servicePrefixes: list(values.services ?? []),
    length,
  };
  if (values.headroom !== undefined) needs.headroom = number("headroom", values.headroom);
  return { needs, json: values.json };
}

// A length of a family that isn't planned would do nothing.
function needFamilies({ length }: ClusterNeeds, { families }: ClusterPlan): void {
  for (const family of [4, 6] as const) {
    const isPlanned = families.some((plan) => plan.family === family);
    if (typeof length === "object" && length[family] !== undefined && !isPlanned)
      throw new UsageError(`--length${family} is for IPv${family}, of which no prefix is given`);
  }
}

/** A count as people read it: 65,536; 2^64 for what has more than 15 digits. */
function shownCount(value: number): string {
  if (Math.abs(value) < 1e15) return value.toLocaleString("en-US");
  const bits = Math.log2(value);
  return Number.isInteger(bits) ? `2^${bits}` : `about 2^${Math.round(bits)}`;
}

/** Columns as wide as their widest cell; the first and the last are aligned to the left. */
function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => {
          const left = i === 0 || (i > 1 && i === row.length - 1);
          return left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function percent(share: number): string {
  return share > 0.9999 ? "nearly all" : `${Math.round(share * 100)} %`;
}

function familyRow(plan: FamilyPlan): string[] {
  return [
    `IPv${plan.family}`,
    `/${plan.length}`,
    shownCount(plan.addressesPerNode),
    shownCount(plan.nodes),
    shownCount(plan.spare),
    percent(plan.wasted),
    plan.clusterPrefixes.join(" "),
  ];
}

function named(family: Family | undefined): string {
  return family === undefined ? "" : `IPv${family}: `;
}

/** The plan as people read it. */
export function planText(plan: ClusterPlan): string {
  const { nodes, podsPerNode, headroom } = plan;
  const head = ["", "node prefix", "addresses", "nodes that fit", "spare", "unused", "from"];
  const lines = [
    `${shownCount(nodes)} nodes with ${shownCount(podsPerNode)} pods each, headroom ${headroom}`,
    "",
    table([head, ...plan.families.map(familyRow)]),
    "",
  ];
  if (plan.services.length > 0) {
    const rows = plan.services.map((each) => [each.prefix, shownCount(each.usable)]);
    lines.push(table([["services", "addresses"], ...rows]), "");
  }
  for (const { family, text } of plan.warnings) lines.push(`! ${named(family)}${text}`);
  if (plan.warnings.length > 0) lines.push("");
  lines.push(plan.fits ? "All fits." : "It doesn't fit.");
  return `${lines.join("\n")}\n`;
}

/** Runs `berth plan` on the arguments behind that word. Answers the exit status. */
export async function planCommand(argv: string[], streams: Streams = STREAMS): Promise<number> {
  try {
    const asked = read(argv);
    if (!asked) {
      streams.out(HELP);
      return 0;
    }
    const plan = planCluster(asked.needs);
    needFamilies(asked.needs, plan);
    streams.out(asked.json ? `${JSON.stringify(plan, null, 2)}\n` : planText(plan));
    return plan.fits ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof IpamError)) throw error;
    streams.err(`berth plan: ${error.message}\nberth plan --help tells the options\n`);
    return 2;
  }
}

// A CNI call from outside, and the laws that every answer obeys: success prints one JSON document
// (ADD, VERSION) or nothing, failure prints exactly one JSON error and exits 1, nothing goes to
// stderr, nothing hangs. `call` throws when one of them is broken, with a command to repeat it.

import type { Binary } from "./binaries.ts";
import type { Answer, Caller } from "./caller.ts";

export type Verb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** JSON as it comes. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Call {
  verb: Verb;
  /** Container id; "" leaves the variable out. */
  id?: string;
  ifname?: string;
  /** CNI_ARGS. */
  args?: string;
  /** The network configuration: an object, or the bytes as they are. */
  config: object | string | Uint8Array;
  /** More variables. */
  env?: Record<string, string>;
  /** A wrapper before the program, as `prlimit --fsize=0`. */
  wrapper?: string[];
  timeoutMs?: number;
  killUs?: number;
  started?: (pid: number) => void;
}

export interface CniError {
  code: number;
  msg: string;
  details?: string;
}

export interface Outcome {
  ok: boolean;
  /** The result of an ADD that succeeded. */
  result: Record<string, Json>;
  /** Its addresses with their lengths, in order. */
  addresses: string[];
  /** The error of a call that failed; code 0 where there is none. */
  error: CniError;
  /** Ended by SIGKILL as `killUs` wanted; nothing else is known then. */
  killed: boolean;
  ms: number;
}

/** The addresses of a result of any version. */
export function addressesOf(result: Record<string, Json>): string[] {
  const ips = result.ips as { address: string }[] | undefined;
  if (ips !== undefined) return ips.map((i) => i.address);
  return (["ip4", "ip6"] as const)
    .map((k) => result[k] as { ip: string } | undefined)
    .flatMap((i) => (i === undefined ? [] : [i.ip]));
}

function environment(c: Call): Record<string, string> {
  const env: Record<string, string> = { CNI_COMMAND: c.verb, CNI_PATH: "/opt/cni/bin" };
  if (c.verb === "ADD" || c.verb === "DEL" || c.verb === "CHECK") {
    env.CNI_NETNS = "/run/netns/berth-no-such-netns";
    env.CNI_IFNAME = c.ifname ?? "eth0";
  }
  if (c.id) env.CNI_CONTAINERID = c.id;
  if (c.args) env.CNI_ARGS = c.args;
  return { ...env, ...c.env };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A shell command that makes the same call. */
export function command(binary: Binary, c: Call): string {
  const text = c.config instanceof Uint8Array ? Buffer.from(c.config).toString() : c.config;
  const json = typeof text === "string" ? text : JSON.stringify(text);
  const env = Object.entries(environment(c)).map(([k, v]) => `${k}=${quoted(v)}`);
  const stdin = json.length > 3000 ? `${json.slice(0, 3000)}...(${json.length})` : json;
  const program = [...(c.wrapper ?? []), binary.path].join(" ");
  return `printf %s ${quoted(stdin)} | env -i ${env.join(" ")} ${program}`;
}

const usesPath = { PATH: "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

function judge(c: Call, a: Answer): string | Outcome {
  const none = { result: {}, addresses: [], error: { code: 0, msg: "" }, killed: false };
  const ms = a.us / 1000;
  if (a.timedOut) return `still running after ${ms} ms`;
  if (a.signal === 9 && c.killUs !== undefined) return { ...none, ok: false, killed: true, ms };
  if (a.signal !== 0) return `ended by signal ${a.signal}`;
  if (a.err !== "") return `wrote to stderr: ${a.err.slice(0, 500)}`;
  let said: Json = null;
  if (a.out !== "") {
    try {
      said = JSON.parse(a.out);
    } catch {
      return `stdout isn't one JSON document: ${a.out.slice(0, 500)}`;
    }
    if (typeof said !== "object" || said === null || Array.isArray(said)) {
      return `stdout isn't a JSON object: ${a.out.slice(0, 500)}`;
    }
  }
  if (a.exit === 0) {
    const speaks = c.verb === "ADD" || c.verb === "VERSION";
    if (speaks !== (a.out !== "")) return `exit 0 with stdout ${JSON.stringify(a.out)}`;
    const result = (said ?? {}) as Record<string, Json>;
    if (c.verb === "ADD" && "code" in result) return `exit 0 with the error ${a.out}`;
    return { ...none, ok: true, result, addresses: addressesOf(result), ms };
  }
  if (a.exit !== 1) return `exit status ${a.exit}`;
  const error = (said ?? {}) as unknown as CniError;
  if (!Number.isInteger(error.code) || error.code < 1) return `exit 1 without a code: ${a.out}`;
  if (typeof error.msg !== "string" || error.msg === "") return `exit 1 without a msg: ${a.out}`;
  return { ...none, ok: false, error, ms };
}

/** Makes one call; throws if the answer breaks a law. */
export async function call(caller: Caller, binary: Binary, c: Call): Promise<Outcome> {
  const raw = typeof c.config === "string" || c.config instanceof Uint8Array;
  const a = await caller.call({
    argv: [...(c.wrapper ?? []), binary.path],
    env: { ...(binary.kind === "node" ? nodePath : usesPath), ...environment(c) },
    stdin: raw ? (c.config as string | Uint8Array) : JSON.stringify(c.config),
    ...(c.timeoutMs === undefined ? {} : { timeoutMs: c.timeoutMs }),
    ...(c.killUs === undefined ? {} : { killUs: c.killUs }),
    ...(c.started === undefined ? {} : { started: c.started }),
  });
  const judged = judge(c, a);
  if (typeof judged === "string") throw new Error(`${judged}\n${command(binary, c)}`);
  return judged;
}

// berth-node is found by its shebang; the Node.js that runs the tests comes first.
const nodePath = { PATH: `${process.execPath.replace(/\/[^/]*$/, "")}:${usesPath.PATH}` };

/** Makes calls for one program; made by `pluginOf`. */
export interface Plugin {
  binary: Binary;
  call(c: Call): Promise<Outcome>;
  add(config: object, id: string, more?: Partial<Call>): Promise<Outcome>;
  del(config: object, id: string, more?: Partial<Call>): Promise<Outcome>;
  check(config: object, id: string, more?: Partial<Call>): Promise<Outcome>;
  /** ADD that must succeed: its addresses. */
  given(config: object, id: string, more?: Partial<Call>): Promise<string[]>;
  /** DEL that must succeed. */
  gone(config: object, id: string, more?: Partial<Call>): Promise<void>;
}

/** The verbs, for one program run by one caller. */
export function pluginOf(caller: Caller, binary: Binary): Plugin {
  const verb =
    (v: Verb) =>
    (config: object, id: string, more: Partial<Call> = {}) =>
      call(caller, binary, { verb: v, config, id, ...more });
  const must =
    (v: Verb) =>
    async (config: object, id: string, more: Partial<Call> = {}) => {
      const c = { verb: v, config, id, ...more };
      const o = await call(caller, binary, c);
      if (!o.ok) throw new Error(`${v} failed: ${JSON.stringify(o.error)}\n${command(binary, c)}`);
      return o.addresses;
    };
  return {
    binary,
    call: (c) => call(caller, binary, c),
    add: verb("ADD"),
    del: verb("DEL"),
    check: verb("CHECK"),
    given: must("ADD"),
    gone: async (config, id, more) => void (await must("DEL")(config, id, more)),
  };
}

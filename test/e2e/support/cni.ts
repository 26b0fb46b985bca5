/**
 * One call of a CNI plugin as a runtime makes it: the environment, the config on stdin, and the
 * answer on stdout, a result or an error. Refuses an answer that is neither.
 */
import { join } from "node:path";
import { describeOutcome, type Exec } from "./process.ts";

export type Command = "ADD" | "CHECK" | "DEL";
export type Json = Record<string, unknown>;

export interface Attachment {
  containerId: string;
  /** A path; empty where the namespace is gone. */
  netns: string;
  ifname: string;
  /** CNI_ARGS, if any. */
  args?: string;
}

export interface CniResult {
  cniVersion: string;
  ips: { address: string; gateway?: string; interface?: number; version?: string }[];
  routes?: { dst: string; gw?: string }[];
  interfaces?: { name: string; sandbox?: string }[];
}

/** An error that a plugin answered. */
export class CniError extends Error {
  readonly code: number;
  readonly msg: string;

  constructor(
    command: string,
    type: string,
    body: { code: number; msg: string; details?: string },
  ) {
    super(`${command} of ${type}: ${body.code} ${body.msg} ${body.details ?? ""}`.trimEnd());
    this.code = body.code;
    this.msg = body.msg;
  }
}

/** Where plugins are looked for and run. */
export interface PluginHost {
  exec: Exec;
  /** The one directory of CNI_PATH. */
  pluginDir: string;
}

/**
 * Calls plugin `type`. ADD answers its result, the others undefined. Throws CniError for an error
 * that the plugin answered, and Error for anything that isn't an answer.
 */
export async function callPlugin(
  host: PluginHost,
  type: string,
  command: Command,
  attachment: Attachment,
  config: Json,
): Promise<CniResult | undefined> {
  const argv = [join(host.pluginDir, type)];
  const env: Record<string, string> = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: attachment.netns,
    CNI_IFNAME: attachment.ifname,
    CNI_PATH: host.pluginDir,
  };
  if (attachment.args !== undefined) env.CNI_ARGS = attachment.args;
  const outcome = await host.exec(argv, { env, input: JSON.stringify(config) }).done;
  if (outcome.code === 0) {
    return command === "ADD" ? (JSON.parse(outcome.stdout) as CniResult) : undefined;
  }
  let body: { code: number; msg: string; details?: string };
  try {
    body = JSON.parse(outcome.stdout);
  } catch {
    throw new Error(`${command}: no CNI answer\n${describeOutcome(argv, outcome)}`);
  }
  throw new CniError(command, type, body);
}

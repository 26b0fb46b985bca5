// Network: one dual-stack CNI network of one program, in a directory of its own, with a number of
// addresses held before anything is measured.
//
//     10.128.0.0/14 and fd00:be47::/64; pod k of those held has the address number k + 2 of both
//
// Berth gets its held addresses by that many calls. host-local's are laid down as files (one a
// family, held.ts) with its two marks, the state that calls leave behind: 4,000 calls of it take
// minutes, 60,000 take hours.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { HeldFiles } from "./held.ts";
import type { Program } from "./programs.ts";
import type { Answer, Spawner, Step } from "./spawner.ts";
import type { Workspace } from "./workspace.ts";

/** Number of the first address that a pod gets: 0 is the network's, 1 the gateway's. */
const FIRST = 2;
const NAME = "bench";

/** The two addresses of pod k (0 the first), as text without prefix length. */
export function addressesOf(k: number, network = 0): [string, string] {
  const n = k + FIRST;
  const v4 = `10.${128 + network * 4 + (n >>> 16)}.${(n >>> 8) & 255}.${n & 255}`;
  const prefix = `fd00:be47${network ? `:0:${network.toString(16)}` : ""}::`;
  const low = (n & 0xffff).toString(16);
  return [v4, prefix + (n >>> 16 ? `${(n >>> 16).toString(16)}:${low}` : low)];
}

/** The addresses of a successful ADD's answer, in the order of the range sets; else none. */
export function addressesIn(answer: Answer): string[] {
  if (answer.status !== 0) return [];
  try {
    const result = JSON.parse(answer.stdout) as { ips?: { address: string }[] };
    return (result.ips ?? []).map((ip) => ip.address.replace(/\/.*$/, ""));
  } catch {
    return [];
  }
}

export type NetworkOptions = {
  /** 0 to 3: another pair of prefixes, for networks that share a machine. */
  number?: number;
  /** Name of a bridge: the config is then one for the plugin `bridge`. */
  bridge?: string;
  label?: string;
  /** Another program that makes the calls for the held ones, on one state. */
  seeder?: string;
  /** Bytes of a pod's annotations on stdin, as a runtime sends them to whoever asks for them. */
  annotationBytes?: number;
  /** Pods whose files of host-local lie in the directory, to be taken over. */
  adopt?: number;
};

export class Network {
  readonly program: Program;
  readonly held: number;
  readonly label: string;
  readonly #input: string;
  readonly #dataDir: string;

  private constructor(
    program: Program,
    held: number,
    label: string,
    input: string,
    dataDir: string,
  ) {
    this.program = program;
    this.held = held;
    this.label = label;
    this.#input = input;
    this.#dataDir = dataDir;
  }

  /** Makes the network and its held addresses. */
  static async open(
    program: Program,
    held: number,
    workspace: Workspace,
    spawner: Spawner,
    options: NetworkOptions = {},
  ): Promise<Network> {
    const directory = workspace.path(`${program.kind}-${held}`);
    const dataDir = join(directory, "networks");
    mkdirSync(join(dataDir, NAME), { recursive: true });
    const input = join(directory, "config.json");
    const number = options.number ?? 0;
    writeFileSync(input, configText(program, dataDir, number, options));
    const label = options.label ?? program.label;
    const network = new Network(program, held, label, input, dataDir);
    const laid = program.kind === "host-local" ? held : (options.adopt ?? 0);
    await layHeld(workspace.held, join(dataDir, NAME), laid, number);
    if (program.kind === "berth") await network.#callHeld(spawner, options.seeder);
    return network;
  }

  /** One call of this network's plugin; `path` runs another one (bridge) on the same config. */
  step(command: "ADD" | "DEL", id: string, env: Record<string, string> = {}, path?: string): Step {
    return {
      program: path ?? this.program.path,
      input: this.#input,
      cold: this.#dataDir,
      env: { ...env, CNI_COMMAND: command, CNI_CONTAINERID: id },
    };
  }

  /**
   * Lets go of what these pods were answered. host-local's files are removed as its DEL would: a
   * call for each, which reads all files, would take longer than what is measured.
   */
  async forget(
    spawner: Spawner,
    ids: readonly string[],
    answers: readonly Answer[],
  ): Promise<void> {
    if (this.program.kind === "host-local") {
      for (const address of answers.flatMap(addressesIn))
        rmSync(join(this.#dataDir, NAME, address));
      return;
    }
    await spawner.run(
      "run",
      ids.map((id) => this.step("DEL", id)),
    );
  }

  async #callHeld(spawner: Spawner, seeder?: string): Promise<void> {
    const steps = Array.from({ length: this.held }, (_, k) =>
      this.step("ADD", `held-${k}`, {}, seeder),
    );
    if (steps.length === 0) return;
    const answers = await spawner.run("run", steps);
    const bad = answers.findIndex((answer) => addressesIn(answer).length !== 2);
    if (bad >= 0)
      throw new Error(`${this.label}: ADD ${bad} of ${this.held} failed: ${answers[bad]!.stdout}`);
  }
}

function configText(
  program: Program,
  dataDir: string,
  number: number,
  { bridge, annotationBytes = 0, adopt = 0 }: NetworkOptions,
): string {
  const [v4, v6] = addressesOf(-FIRST, number);
  return JSON.stringify({
    cniVersion: "1.0.0",
    name: NAME,
    type: bridge ? "bridge" : program.kind,
    ...(bridge && { bridge, isGateway: true }),
    ...(annotationBytes > 0 && {
      runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations(annotationBytes) },
    }),
    ipam: {
      type: program.kind,
      dataDir,
      ...(adopt > 0 && { adopt: true }),
      ranges: [[{ subnet: `${v4}/14` }], [{ subnet: `${v6.replace(/::0$/, "::")}/64` }]],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    },
  });
}

/** Annotations as deployments carry them: a few dozen keys, JSON with its quotes inside a text. */
function annotations(bytes: number): Record<string, string> {
  const out: Record<string, string> = {};
  const value = JSON.stringify({ containers: ["app"], limits: { cpu: "500m" } }).repeat(8);
  for (let n = 0, length = 0; length < bytes; n++) {
    const key = `example.org/annotation-${n}`;
    out[key] = value;
    length += JSON.stringify(key).length + JSON.stringify(value).length + 2;
  }
  return out;
}

/** After so many pods a signal is listened for: the files of 60,000 may take a minute. */
const LAID_AT_ONCE = 1000;

async function layHeld(
  files: HeldFiles,
  directory: string,
  held: number,
  number: number,
): Promise<void> {
  for (let k = 0; k < held; k++) {
    for (const address of addressesOf(k, number)) files.link(k, join(directory, address));
    if (k % LAID_AT_ONCE === 0) await setImmediate();
  }
  if (held === 0) return;
  for (const [set, address] of addressesOf(held - 1, number).entries())
    writeFileSync(join(directory, `last_reserved_ip.${set}`), address, { mode: 0o600 });
}

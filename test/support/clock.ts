// Time under a test's control: the plugin on both hosts with clocks and a boot id of the test's own.
// The native host is built a second time with BERTH_TEST_CLOCK (build/bin/berth knows no such
// variables); the Node host runs in this process.
//
//   await buildClock(); describe.each(clockHosts) ... const w = world();    a node of its own
//   w.boot += 3600n * SECOND;              an hour goes by on CLOCK_BOOTTIME ...
//   w.real -= 86400n * SECOND;             ... while somebody sets the wall clock back
//   w.reboot();                                another boot id, the boot clock begins anew
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileHost, findCompiler, root } from "../../scripts/native.mjs";
import { runPlugin } from "../../src/cli/plugin.ts";
import { buildPath } from "../../src/wasm.ts";

export const SECOND = 1_000_000_000n;

const made = join(root, "build/clock");
/** The native host with a clock of the test's own, once `buildClock` has made it. */
export const clockProgram = join(made, "berth");

/** What a call of the plugin came to. */
export interface Answer {
  status: number;
  /** The JSON on stdout, if there is any. */
  // biome-ignore lint/suspicious/noExplicitAny: results and errors, each test knows which.
  json?: any;
  text: string;
}

type Run = (
  argv: string[],
  env: Record<string, string>,
  stdin: string,
  world: World,
) => Promise<Answer>;

function answer(status: number | null, text: string): Answer {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined; // nothing, or a person's text
  }
  return { status: status ?? -1, text, ...(json === undefined ? {} : { json }) };
}

/** A native host, run by a command line that ends with its path. */
const nativeBy =
  ([program, ...before]: string[]): Run =>
  (argv, env, stdin, world) =>
    new Promise((resolve, reject) => {
      const all = {
        ...env,
        BERTH_CLOCK_BOOT_NS: `${world.boot}`,
        BERTH_CLOCK_REAL_NS: `${world.real}`,
        BERTH_BOOT_ID: world.bootId,
        BERTH_HOST_NAME: world.hostName,
      };
      const child = spawn(program!, [...before, ...argv], {
        env: all,
        stdio: ["pipe", "pipe", "inherit"],
      });
      let text = "";
      child.stdout.on("data", (data) => {
        text += String(data);
      });
      child.on("error", reject);
      child.on("close", (status) => resolve(answer(status, text)));
      child.stdin.on("error", () => {}); // it needn't read all
      child.stdin.end(stdin);
    });

function kernelClock(which: 0 | 1): bigint {
  if (which === 1) return BigInt(Date.now()) * 1_000_000n;
  const uptime = fs.readFileSync("/proc/uptime", "latin1").split(" ")[0] ?? "";
  return BigInt(Math.round(Number(uptime) * 100)) * 10_000_000n;
}

const node: Run = async (argv, env, stdin, world) => {
  let text = "";
  const status = await runPlugin({
    env,
    argv,
    stdin: Buffer.from(stdin),
    write: (_, bytes) => {
      text += Buffer.from(bytes).toString();
    },
    clock: (which) => kernelClock(which) + (which === 0 ? world.boot : world.real),
    texts: {
      "/proc/sys/kernel/random/boot_id": `${world.bootId}\n`,
      "/proc/sys/kernel/hostname": `${world.hostName}\n`,
    },
  });
  return answer(status, text);
};

/** One node: its state directory, its clocks, its boot. */
export class World {
  readonly dir: string;
  /** Nanoseconds that are added to CLOCK_BOOTTIME. */
  boot = 0n;
  /** Nanoseconds that are added to CLOCK_REALTIME. */
  real = 0n;
  bootId = "11111111-2222-3333-4444-000000000001";
  hostName = "node";
  #boots = 1;
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
    this.dir = fs.mkdtempSync(join(tmpdir(), "berth-clock-"));
  }

  /** Time goes by, on both clocks. */
  pass(seconds: number): void {
    this.boot += BigInt(seconds) * SECOND;
    this.real += BigInt(seconds) * SECOND;
  }

  /** The machine is down for `seconds`, and another boot begins: its clock stands near 0. */
  reboot(seconds = 0): void {
    this.real += BigInt(seconds) * SECOND;
    this.boot = 30n * SECOND - kernelClock(0);
    this.bootId = `11111111-2222-3333-4444-${String(++this.#boots).padStart(12, "0")}`;
  }

  /** Runs the program with arguments instead of a CNI command. */
  verb(argv: string[], stdin = ""): Promise<Answer> {
    return this.#run(argv, {}, stdin, this);
  }

  /** One CNI call; `pod` is "namespace/name". */
  cni(
    command: string,
    id: string,
    config: object,
    pod?: string,
    more: Record<string, string> = {},
  ): Promise<Answer> {
    const [space, name] = pod?.split("/") ?? [];
    const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=${space};K8S_POD_NAME=${name}`;
    const env = {
      CNI_COMMAND: command,
      CNI_PATH: "/opt/cni/bin",
      ...(command === "GC" || command === "STATUS"
        ? {}
        : { CNI_CONTAINERID: id, CNI_IFNAME: "eth0", CNI_NETNS: `/run/netns/${id}` }),
      ...(pod === undefined ? {} : { CNI_ARGS: args }),
      ...more,
    };
    return this.#run([], env, JSON.stringify(config), this);
  }

  /** Removes its files. */
  end(): void {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A world of the native host, run by a command line that ends with clockProgram. */
export function worldOf(command: string[]): World {
  return new World(nativeBy(command));
}

/** Builds the native host with a clock of the test's own, unless that was done. */
export async function buildClock(): Promise<void> {
  if (!findCompiler()) return;
  const wasm = buildPath("cni.wasm");
  const sources = [
    wasm,
    ...fs.readdirSync(join(root, "native")).map((f) => join(root, "native", f)),
  ];
  const newest = Math.max(...sources.map((name) => fs.statSync(name).mtimeMs));
  if ((fs.statSync(clockProgram, { throwIfNoEntry: false })?.mtimeMs ?? 0) > newest) return;
  fs.mkdirSync(made, { recursive: true });
  await compileHost({ wasm, out: clockProgram, dir: made, flags: ["-DBERTH_TEST_CLOCK"] });
}

/** Both hosts (native where there is a C compiler), each a maker of worlds. */
export const clockHosts: { name: string; world(): World }[] = [
  ...(findCompiler() ? [{ name: "native", world: () => worldOf([clockProgram]) }] : []),
  { name: "node", world: () => new World(node) },
];

/**
 * A containerd of the test's own: root, state, socket, CNI directories, network, mounts and process
 * ids are private to it, so nothing of the machine is seen or changed, and when its first process
 * ends, containerd, its shims, containers and mounts end with it.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Attachment, PluginHost } from "./cni.ts";
import type { Conflist } from "./conflist.ts";
import { IMAGE, makeImage } from "./image.ts";
import { Netns } from "./netns.ts";
import { everyStep, linkPlugins } from "./node.ts";
import { type Exec, prefixed, type Running, runIn, until } from "./process.ts";
import { assertSound } from "./state.ts";
import { removeDirectory, runPrefix } from "./sweep.ts";

const NAMESPACE = "e2e";
const INIT = join(import.meta.dirname, "runtime-init.sh");
/** The longest that a runtime may live; a test ends it much earlier. */
const LIFE_MS = 600_000;
const START_MS = 30_000;
const CTR_MS = 120_000;

export interface RuntimeOptions {
  plugins: string[];
  list: Conflist;
}

export class Runtime implements PluginHost {
  readonly dir: string;
  readonly netns: Netns;
  readonly pluginDir = "/opt/cni/bin";
  /** Seen by containers as /berth. */
  readonly sharedDir: string;
  private init: Running | undefined;
  private enter: Exec | undefined;

  private constructor(netns: Netns, dir: string) {
    this.netns = netns;
    this.dir = dir;
    this.sharedDir = join(dir, "shared");
  }

  /** Starts it and imports the image; what was begun is closed again if that fails. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const netns = await Netns.create();
    const runtime = new Runtime(netns, mkdtempSync(join(tmpdir(), runPrefix())));
    try {
      runtime.writeFiles(options);
      await runtime.launch();
      await runtime.importImage();
    } catch (fault) {
      const log = runtime.log();
      await runtime.close();
      throw new Error(`containerd didn't start: ${fault}\n${log}`);
    }
    return runtime;
  }

  private writeFiles({ plugins, list }: RuntimeOptions): void {
    const lists = join(this.dir, "over/etc/cni/net.d");
    mkdirSync(lists, { recursive: true });
    mkdirSync(this.sharedDir);
    writeFileSync(join(lists, "10-berth.conflist"), JSON.stringify(list));
    linkPlugins(join(this.dir, "over/opt/cni/bin"), plugins);
    const config = `version = 2
root = "${this.dir}/root"
state = "${this.dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${this.dir}/sock"
[plugins."io.containerd.internal.v1.opt"]
path = "${this.dir}/opt"
`;
    writeFileSync(join(this.dir, "config.toml"), config);
  }

  private async launch(): Promise<void> {
    const apart = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork"];
    const argv = [...apart, "--kill-child", "sh", INIT, this.dir];
    const init = this.netns.exec(argv, { keepInput: true, timeout: LIFE_MS });
    this.init = init;
    const ended = init.done.then((outcome) => new Error(`it ended: ${outcome.stderr}`));
    const pid = await until("the first process of the runtime", START_MS, async () => {
      const early = await Promise.race([ended, undefined]);
      if (early !== undefined) throw early;
      return /init (\d+)/.exec(init.stdout())?.[1];
    });
    this.enter = prefixed(["nsenter", "-t", pid, "--mount", "--net", "--pid", "--"]);
    await until("containerd to answer", START_MS, async () => {
      const outcome = await this.ctr(["version"], 5_000).done;
      return outcome.code === 0 ? true : undefined;
    });
  }

  private async importImage(): Promise<void> {
    const dir = join(this.dir, "image");
    mkdirSync(dir);
    const archive = await makeImage(dir);
    await this.ctrToEnd(["images", "import", "--snapshotter", "native", archive]);
  }

  /** Runs a command among the runtime's mounts, network and processes. */
  get exec(): Exec {
    if (this.enter === undefined) throw new Error("the runtime isn't started");
    return this.enter;
  }

  /** Starts a `ctr` command of this containerd. */
  ctr(args: string[], timeout = CTR_MS): Running {
    const argv = ["ctr", "-a", `${this.dir}/sock`, "-n", NAMESPACE, ...args];
    return this.exec(argv, { timeout });
  }

  /** Runs a `ctr` command and answers its output; throws if it fails. */
  async ctrToEnd(args: string[]): Promise<string> {
    const argv = ["ctr", "-a", `${this.dir}/sock`, "-n", NAMESPACE, ...args];
    return runIn(this.exec, argv, { timeout: CTR_MS });
  }

  /**
   * Starts a container on the network: `flags` says how (`--rm` or `--detach`), `script` is what
   * its shell runs. Cgroups are left out, they have no part in this.
   */
  container(id: string, flags: string[], script: string): Running {
    const shared = `type=bind,src=${this.sharedDir},dst=/berth,options=rbind:ro`;
    const how = ["--snapshotter", "native", "--cni", "--cgroup", "", "--mount", shared];
    return this.ctr(["run", ...flags, ...how, IMAGE, id, "/bin/sh", "-c", script]);
  }

  /** How `ctr` calls the plugins for a container, once its process is gone. */
  attachment(id: string): Attachment {
    return { containerId: `${NAMESPACE}-${id}`, netns: "", ifname: "eth0" };
  }

  /** What containerd wrote so far. */
  log(): string {
    try {
      return readFileSync(join(this.dir, "containerd.log"), "utf8");
    } catch {
      return "";
    }
  }

  async close(): Promise<void> {
    await everyStep([
      async () => {
        this.init?.closeInput();
        const late = setTimeout(() => this.init?.kill(), 15_000);
        await this.init?.done;
        clearTimeout(late);
      },
      () => this.netns.remove(),
      () => assertSound(join(this.dir, "over/var/lib/cni/berth")),
      () => removeDirectory(this.dir),
    ]);
  }
}

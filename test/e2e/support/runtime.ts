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
import { CriClient } from "./cri.ts";
import { IMAGE, makeImage } from "./image.ts";
import { Netns } from "./netns.ts";
import { everyStep, linkPlugins } from "./node.ts";
import { type Exec, prefixed, type Running, runIn, until } from "./process.ts";
import { assertSound } from "./state.ts";
import { removeDirectory, runPrefix } from "./sweep.ts";

const NAMESPACE = "e2e";
/** Where containerd's CRI plugin looks for its images and containers. */
const CRI_NAMESPACE = "k8s.io";
const INIT = join(import.meta.dirname, "runtime-init.sh");
/** The longest that a runtime may live; a test ends it much earlier. */
const LIFE_MS = 600_000;
const START_MS = 30_000;
const CTR_MS = 120_000;

export interface RuntimeOptions {
  plugins: string[];
  list: Conflist;
  /** Turns on what a kubelet talks to: pods are started through `cri`. */
  cri?: boolean;
}

/**
 * What containerd runs with. Its cgroups are left out, here as for `ctr`: they have no part in
 * this, and a machine of tests may not let anybody make them.
 */
function configText(dir: string, cri: boolean): string {
  const criPlugin = `[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${IMAGE}"
disable_cgroup = true
disable_apparmor = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"
`;
  return `version = 2
root = "${dir}/root"
state = "${dir}/state"
${cri ? "" : `disabled_plugins = ["io.containerd.grpc.v1.cri"]`}
[grpc]
address = "${dir}/sock"
[plugins."io.containerd.internal.v1.opt"]
path = "${dir}/opt"
${cri ? criPlugin : ""}`;
}

export class Runtime implements PluginHost {
  readonly dir: string;
  readonly netns: Netns;
  readonly pluginDir = "/opt/cni/bin";
  /** Seen by containers as /berth. */
  readonly sharedDir: string;
  private readonly namespace: string;
  private readonly client: CriClient | undefined;
  private init: Running | undefined;
  private enter: Exec | undefined;

  private constructor(netns: Netns, dir: string, cri: boolean) {
    this.netns = netns;
    this.dir = dir;
    this.namespace = cri ? CRI_NAMESPACE : NAMESPACE;
    this.client = cri ? new CriClient(`${dir}/sock`) : undefined;
    this.sharedDir = join(dir, "shared");
  }

  /** Starts it and imports the image; what was begun is closed again if that fails. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const netns = await Netns.create();
    const dir = mkdtempSync(join(tmpdir(), runPrefix()));
    const runtime = new Runtime(netns, dir, options.cri ?? false);
    try {
      runtime.writeFiles(options);
      await runtime.launch();
      await runtime.importImage();
      await runtime.readyForPods();
    } catch (fault) {
      const log = runtime.log();
      await runtime.close();
      throw new Error(`containerd didn't start: ${fault}\n${log}`);
    }
    return runtime;
  }

  private writeFiles({ plugins, list, cri }: RuntimeOptions): void {
    const lists = join(this.dir, "over/etc/cni/net.d");
    mkdirSync(lists, { recursive: true });
    mkdirSync(this.sharedDir);
    writeFileSync(join(lists, "10-berth.conflist"), JSON.stringify(list));
    linkPlugins(join(this.dir, "over/opt/cni/bin"), plugins);
    writeFileSync(join(this.dir, "config.toml"), configText(this.dir, cri ?? false));
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

  /** The CRI plugin hears of the image and of the network in its own time. */
  private async readyForPods(): Promise<void> {
    if (this.client === undefined) return;
    let why = "";
    await until("the CRI plugin", START_MS, async () => {
      why = (await this.client?.obstacle(IMAGE).catch(String)) ?? "";
      return why === "" ? true : undefined;
    }).catch((fault) => {
      throw new Error(`${fault}: ${why}`);
    });
  }

  /** The socket that a kubelet talks to. */
  get cri(): CriClient {
    if (this.client === undefined) throw new Error("the runtime was started without its CRI");
    return this.client;
  }

  /** Runs a command among the runtime's mounts, network and processes. */
  get exec(): Exec {
    if (this.enter === undefined) throw new Error("the runtime isn't started");
    return this.enter;
  }

  /** Starts a `ctr` command of this containerd. */
  ctr(args: string[], timeout = CTR_MS): Running {
    const argv = ["ctr", "-a", `${this.dir}/sock`, "-n", this.namespace, ...args];
    return this.exec(argv, { timeout });
  }

  /** Runs a `ctr` command and answers its output; throws if it fails. */
  async ctrToEnd(args: string[]): Promise<string> {
    const argv = ["ctr", "-a", `${this.dir}/sock`, "-n", this.namespace, ...args];
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
    return { containerId: `${this.namespace}-${id}`, netns: "", ifname: "eth0" };
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
      () => this.client?.close(),
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

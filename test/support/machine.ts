// A machine to be looked at: what /proc, the mounts and the runtimes' directories show to the host
// functions inode, listAt and slurp, and to a call's netns. Nothing of it is real.
//
//   machine.processes.set(42, { net: 7001, mnt: 1 })        machine.mounts.set(1, [7002])
//   machine.names.set("/run/netns", new Map([["cni-1", 7003]]))
//   machine.directories.add("/var/lib/docker/containers/abc")
//   machine.denied = (path) => path === "/proc"

const ENOENT = -2;
const EACCES = -13;

export interface Process {
  net: number;
  mnt: number;
  /** Namespaces of threads that are in another one than their process. */
  threads?: number[];
}

export class Machine {
  processes = new Map<number, Process>([[1, { net: 1000, mnt: 1 }]]);
  /** Network namespaces that are mounted in each mount namespace. */
  mounts = new Map<number, number[]>([[1, []]]);
  names = new Map<string, Map<string, number>>();
  directories = new Set<string>();
  pidNamespace = 4026531836;
  denied: (path: string) => boolean = () => false;
  /** What is answered then. */
  refusal = EACCES;

  #process(path: string): [Process, string] | undefined {
    const [, pid, rest] = /^\/proc\/(\d+|self)\/(.*)$/.exec(path) ?? [];
    const process = pid && this.processes.get(pid === "self" ? 1 : Number(pid));
    return process ? [process, rest!] : undefined;
  }

  inode(path: string): number {
    if (this.denied(path)) return this.refusal;
    if (path === "/proc/self/ns/pid") return this.pidNamespace;
    const [process, rest = ""] = this.#process(path) ?? [];
    if (process && rest === "ns/mnt") return process.mnt;
    const thread = /^task\/(\d+)\/ns\/net$/.exec(rest);
    if (process && thread)
      return [process.net, ...(process.threads ?? [])][Number(thread[1])] ?? -2;
    const slash = path.lastIndexOf("/");
    const named = this.names.get(path.slice(0, slash))?.get(path.slice(slash + 1));
    return named ?? (this.directories.has(path) ? 5 : ENOENT);
  }

  list(path: string): string[] | number {
    if (this.denied(path)) return this.refusal;
    if (path === "/proc") return ["self", "uptime", ...[...this.processes.keys()].map(String)];
    const [process, rest = ""] = this.#process(path) ?? [];
    if (process && rest === "task")
      return ["0", ...(process.threads ?? []).map((_, n) => `${n + 1}`)];
    const named = this.names.get(path);
    if (named) return [...named.keys()];
    const below = path.endsWith("/") ? path : `${path}/`;
    const inside = [...this.directories].filter((name) => name.startsWith(below));
    if (inside.length === 0) return ENOENT;
    return [...new Set(inside.map((name) => name.slice(below.length).split("/")[0]!))];
  }

  text(path: string): string | number {
    if (this.denied(path)) return this.refusal;
    const [process, rest] = this.#process(path) ?? [];
    if (!process || rest !== "mountinfo") return ENOENT;
    const lines = (this.mounts.get(process.mnt) ?? []).map(
      (inode, n) => `${100 + n} 29 0:4 net:[${inode}] /run/netns/n${n} rw shared:9 - nsfs nsfs rw`,
    );
    return ["29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw", ...lines, ""].join("\n");
  }
}

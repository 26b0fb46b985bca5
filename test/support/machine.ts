// A machine to be looked at: what /proc, the mounts and the runtimes' directories show to the host
// functions inode, listAt and slurp, and to a call's netns. Nothing of it is real.
//
//   machine.processes.set(42, { net: 7001, mnt: 1 })        machine.mounts.set(1, [7002])
//   machine.names.set("/run/netns", new Map([["cni-1", 7003]]))
//   machine.directories.add("/var/lib/docker/containers/abc")
//   machine.addresses.set(7001, ["10.1.2.3", "fd00::3"])
//   machine.denied = (path) => path === "/proc"

import { parseAddress } from "../../src/address.ts";

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
  /** What is configured in a network namespace. */
  addresses = new Map<number, string[]>();
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

  /** The network namespace of a thread; a process's first one has its number. */
  #netOf(thread: number): number | undefined {
    const first = this.processes.get(thread);
    return first?.net ?? this.processes.get(Math.floor(thread / 1000))?.threads?.[thread % 1000];
  }

  inode(path: string): number {
    if (this.denied(path)) return this.refusal;
    if (path === "/proc/self/ns/pid") return this.pidNamespace;
    const [process, rest = ""] = this.#process(path) ?? [];
    if (process && rest === "ns/mnt") return process.mnt;
    const thread = /^\/proc\/(?:\d+\/task\/)?(\d+)\/ns\/net$/.exec(path);
    if (thread) return this.#netOf(Number(thread[1])) ?? ENOENT;
    const slash = path.lastIndexOf("/");
    const named = this.names.get(path.slice(0, slash))?.get(path.slice(slash + 1));
    return named ?? (this.directories.has(path) ? 5 : ENOENT);
  }

  list(path: string): string[] | number {
    if (this.denied(path)) return this.refusal;
    if (path === "/proc") return ["self", "uptime", ...[...this.processes.keys()].map(String)];
    const [process, rest = ""] = this.#process(path) ?? [];
    if (process && rest === "task") {
      const pid = Number(path.split("/")[2]);
      return [pid, ...(process.threads ?? []).map((_, n) => pid * 1000 + n)].map(String);
    }
    const named = this.names.get(path);
    if (named) return [...named.keys()];
    const below = path.endsWith("/") ? path : `${path}/`;
    const inside = [...this.directories].filter((name) => name.startsWith(below));
    if (inside.length === 0) return ENOENT;
    return [...new Set(inside.map((name) => name.slice(below.length).split("/")[0]!))];
  }

  text(path: string): string | number {
    if (this.denied(path)) return this.refusal;
    const table = /^\/proc\/(\d+)\/net\/(fib_trie|if_inet6)$/.exec(path);
    if (table) {
      const net = this.#netOf(Number(table[1]));
      return net === undefined ? ENOENT : tableOf(table[2]!, this.addresses.get(net) ?? []);
    }
    const [process, rest] = this.#process(path) ?? [];
    if (!process || rest !== "mountinfo") return ENOENT;
    const lines = (this.mounts.get(process.mnt) ?? []).map(
      (inode, n) => `${100 + n} 29 0:4 net:[${inode}] /run/netns/n${n} rw shared:9 - nsfs nsfs rw`,
    );
    return ["29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw", ...lines, ""].join("\n");
  }
}

/** The tables of the kernel that list addresses, as it prints them. */
function tableOf(name: string, addresses: readonly string[]): string {
  const all = addresses.map((text) => ({ text, ...parseAddress(text) }));
  if (name === "if_inet6")
    return all
      .filter(({ family }) => family === 6)
      .map(({ value }) => `${value.toString(16).padStart(32, "0")} 02 40 00 80     eth0\n`)
      .join("");
  const lines = all
    .filter(({ family }) => family === 4)
    .map(({ text }) => `           |-- ${text}\n              /32 host LOCAL\n`);
  return ["Main:\n  +-- 0.0.0.0/0 3 0 5\n", ...lines].join("");
}

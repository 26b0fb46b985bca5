// What whole-process rows stand on: the files of held addresses, and that a sweep leaves nothing.
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { HeldFiles } from "../../bench/plugin/held.ts";
import { Network } from "../../bench/plugin/network.ts";
import { hostLocals, type Program } from "../../bench/plugin/programs.ts";
import type { Spawner } from "../../bench/plugin/spawner.ts";
import { Workspace } from "../../bench/plugin/workspace.ts";

const held = new HeldFiles();
const open: Workspace[] = [];
const workspace = () => {
  open.push(new Workspace(held));
  return open.at(-1)!;
};
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await held.close();
});

const peer: Program = { role: "peer", kind: "host-local", path: "", label: "", origin: "" };
const none = {} as Spawner;
/** Where the one network of a workspace has its files. */
const filesOf = (one: Workspace) => {
  const [name = ""] = readdirSync(one.directory);
  return join(one.directory, name, "networks/bench");
};

describe("held addresses of host-local", () => {
  it("are its files and marks, one file of a pod under both addresses and in every network", async () => {
    const [first, second] = [workspace(), workspace()];
    await Network.open(peer, 3, first, none);
    await Network.open(peer, 300, second, none);
    const [a, b] = [filesOf(first), filesOf(second)];
    const marks = ["last_reserved_ip.0", "last_reserved_ip.1"];
    const addresses = [2, 3, 4].flatMap((n) => [`10.128.0.${n}`, `fd00:be47::${n}`]);
    expect(readdirSync(a).sort()).toEqual([...addresses, ...marks].sort());
    expect(readFileSync(join(a, "fd00:be47::3"), "utf8")).toBe("held-1\r\neth0");
    expect(readFileSync(join(a, marks[0]!), "utf8")).toBe("10.128.0.4");
    expect(statSync(join(a, "10.128.0.3")).mode & 0o777).toBe(0o600);
    const inode = (path: string) => statSync(path).ino;
    expect(inode(join(a, "10.128.0.3"))).toBe(inode(join(b, "fd00:be47::3")));
    expect(inode(join(a, "10.128.0.3"))).not.toBe(inode(join(a, "10.128.0.4")));
    expect(readdirSync(b)).toHaveLength(602);
    // A mark is written by calls: no other network may have the same one.
    expect(statSync(join(b, marks[0]!)).nlink).toBe(1);
  });

  it("are made anew after the run's end has removed them", async () => {
    const one = workspace();
    await Network.open(peer, 2, one, none);
    await held.close();
    const other = workspace();
    await Network.open(peer, 2, other, none);
    expect(readFileSync(join(filesOf(other), "10.128.0.2"), "utf8")).toBe("held-0\r\neth0");
  });
});

describe("the host-locals of a machine", () => {
  it("have a name of their own each, also where two are of one release", async () => {
    const one = workspace();
    const paths = ["9", "9", "8"].map((version) => {
      const path = one.path("host-local");
      const words = `echo "CNI host-local plugin v1.${version}.0" >&2`;
      writeFileSync(path, `#!/bin/sh\n${words}\n`, { mode: 0o755 });
      return path;
    });
    const link = one.path("link");
    symlinkSync(paths[0]!, link);
    const found = await hostLocals([...paths, link, one.path("none")]);
    expect(found.map(({ label, path }) => [label, path])).toEqual([
      ["host-local 1.9.0", paths[0]],
      [`host-local 1.9.0, ${paths[1]}`, paths[1]],
      ["host-local 1.8.0", paths[2]],
    ]);
  });
});

describe("a workspace", () => {
  it("removes what was made since a mark and keeps the tools, and at the end all", async () => {
    const one = workspace();
    const tool = one.path("tool");
    writeFileSync(tool, "");
    const mark = one.mark();
    const state = one.path("state");
    writeFileSync(state, "");
    await one.clear(mark);
    expect([existsSync(tool), existsSync(state)]).toEqual([true, false]);
    expect(one.path("state")).not.toBe(state);
    await Promise.all([one.close(), one.close()]);
    expect(existsSync(one.directory)).toBe(false);
  });

  it("lets go of the signals when it is closed, so that sweeps don't pile up listeners", async () => {
    const before = process.listenerCount("SIGINT");
    const one = workspace();
    expect(process.listenerCount("SIGINT")).toBe(before + 1);
    await one.close();
    expect(process.listenerCount("SIGINT")).toBe(before);
  });
});

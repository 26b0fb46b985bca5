// `berth gc` on this machine: real network namespaces, kept by a process or by a bind mount here or
// in another mount namespace; the clock is the test's. All of it runs in a PID namespace of the
// test's own: a test's root may not be allowed to look at the machine's first process. Needs root.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findCompiler } from "../../scripts/native.mjs";
import { buildClock, clockProgram, type World, worldOf } from "../support/clock.ts";
import { need } from "../support/needs.ts";

const real = need(process.getuid?.() === 0 && findCompiler(), "root and a C compiler");
const GRACE = 900;
const FOREVER = "echo ready $$; exec sleep 10000";

/** Starts a program that says "ready" and its process id as it sees it; answers that id. */
function started(argv: string[]): Promise<[ChildProcess, string]> {
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${argv[0]} ended with ${code}`)));
    child.stdout!.once("data", (text) => resolve([child, /ready (\d+)/.exec(String(text))![1]!]));
  });
}

function end(child: ChildProcess): Promise<void> {
  child.removeAllListeners("exit");
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

describe.skipIf(real.missing)(`berth gc, native${real.why}`, () => {
  let node: World;
  let first: ChildProcess;
  /** What runs a program in the test's PID namespace. */
  let inside: string[];
  const keepers: ChildProcess[] = [];

  beforeAll(async () => {
    await buildClock();
    const apart = ["--pid", "--fork", "--mount", "--mount-proc", "--kill-child"];
    [first] = await started(["unshare", ...apart, "sh", "-c", FOREVER]);
    const children = fs.readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, "latin1");
    inside = ["nsenter", "-t", children.trim(), "-p", "-m", "--"];
  });
  beforeEach(() => {
    node = worldOf([...inside, clockProgram]);
  });
  afterEach(() => node.end());
  afterAll(async () => {
    await Promise.all(keepers.map(end));
    if (first) await end(first);
  });

  /** Runs a program inside, to its end. */
  const run = (...argv: string[]) => execFileSync(inside[0]!, [...inside.slice(1), ...argv]);
  /** A process in a network namespace of its own, and in a mount namespace if asked. */
  const start = async (...flags: string[]) => {
    const [child, pid] = await started([
      ...inside,
      "unshare",
      "--net",
      ...flags,
      "sh",
      "-c",
      FOREVER,
    ]);
    keepers.push(child);
    return {
      path: `/proc/${pid}/ns/net`,
      pid,
      // The child is nsenter, which has become another process inside: that one ends, and has
      // ended once its namespace can't be read any more.
      end: async () => {
        run("kill", "-9", pid);
        await end(child);
        run("sh", "-c", `while readlink /proc/${pid}/ns/net >/dev/null; do sleep 0.01; done`);
      },
    };
  };
  const config = () => ({
    cniVersion: "1.0.0",
    name: "net",
    ipam: {
      type: "berth",
      dataDir: node.dir,
      ranges: [[{ subnet: "10.9.0.0/20" }], [{ subnet: "fd09::/64" }]],
    },
  });
  const add = async (id: string, netns: string) => {
    const answer = await node.cni("ADD", id, config(), `default/${id}`, { CNI_NETNS: netns });
    expect([id, answer.status, answer.text]).toEqual([id, 0, answer.text]);
  };
  const holds = async (id: string) => (await node.cni("CHECK", id, config())).status === 0;
  const gc = async (...more: string[]) => {
    const said = await node.verb(["gc", "--data-dir", node.dir, "--json", ...more]);
    expect([said.status, said.text]).toEqual([0, said.text]);
    return said.json.networks[0];
  };
  const look = async () => {
    node.pass(GRACE + 1);
    return gc();
  };

  test("lets go a container whose namespace is gone, and keeps those that a process or a mount keeps", async () => {
    const dead = await start();
    const process = await start();
    const mount = await start();
    const hidden = await start("--mount");
    await add("dead", dead.path);
    await add("process", process.path);
    await add("mount", mount.path);
    await add("hidden", hidden.path);
    await add("unknown", "/run/netns/there-is-no-such-thing");
    const file = join(node.dir, "pinned");
    fs.writeFileSync(file, "");
    run("mount", "--bind", mount.path, file);
    await dead.end();
    await mount.end();
    expect(await look()).toMatchObject({ live: 3, unknown: 1, waiting: 1, due: 0, freed: 0 });
    expect(await gc("--dry-run")).toMatchObject({ live: 3, unknown: 1, waiting: 1, due: 0 });
    for (const id of ["dead", "process", "mount", "hidden", "unknown"]) {
      expect([id, await holds(id)]).toEqual([id, true]);
    }
    expect(await look()).toMatchObject({ live: 3, unknown: 1, waiting: 0, due: 1, freed: 1 });
    expect(await holds("dead")).toBe(false);
    for (let n = 0; n < 5; n++) expect(await look()).toMatchObject({ live: 3, freed: 0 });
    for (const id of ["process", "mount", "hidden", "unknown"]) {
      expect([id, await holds(id)]).toEqual([id, true]);
    }
    run("umount", file);
    await look();
    await look();
    expect(await holds("mount")).toBe(false);
    expect(await holds("process")).toBe(true);
  });

  test("a namespace that only a mount in another mount namespace keeps is alive", async () => {
    const pod = await start();
    const keeps = await start("--mount");
    const file = join(node.dir, "elsewhere");
    fs.writeFileSync(file, "");
    run("nsenter", "-t", keeps.pid, "-m", "mount", "--bind", pod.path, file);
    await add("pod", pod.path);
    await pod.end();
    for (let n = 0; n < 3; n++) expect(await look()).toMatchObject({ live: 1, freed: 0 });
    await keeps.end();
    await look();
    expect(await look()).toMatchObject({ freed: 1 });
    expect(await holds("pod")).toBe(false);
  });

  test("lets go a container whose namespace's number is a later container's by now", async () => {
    const numberOf = (path: string) => String(run("stat", "-Lc", "%i", path)).trim();
    // A pod, and one that gets the number of its namespace: the kernel gives the lowest that is
    // free, once it has cleaned up. A test beside this one may be quicker, and keep it for long:
    // then all begins anew with another pod.
    const twoOfOneNumber = async () => {
      const pod = await start();
      const number = numberOf(pod.path);
      await add("gone", pod.path);
      await pod.end();
      for (let n = 0; n < 40; n++) {
        const later = await start();
        if (numberOf(later.path) === number) return later;
        if (n >= 20) await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await node.cni("DEL", "gone", config());
      return undefined;
    };
    let host = 2;
    let later = await twoOfOneNumber();
    for (; later === undefined && host < 7; host++) later = await twoOfOneNumber();
    if (later === undefined) throw new Error("no namespace got the number of one that had ended");
    await add("later", later.path);
    // As a CRI keeps it: the first process's mounts tell of it before its own does.
    const file = join(node.dir, "later");
    fs.writeFileSync(file, "");
    run("mount", "--bind", later.path, file);
    for (let n = 0; n < 3; n++) expect(await look()).toMatchObject({ live: 2, waiting: 0 });
    const configure = "ip link set lo up; ip addr add $0/32 dev lo; ip addr add $1/128 dev lo";
    const inLater = ["nsenter", "-t", later.pid, "-n", "sh", "-c"];
    run(...inLater, configure, `10.9.0.${host + 1}`, `fd09::${host + 1}`);
    expect(await look()).toMatchObject({ live: 1, waiting: 1 });
    run(...inLater, "ip addr add $0/32 dev lo", `10.9.0.${host}`);
    expect(await look()).toMatchObject({ live: 2, waiting: 0 });
    run(...inLater, "ip addr del $0/32 dev lo", `10.9.0.${host}`);
    expect(await look()).toMatchObject({ live: 1, waiting: 1 });
    expect(await look()).toMatchObject({ live: 1, freed: 1 });
    expect([await holds("gone"), await holds("later")]).toEqual([false, true]);
    run("umount", file);
  });

  test("lets go what adopt --from-cache took over, where the result names a namespace by a name", async () => {
    const dead = await start();
    const lives = await start();
    run("mount", "-t", "tmpfs", "none", "/run");
    const named = (name: string, path: string) => {
      run("touch", `/run/${name}`);
      run("mount", "--bind", path, `/run/${name}`);
      return `/run/${name}`;
    };
    run("touch", "/run/unmounted");
    const paths: Record<string, string | undefined> = {
      dead: named("dead", dead.path),
      lives: named("lives", lives.path),
      process: dead.path,
      unmounted: "/run/unmounted",
      nowhere: "/run/nowhere",
      unknown: undefined,
    };
    const cache = join(node.dir, "results");
    fs.mkdirSync(cache);
    for (const [n, [id, netns]] of Object.entries(paths).entries()) {
      const one = { kind: "cniCacheV1", containerId: id, ifName: "eth0", networkName: "net" };
      const result = { cniVersion: "1.0.0", ips: [{ address: `10.9.1.${n}/20` }] };
      fs.writeFileSync(join(cache, `net-${id}-eth0`), JSON.stringify({ ...one, netns, result }));
    }
    const from = ["--from", cache, "--data-dir", node.dir, "--network", "net"];
    const said = await node.verb(["adopt", "--from-cache", ...from]);
    expect([said.status, said.text]).toEqual([0, said.text]);
    await add("first", lives.path);
    for (let n = 0; n < 3; n++) expect(await look()).toMatchObject({ live: 3, unknown: 4 });
    await dead.end();
    for (let n = 0; n < 3; n++) expect(await look()).toMatchObject({ live: 3, unknown: 4 });
    run("umount", "/run/dead");
    expect(await look()).toMatchObject({ live: 2, unknown: 4, waiting: 1 });
    expect(await look()).toMatchObject({ live: 2, unknown: 4, freed: 1 });
    for (const id of Object.keys(paths)) expect([id, await holds(id)]).toEqual([id, id !== "dead"]);
    run("umount", "-l", "/run");
  });

  test("looks at every network of the data directory, one after the other", async () => {
    const dead = await start();
    for (const name of ["alpha", "beta", "gamma"]) {
      const other = { ...config(), name };
      const env = { CNI_NETNS: dead.path };
      expect((await node.cni("ADD", "one", other, undefined, env)).status).toBe(0);
    }
    await dead.end();
    const twice = async () => {
      node.pass(GRACE + 1);
      const said = await node.verb(["gc", "--data-dir", node.dir, "--json"]);
      return said.json.networks.map((n: { network: string; freed: number }) => [
        n.network,
        n.freed,
      ]);
    };
    expect(await twice()).toEqual([
      ["alpha", 0],
      ["beta", 0],
      ["gamma", 0],
    ]);
    expect(await twice()).toEqual([
      ["alpha", 1],
      ["beta", 1],
      ["gamma", 1],
    ]);
    const check = await node.verb(["check", "--data-dir", node.dir]);
    expect([check.status, check.text]).toEqual([0, check.text]);
  });

  test("beside ADDs and DELs nothing that lives is freed", async () => {
    const pod = await start();
    const path = pod.path;
    for (let n = 0; n < 20; n++) await add(`stays-${n}`, path);
    let going = true;
    const churn = async (k: number) => {
      for (let n = 0; going; n++) {
        await add(`c${k}-${n}`, path);
        if (n % 2) await node.cni("DEL", `c${k}-${n}`, config());
      }
      return k;
    };
    const churns = [churn(1), churn(2)];
    for (let n = 0; n < 12; n++)
      expect(await look()).toMatchObject({ waiting: 0, due: 0, freed: 0 });
    going = false;
    await Promise.all(churns);
    for (let n = 0; n < 20; n++) expect(await holds(`stays-${n}`)).toBe(true);
  });

  test("the units of --install-timer are written, again and again, and no file of others is", async () => {
    const units = join(node.dir, "units");
    fs.mkdirSync(units);
    const write = () => node.verb(["gc", "--install-timer", "--unit-dir", units, "--grace", "30m"]);
    expect((await write()).text).toContain("systemctl daemon-reload");
    const service = fs.readFileSync(join(units, "berth-gc.service"), "utf8");
    expect(service).toContain("\nConditionPathExistsGlob=/var/lib/cni/berth/*/berth.lock\n");
    expect(service).toContain("\nExecStart=/opt/cni/bin/berth gc --grace 30m\n");
    expect(fs.readFileSync(join(units, "berth-gc.timer"), "utf8")).toContain(
      "OnUnitActiveSec=5min",
    );
    const { json } = await node.verb([
      "gc",
      "--install-timer",
      "--unit-dir",
      `${units}/`,
      "--json",
    ]);
    expect(json.files).toEqual(
      ["service", "timer"].map((kind) => ({ file: `${units}/berth-gc.${kind}`, done: "written" })),
    );
    expect((await write()).status).toBe(0);
    expect(fs.readdirSync(units).sort()).toEqual(["berth-gc.service", "berth-gc.timer"]);
    fs.writeFileSync(join(units, "berth-gc.timer"), "[Timer]\nOnCalendar=daily\n");
    fs.rmSync(join(units, "berth-gc.service"));
    expect((await write()).status).toBe(1);
    expect(fs.readdirSync(units)).toEqual(["berth-gc.timer"]);
    expect(fs.readFileSync(join(units, "berth-gc.timer"), "utf8")).toContain("OnCalendar=daily");
  });
});

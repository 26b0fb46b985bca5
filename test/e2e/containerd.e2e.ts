/** A real runtime: Debian's containerd and runc start containers on `bridge` and Berth. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Conflist, ListRunner } from "./support/conflist.ts";
import { held, type NetworkConfig } from "./support/held.ts";
import { describeOutcome, type Running, until } from "./support/process.ts";
import { suite } from "./support/requirements.ts";
import { Runtime } from "./support/runtime.ts";

const CONTAINERS = 50;
// No dataDir: the default directory, as a node has it, in the runtime's private /var/lib/cni.
const IPAM = {
  type: "berth",
  ranges: [[{ subnet: "10.80.0.0/26" }], [{ subnet: "fd00:80::/122" }]],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
};
const NETWORK: NetworkConfig = { cniVersion: "1.0.0", name: "containers", ipam: IPAM };
const LIST: Conflist = {
  cniVersion: "1.0.0",
  name: "containers",
  plugins: [{ type: "bridge", bridge: "ctr0", isGateway: true, ipam: IPAM }],
};
const PLUGINS = ["bridge", "loopback"];
const SHOW = "ip -o addr show dev eth0 scope global";
const STAY = "while ! [ -e /berth/$0 ]; do sleep 0.2; done";

let runtime: Runtime;

/** The addresses that `ip -o addr` printed, in its order. */
function shown(output: string): string[] {
  return [...output.matchAll(/inet6? (\S+)\/\d+/g)].map((match) => match[1]!);
}

/** The DEL that some versions of `ctr` leave out; it may always be repeated. */
async function del(id: string): Promise<void> {
  await new ListRunner(runtime, LIST).del(runtime.attachment(id));
}

/** Waits for the end of a foreground container and answers what it printed. */
async function ended(container: Running): Promise<string> {
  const outcome = await container.done;
  if (outcome.code !== 0) throw new Error(describeOutcome(["ctr", "run"], outcome));
  return outcome.stdout;
}

async function bothAddresses(container: Running): Promise<string[]> {
  return until("the addresses of a container", 60_000, () => {
    const addresses = shown(container.stdout());
    return addresses.length === 2 ? addresses : undefined;
  });
}

async function remaining(): Promise<string> {
  return (await runtime.ctrToEnd(["containers", "ls", "-q"])).trim();
}

const NEEDS = {
  plugins: PLUGINS,
  commands: ["containerd", "ctr", "runc", "busybox", "unshare", "tar"],
};

suite("containerd", NEEDS, () => {
  beforeAll(async () => {
    runtime = await Runtime.start({ plugins: PLUGINS, list: LIST });
  });
  afterAll(async () => {
    await runtime?.close();
  });

  test("a container has both addresses and the routes, and reaches its gateways", async () => {
    const pings = "ping -c 1 -w 5 10.80.0.1 && ping -c 1 -w 5 fd00:80::1";
    const script = `${SHOW}; ip route; ip -6 route; ${pings}`;
    const output = await ended(runtime.container("one", ["--rm"], script));
    expect(shown(output)).toEqual(["10.80.0.2", "fd00:80::2"]);
    expect(output).toMatch(/default via 10\.80\.0\.1 dev eth0/);
    expect(output).toMatch(/default via fd00:80::1 dev eth0/);
    expect(output.match(/1 packets received/g)).toHaveLength(2);
    await del("one");
    expect(await held(runtime, NETWORK)).toEqual([]);
  });

  test("its addresses are held while it runs and released when it is removed", async () => {
    const container = runtime.container("two", ["--rm"], `${SHOW}; ${STAY.replace("$0", "two")}`);
    const addresses = await bothAddresses(container);
    expect(await held(runtime, NETWORK)).toEqual(addresses);
    writeFileSync(join(runtime.sharedDir, "two"), "");
    await ended(container);
    await del("two");
    expect(await held(runtime, NETWORK)).toEqual([]);
    expect(await remaining()).toBe("");
  });

  test("a container that is killed is released", async () => {
    const container = runtime.container("three", ["--rm"], `${SHOW}; ${STAY.replace("$0", "no")}`);
    await bothAddresses(container);
    await runtime.ctrToEnd(["tasks", "kill", "-s", "SIGKILL", "three"]);
    expect((await container.done).code).toBe(137);
    await del("three");
    expect(await held(runtime, NETWORK)).toEqual([]);
  });

  test("a container whose program can't be started holds nothing", async () => {
    const args = ["run", "--rm", "--snapshotter", "native", "--cni", "--cgroup", ""];
    const container = runtime.ctr([...args, "berth.test/busybox:e2e", "four", "/bin/nothing"]);
    expect((await container.done).code).not.toBe(0);
    await del("four");
    expect(await held(runtime, NETWORK)).toEqual([]);
  });

  test("a detached container is released by the DEL that ctr leaves to others", async () => {
    const script = STAY.replace("$0", "no");
    await ended(runtime.container("five", ["--detach"], script));
    const addresses = await held(runtime, NETWORK);
    expect(addresses).toHaveLength(2);
    await runtime.ctrToEnd(["tasks", "kill", "-s", "SIGKILL", "five"]);
    await until("the container's end", 30_000, async () => {
      const tasks = await runtime.ctrToEnd(["tasks", "ls"]);
      return /five .*STOPPED/.test(tasks) ? true : undefined;
    });
    await runtime.ctrToEnd(["tasks", "rm", "five"]);
    await runtime.ctrToEnd(["containers", "rm", "five"]);
    await del("five");
    expect(await held(runtime, NETWORK)).toEqual([]);
  });

  test(`${CONTAINERS} containers at once have different addresses and leave nothing`, async () => {
    const script = `${SHOW}; ${STAY.replace("$0", "go")}`;
    const ids = Array.from({ length: CONTAINERS }, (_, index) => `crowd-${index}`);
    const crowd = ids.map((id) => runtime.container(id, ["--rm"], script));
    const addresses = (await Promise.all(crowd.map(bothAddresses))).flat();
    expect(new Set(addresses).size).toBe(2 * CONTAINERS);
    expect((await held(runtime, NETWORK)).toSorted()).toEqual(addresses.toSorted());
    writeFileSync(join(runtime.sharedDir, "go"), "");
    await Promise.all(crowd.map(ended));
    await Promise.all(ids.map(del));
    expect(await held(runtime, NETWORK)).toEqual([]);
    expect(await remaining()).toBe("");
  });
});

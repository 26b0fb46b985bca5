// The Ipam killed, on a full disk, and beside writers and readers of the same directory.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IpamError } from "../../src/errors.ts";
import { type Ipam, openIpam } from "../../src/ipam/ipam.ts";
import { readIpam } from "../../src/ipam/reader.ts";
import { needsCompiler, needsRoot } from "../support/needs.ts";
import { randomFrom } from "../support/world.ts";
import { refusal, removeSpaces, sound, space } from "./ipamspace.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const CHILD = join(here, "ipamchild.mjs");
const RUNS = Number(process.env.BERTH_RUNS ?? 12);
const mounted: string[] = [];

beforeAll(() => {
  if (!existsSync(join(root, "build/js/src/ipam/ipam.js")))
    throw new Error("npm run build makes build/js, which the child process runs");
});

afterAll(() => {
  for (const dir of mounted) execFileSync("umount", [dir]);
  removeSpaces();
});

/** What a child was promised: the addresses of each owner; and who is in doubt since. */
class Promises {
  held = new Map<string, string>();
  doubt = new Set<string>();

  hear(line: string): void {
    const owner = line.slice(1).split(" ")[0]!;
    if (line.startsWith("?")) this.doubt.add(owner);
    if (line.startsWith("+")) this.held.set(owner, line.slice(owner.length + 2));
    if (line.startsWith("-")) this.held.delete(owner);
    if (!line.startsWith("?")) this.doubt.delete(owner);
  }

  /** Everything that was flushed is there, and nothing is held twice. */
  kept(ipam: { allocations: Ipam["allocations"] }, what: string): void {
    const found = new Map([...ipam.allocations()].map((one) => [one.owner, one.addresses]));
    const all = [...found.values()].flat();
    expect(new Set(all).size, what).toBe(all.length);
    for (const [owner, addresses] of this.held)
      if (!this.doubt.has(owner))
        expect([...(found.get(owner) ?? [])].sort(), `${what}: ${owner}`).toEqual(
          addresses.split(" ").sort(),
        );
    for (const owner of found.keys())
      if (!this.held.has(owner))
        expect(this.doubt.has(owner), `${what}: ${owner} came back`).toBe(true);
  }
}

/** Runs a child and kills it `ms` after it is ready. */
async function killed(
  path: string,
  lock: string,
  seed: number,
  flushes: string,
  ms: number,
  promises: Promises,
) {
  const child = spawn(process.execPath, [CHILD, path, lock, `${seed}`, flushes], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    if (text === "" && data !== "") setTimeout(() => child.kill("SIGKILL"), ms);
    text += data;
  });
  child.stderr.setEncoding("utf8").on("data", (data: string) => {
    errors += data;
  });
  const [, signal] = await once(child, "close");
  expect(signal, errors).toBe("SIGKILL");
  for (const line of text.slice(0, text.lastIndexOf("\n")).split("\n").slice(1))
    promises.hear(line);
}

describe("[crash] an Ipam killed at any moment", () => {
  for (const lock of ["exclusive", "per-call"])
    for (const flushes of lock === "exclusive" ? ["yes", "no"] : ["yes"])
      it(`${lock}, flushes: ${flushes}: has everything that was flushed, nothing twice`, async () => {
        for (let seed = 1; seed <= Math.ceil(RUNS / 4); seed++) {
          const path = space();
          const promises = new Promises();
          const random = randomFrom(seed);
          for (let life = 0; life < 4; life++) {
            const what = `seed ${seed}, life ${life}`;
            await killed(path, lock, seed * 10 + life, flushes, random(250), promises);
            await sound(path, what);
            const copy = readIpam(path);
            promises.kept(copy, what);
            // What is there now is what the next life begins with.
            promises.held = new Map([...copy].map((one) => [one.owner, one.addresses.join(" ")]));
            promises.doubt.clear();
            copy.close();
          }
          using ipam = openIpam(path);
          expect(ipam.check()).toEqual([]);
          promises.kept(ipam, `seed ${seed}`);
        }
      });
});

const asRoot = needsRoot();
describe.skipIf(asRoot.missing)(`an Ipam on a full disk${asRoot.why}`, () => {
  for (const size of ["1m", "1400k", "2m", "5m", "24m"])
    it(`of ${size} refuses with noSpace or io, keeps what it gave, and releases`, async () => {
      const path = space();
      mkdirSync(path, { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
      mounted.push(path);
      let ipam: Ipam;
      try {
        ipam = openIpam(path);
      } catch (error) {
        // Not even an empty log fits.
        expect(size).toBe("1m");
        expect((error as IpamError).code).toBe("noSpace");
        return;
      }
      const pool = ipam.pool("10.0.0.0/8");
      let count = 0;
      const fill = () => {
        for (; ; count++) ipam.allocate({ owner: `o${count}`.padEnd(150, "x"), pools: [pool] });
      };
      expect(refusal(fill).code).toBe("noSpace");
      expect(count).toBeGreaterThan(100);
      expect(refusal(fill).code).toBe("noSpace");
      await ipam.flush();
      await sound(path);
      for (let n = 0; n < 50; n++) ipam.release(`o${n}`.padEnd(150, "x"));
      const addresses = ipam.allocate({ owner: "after", pools: [pool] }).addresses;
      await ipam.flush();
      expect(ipam.check()).toEqual([]);
      ipam.close();
      using again = openIpam(path);
      expect(again.stats().allocations).toBe(count - 50 + 1);
      expect(again.find({ owner: "after" })?.addresses).toEqual(addresses);
      execFileSync("mount", ["-o", "remount,size=64m", path]);
      again.allocate({ owner: "more", pools: ["10.0.0.0/8"] });
      expect(again.check()).toEqual([]);
    });
});

/** One call of the native plugin. */
function plugin(
  path: string,
  verb: string,
  id: string,
  range: string,
  more: Record<string, string> = {},
): { status: number; text: string } {
  const config = {
    cniVersion: "1.1.0",
    name: "net",
    ipam: { type: "berth", dataDir: dirname(path), ranges: [[{ subnet: range }]] },
  };
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: id,
    CNI_IFNAME: "eth0",
    CNI_NETNS: "/x",
    CNI_PATH: "/x",
    ...more,
  };
  try {
    const text = execFileSync(join(root, "build/bin/berth"), {
      env,
      input: JSON.stringify(config),
      encoding: "utf8",
    });
    return { status: 0, text };
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { status, text: stdout };
  }
}

function addressOf(text: string): string {
  return JSON.parse(text).ips[0].address.split("/")[0];
}

const native = needsCompiler();
describe.skipIf(native.missing)(`[native] an Ipam beside the plugin${native.why}`, () => {
  const RANGE = "10.1.0.0/24";

  it("per call: both give from the same addresses, neither waits, neither gives one twice", async () => {
    const path = space();
    expect(plugin(path, "ADD", "first", RANGE).status).toBe(0);
    const ipam = openIpam(path, { lock: "per-call" });
    const pool = ipam.pool(RANGE, { gateway: "10.1.0.1" });
    const random = randomFrom(7);
    const held = new Map<string, string>([["first", "10.1.0.2"]]);
    for (let n = 0; n < 400; n++) {
      const id = `c${random(60)}`;
      const ours = random(2) === 0;
      if (held.has(id)) {
        if (ours) ipam.release(id, { kind: "container", interface: "eth0" });
        else expect(plugin(path, "DEL", id, RANGE).status).toBe(0);
        held.delete(id);
      } else {
        const owner = { owner: id, kind: "container" as const, interface: "eth0" };
        const address = ours
          ? ipam.allocate({ ...owner, pools: [pool] }).addresses[0]!
          : addressOf(plugin(path, "ADD", id, RANGE).text);
        expect([...held.values()]).not.toContain(address);
        held.set(id, address);
      }
      if (n % 40 === 0) {
        const found = new Map([...ipam].map((one) => [one.owner, one.addresses[0]]));
        expect(found).toEqual(
          new Map(
            [...held].sort(([, a], [, b]) => Number(a.split(".")[3]) - Number(b.split(".")[3])),
          ),
        );
        expect(ipam.check()).toEqual([]);
        await sound(path);
      }
    }
    // What the library reserves, the plugin doesn't give; an open handle stops no ADD.
    const [kept] = ipam.reserve("ns/kept", { pools: [pool], ttl: 1000 });
    for (let n = 0; n < 150; n++) {
      const begun = performance.now();
      const { status, text } = plugin(path, "ADD", `more${n}`, RANGE);
      expect(performance.now() - begun).toBeLessThan(5000);
      if (status === 0) expect(addressOf(text)).not.toBe(kept);
    }
    expect(ipam.explain(kept!).state).toBe("reserved");
    ipam.close();
    await sound(path);
  });

  it("opens exclusively what the plugin has written, and gives it back: logs of 16 MiB too", async () => {
    const path = space();
    for (let n = 0; n < 5; n++) plugin(path, "ADD", `c${n}`, RANGE);
    {
      using ipam = openIpam(path, { sync: "never" });
      expect([...ipam].map((one) => [one.kind, one.interface, one.addresses[0]])).toEqual(
        Array.from({ length: 5 }, (_, n) => ["container", "eth0", `10.1.0.${n + 2}`]),
      );
      const pool = ipam.pool("10.64.0.0/10");
      for (let n = 0; n < 40_000; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
      expect(ipam.stats().logRoom).toBeGreaterThan(1 << 20);
      // The plugin finds a log that was never checkpointed.
      await ipam.flush();
      const copy = readIpam(path);
      expect(copy.stats().allocations).toBe(40_005);
      copy.close();
    }
    expect(addressOf(plugin(path, "ADD", "next", RANGE).text)).toBe("10.1.0.7");
    expect(plugin(path, "DEL", "c0", RANGE).status).toBe(0);
    using ipam = openIpam(path);
    expect(ipam.stats().allocations).toBe(40_005);
    expect(ipam.check()).toEqual([]);
  });

  it("[crash] the plugin recovers what a killed exclusive Ipam had flushed", async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const path = space();
      const promises = new Promises();
      await killed(path, "exclusive", seed, "yes", 400, promises);
      expect(plugin(path, "ADD", "pod", RANGE).status).toBe(0);
      promises.held.set("pod", "10.1.0.2");
      await sound(path);
      using ipam = openIpam(path);
      promises.kept(ipam, `seed ${seed}`);
    }
  });

  it("an ADD of a pod gets what the library has reserved for its name", () => {
    const path = space();
    const ipam = openIpam(path, { lock: "per-call" });
    const pool = ipam.pool(RANGE);
    const [kept] = ipam.reserve("ns/web-0", {
      pools: [pool],
      addresses: ["10.1.0.77"],
      ttl: 1000,
    });
    expect(kept).toBe("10.1.0.77");
    expect(addressOf(plugin(path, "ADD", "other", RANGE).text)).toBe("10.1.0.2");
    const named = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-0";
    expect(addressOf(plugin(path, "ADD", "web", RANGE, { CNI_ARGS: named }).text)).toBe(kept);
    expect(ipam.find({ name: "ns/web-0" })?.owner).toBe("web");
    expect([...ipam.reservations()]).toEqual([]);
    expect(ipam.check()).toEqual([]);
    ipam.close();
  });

  it("a DEL that came while it was open is done at the next opening", () => {
    const path = space();
    plugin(path, "ADD", "gone", RANGE);
    const ipam = openIpam(path);
    expect(plugin(path, "DEL", "gone", RANGE, { BERTH_LOCK_TIMEOUT_MS: "50" }).status).toBe(0);
    expect([...ipam].length).toBe(1);
    ipam.close();
    using again = openIpam(path);
    expect([...again]).toEqual([]);
    expect(again.check()).toEqual([]);
  });

  it("a reader beside a busy writer always sees a whole state", async () => {
    const path = space();
    openIpam(path).close();
    const promises = new Promises();
    const writing = killed(path, "exclusive", 5, "yes", 1500, promises);
    const begun = performance.now();
    let reads = 0;
    // Six at least, however slow the machine is.
    while (performance.now() - begun < 1500 || reads < 6) {
      const copy = readIpam(path);
      expect(copy.check()).toEqual([]);
      copy.close();
      reads++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await writing;
  });
});

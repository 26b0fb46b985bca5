// One durable Ipam, asked by several threads: each request is done whole or not at all.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { packageRoot } from "../../src/wasm.ts";

const index = join(packageRoot(), "build/js/src/index.js");
const { attachIpam, openIpam, shareIpam } = (await import(
  index
)) as typeof import("../../src/index.ts");
const threadFile = new URL("./ipamshare.worker.mjs", import.meta.url);

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-share-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function open() {
  const ipam = openIpam(dir);
  ipam.pool("10.0.0.0/16");
  ipam.pool("fd00::/64");
  return ipam;
}

function start(token: unknown, number: number, rounds: number): Worker {
  return new Worker(threadFile, { workerData: { index, token, number, rounds } });
}

const message = (worker: Worker, wanted: "string" | "object") =>
  new Promise<{ seen: string[] }>((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (m) => typeof m === wanted && resolve(m));
  });

describe("a shared Ipam", () => {
  it("answers three threads at once; no address is held twice; all of it is durable", async () => {
    const ipam = open();
    const workers = [1, 2, 3].map((number) => start(shareIpam(ipam), number, 120));
    await Promise.all(workers.map((worker) => message(worker, "object")));
    const held = [...ipam];
    expect(held.length).toBe(3 * 80);
    const addresses = held.flatMap((one) => one.addresses);
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(ipam.check()).toEqual([]);
    ipam.close();
    using again = openIpam(dir);
    expect([...again].map((one) => one.owner).sort()).toEqual(held.map((one) => one.owner).sort());
  });

  it("goes on when threads are terminated in the middle of a call", async () => {
    using ipam = open();
    for (let round = 0; round < 8; round++) {
      const worker = start(shareIpam(ipam), round, 0);
      await message(worker, "string");
      await new Promise((resolve) => setTimeout(resolve, 3 + round));
      await worker.terminate();
      const { addresses } = ipam.allocate({ owner: `main-${round}`, pools: ["10.0.0.0/16"] });
      expect(ipam.find({ address: addresses[0]! })?.owner).toBe(`main-${round}`);
    }
    expect(ipam.check()).toEqual([]);
    // The boxes of 8 dead threads don't stay taken: 64 new ones still fit.
    // (The last one's flush may be under way still: its box is free when that is answered.)
    const own: ReturnType<typeof attachIpam>[] = [];
    await vi.waitFor(() => {
      while (own.length < 64) own.push(attachIpam(shareIpam(ipam)));
    }, 5000);
    expect(() => attachIpam(shareIpam(ipam))).toThrow(/64 threads use this Ipam/);
    for (const one of own) one.close();
  });

  it("hands errors over with code, text and value", async () => {
    using ipam = open();
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.index).then(({ attachIpam, IpamError }) => {
        const ipam = attachIpam(workerData.token);
        const out = [];
        const pools = ["10.0.0.0/16"];
        out.push(ipam.allocate({ owner: "a", pools }).since instanceof Date);
        for (const work of [
          () => ipam.allocate({ owner: "a", pools }),
          () => ipam.release("b"),
          () => ipam.allocate({ owner: "c", pools: ["10.1.0.0/16"] }),
          () => ipam.allocate({ owner: "x".repeat(70000), pools }),
          () => { const own = { owner: "d", pools }; own.own = own; ipam.allocate(own); },
        ])
          try { work(); } catch (e) { out.push(e instanceof IpamError, e.code); }
        out.push(ipam.find({ owner: "a" }).addresses.length, ipam.stats().commits > 0n);
        out.push(ipam.reserve("ns/web-0", { pools, ttl: Infinity }).length);
        parentPort.postMessage(out);
      });`;
    const worker = new Worker(code, {
      eval: true,
      workerData: { index, token: shareIpam(ipam) },
    });
    const out = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    const codes = ["duplicate", "notAllocated", "notFound", "tooLarge", "invalid"];
    expect(out).toEqual([true, ...codes.flatMap((code) => [true, code]), 1, true, 1]);
  });
});

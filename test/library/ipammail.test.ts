// The mailbox of a shared Ipam: faults that a review found; each test was red before.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { IpamToken } from "../../src/index.ts";
import { packageRoot } from "../../src/wasm.ts";

const index = join(packageRoot(), "build/js/src/index.js");
const { attachIpam, openIpam, shareIpam } = (await import(
  index
)) as typeof import("../../src/index.ts");

const DEAD = 4_150_000;
const token = () => ({
  berth: "ipam" as const,
  path: "nowhere",
  mailbox: new SharedArrayBuffer(64 + 64 * 65_536),
});

afterEach(() => vi.restoreAllMocks());

describe("the mailbox of a shared Ipam", () => {
  it("answers a request whose value is as long as a box, and its opener lives on", async () => {
    const dir = mkdtempSync(join(tmpdir(), "berth-mail-"));
    const ipam = openIpam(dir);
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.index).then(({ attachIpam }) => {
        const ipam = attachIpam(workerData.token);
        let code = "none";
        try { ipam.release("x".repeat(65_450)); } catch (error) { code = error.code; }
        parentPort.postMessage(code);
      });`;
    const worker = new Worker(code, { eval: true, workerData: { index, token: shareIpam(ipam) } });
    const answer = await new Promise((resolve) => worker.once("message", resolve));
    expect(["invalid", "tooLarge", "notFound"]).toContain(answer);
    ipam.close();
    rmSync(dir, { recursive: true });
  });

  it("refuses to attach to an Ipam that is closed", () => {
    const closed = token();
    new Int32Array(closed.mailbox)[1] = 1;
    expect(() => attachIpam(closed)).toThrow(/is closed/);
  });

  it("keeps the opener's own thread from waiting for itself, and shares nothing closed", async () => {
    const dir = mkdtempSync(join(tmpdir(), "berth-mail-"));
    const ipam = openIpam(dir);
    const own = attachIpam(shareIpam(ipam));
    expect(() => own.stats()).toThrow(/this thread has opened the Ipam/);
    await own.flush();
    ipam.close();
    expect(() => shareIpam(ipam)).toThrow(/is closed/);
    rmSync(dir, { recursive: true });
  });

  it("tells who waits, or attaches, that the opener's thread has ended without closing", async () => {
    const dir = mkdtempSync(join(tmpdir(), "berth-mail-"));
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.index).then(({ openIpam, shareIpam }) => {
        parentPort.postMessage(shareIpam(openIpam(workerData.dir)));
        setInterval(() => {}, 1000);
      });`;
    const opener = new Worker(code, { eval: true, workerData: { index, dir } });
    const sent = await new Promise<IpamToken>((resolve) => opener.once("message", resolve));
    const [calling, flushing] = [attachIpam(sent), attachIpam(sent)];
    expect(calling.stats().allocations).toBe(0);
    await opener.terminate();
    const begun = performance.now();
    expect(() => calling.stats()).toThrow(/is closed/);
    await expect(flushing.flush()).rejects.toThrow(/is closed/);
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect(() => attachIpam(sent)).toThrow(/is closed/);
    rmSync(dir, { recursive: true });
  });

  it("lets no request wait that came while its opener closed", async () => {
    const open = token();
    const ipam = attachIpam(open);
    const { encode } = TextEncoder.prototype;
    vi.spyOn(TextEncoder.prototype, "encode").mockImplementation(function (
      this: TextEncoder,
      text,
    ) {
      new Int32Array(open.mailbox)[1] = 1;
      return encode.call(this, text) as Uint8Array<ArrayBuffer>;
    });
    await expect(ipam.flush()).rejects.toThrow(/is closed/);
  });

  it("gives the box of a thread that is gone to one of two that come at once", () => {
    const open = token();
    const words = new Int32Array(open.mailbox);
    for (let box = 0; box < 64; box++) words.set([3, DEAD], 16 + box * 16_384);
    const store = Atomics.store.bind(Atomics);
    const all: { close(): void }[] = [];
    let first = true;
    vi.spyOn(Atomics, "store").mockImplementation(((...call: Parameters<typeof store>) => {
      if (first) {
        first = false;
        all.push(attachIpam(open));
      }
      return store(...call);
    }) as typeof Atomics.store);
    expect(() => {
      for (;;) all.push(attachIpam(open));
    }).toThrow(/64 threads/);
    expect(all.length).toBe(64);
  });

  it("gives a box up that was closed with a request in it, once that is answered", async () => {
    const open = token();
    const words = new Int32Array(open.mailbox);
    const all = Array.from({ length: 64 }, () => attachIpam(open));
    const flush = all[0]!.flush();
    await Promise.resolve();
    await Promise.resolve();
    const request = words[16]!;
    all[0]!.close();
    expect(() => attachIpam(open)).toThrow(/64 threads/);
    Atomics.store(words, 16, request + 1);
    Atomics.notify(words, 16);
    await expect(flush).rejects.toThrow(/is closed/);
    expect(() => attachIpam(open)).not.toThrow();
  });

  it("refuses a call while a flush isn't done, also when its answer is there already", async () => {
    const open = token();
    const words = new Int32Array(open.mailbox);
    const ipam = attachIpam(open);
    const flush = ipam.flush();
    await Promise.resolve();
    await Promise.resolve();
    expect(words[16]).toBe(1);
    // The opener answers "null", and this thread hasn't seen it yet.
    new Uint8Array(open.mailbox, 64 + 16).set([110, 117, 108, 108]);
    words[18] = 4;
    Atomics.store(words, 16, 2);
    vi.spyOn(Atomics, "wait").mockReturnValue("timed-out");
    expect(() => ipam.stats()).toThrow(/await it/);
    Atomics.notify(words, 16);
    await flush;
    expect(words[16]).toBe(0);
  });
});

// 100,000 reservations that expire in the same second: no call pays for more than a fixed number of
// them, counted in words of its commits and in operations on files, never in time; and each of them
// is free at once for who needs it.
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openIpamAround } from "../../src/ipam/ipam.ts";
import { checkNetwork } from "../support/check.ts";
import { call, Disk } from "../support/memoryhost.ts";

const MANY = 100_000;
const NOW = 1000;
/** An entry of the log: its header, then 12 bytes for each changed word. */
const ENTRY_HEADER = 40;
const WORD = 12;

const dir = fs.mkdtempSync(join(tmpdir(), "berth-many-"));
let image: Disk;

beforeAll(async () => {
  const path = join(dir, "many");
  const ipam = openIpamAround(path, {}, { clock: () => NOW });
  ipam.pool("10.128.0.0/15", { name: "pods", exclude: ["10.128.0.0", "10.128.0.1"] });
  for (let n = 0; n < MANY; n++) {
    ipam.reserve(`ns${n % 40}/web-${n}`, { pools: ["pods"], ttl: 60 });
    if (n % 2000 === 0) await ipam.flush();
  }
  ipam.close();
  expect(await checkNetwork(path)).toEqual([]);
  image = Disk.of(path);
}, 120_000);

afterAll(() => fs.rmSync(dir, { recursive: true }));

/** The words of the commits that a call has made, from the tails of the log before and after. */
function words(before: number, after: number): number {
  expect(after).toBeGreaterThan(before);
  return (after - before - ENTRY_HEADER) / WORD;
}

function tail(disk: Disk): number {
  return Buffer.from(disk.read("berth.state")!).readUInt32LE(112);
}

function cni(disk: Disk, command: string, id: string, subnet: string) {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_IFNAME: "eth0",
    CNI_NETNS: "/n",
    CNI_PATH: "/",
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=${id}`,
  };
  const ipam = { type: "berth", subnet, reserve: { pods: "all", perNamespace: 64 } };
  const before = tail(disk);
  const outcome = call(disk, env, { cniVersion: "1.1.0", name: "many", ipam });
  expect(outcome.json?.msg).toBe(undefined);
  return {
    address: outcome.json?.ips?.[0].address as string,
    words: words(before, tail(disk)),
    operations: outcome.operations,
  };
}

test("a call collects 8 of 100,000 that are due: a fixed number of words and file operations", () => {
  const disk = image.clone();
  disk.now = NOW + 59;
  const quiet = cni(disk, "ADD", "before", "10.200.0.0/16");
  disk.now = NOW + 60;
  const calls = [];
  for (let n = 0; n < 12; n++) {
    calls.push(cni(disk, "ADD", `p${n}`, "10.200.0.0/16"));
    calls.push(cni(disk, "DEL", `p${n}`, "10.200.0.0/16"));
  }
  const most = Math.max(...calls.map((c) => c.words));
  const operations = Math.max(...calls.map((c) => c.operations));
  // A record of one cell and its name: about 72 words, 32 of them the zeros of its cells and 16 the
  // event of its end.
  expect(most).toBeLessThan(quiet.words + 8 * 80);
  expect(most).toBeGreaterThan(quiet.words + 8 * 32);
  // One write for each page that a collected record lay on, or its nodes.
  expect(operations).toBeLessThan(quiet.operations + 8 * 6);
}, 120_000);

test("where nothing else is free 64 are collected at most, and one of them is given", () => {
  const disk = image.clone();
  const env = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "x", CNI_IFNAME: "eth0", CNI_NETNS: "/n" };
  const ipam = { type: "berth", subnet: "10.128.0.0/18" };
  const config = { cniVersion: "1.0.0", name: "many", ipam };
  disk.now = NOW + 59;
  const full = call(disk, { ...env, CNI_PATH: "/" }, config);
  expect(full.json.msg).toMatch(/no IP addresses available/);
  disk.now = NOW + 60;
  const first = cni(disk, "ADD", "a", "10.128.0.0/18");
  expect(first.address).toMatch(/^10\.128\./);
  expect(first.words).toBeLessThan(64 * 64);
}, 120_000);

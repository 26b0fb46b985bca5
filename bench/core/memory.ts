// Memory and snapshots: 100,000 pools in one process; a full /16 beside the peers in JavaScript;
// 10 M held addresses as bytes, written and read back beside plain bytes on the same disk.
import { spawnSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heapBytes } from "../../src/heap.ts";
import { createPool, Pool } from "../../src/index.ts";
import type { Aim } from "../method/aim.ts";
import { type Context, type Experiment, leftOut } from "../method/experiment.ts";
import { noDisk } from "../method/filesystem.ts";
import { collectGarbage } from "../method/garbage.ts";
import { medianOf, type Row, timed } from "../method/row.ts";
import { subjects, usable } from "./subjects.ts";

const suite = "core";

function manyPools(count: number): Row[] {
  collectGarbage();
  const before = { heap: heapBytes(), js: process.memoryUsage().heapUsed };
  const pools: Pool[] = [];
  for (let i = 0; i < count; i++) {
    const base = 0x0a000000 + i * 64;
    const text = `${base >>> 24}.${(base >>> 16) & 255}.${(base >>> 8) & 255}.${base & 255}/26`;
    const pool = createPool(text);
    pool.take();
    pools.push(pool);
  }
  collectGarbage();
  const heap = (heapBytes() - before.heap) / count;
  const js = (process.memoryUsage().heapUsed - before.js) / count;
  for (const pool of pools) pool.close();
  const what = `${count.toLocaleString("en-US")} pools of /26 in one process, each`;
  const row = { suite, table: "memory", what, unit: "bytes" } as const;
  return [
    { ...row, who: "in the shared memory", value: heap },
    { ...row, who: "in JavaScript", value: js },
  ];
}

/** Why its bytes are next to none. */
const ROARING_NOTE = "serialized size of its set of free ones, which is empty: no memory";

/** A full /16 in Berth and in each peer: what an address takes, without owners. */
async function fullPools({ peers, install }: Context): Promise<Row[]> {
  const space = usable(16);
  const count = space.last - space.first + 1;
  const what = `${count.toLocaleString("en-US")} held addresses, a full /16, without owners`;
  const rows: Row[] = [];
  for (const one of await subjects(peers, install)) {
    const head = { suite, table: "memory", what, who: one.who };
    if ("missing" in one) {
      rows.push(leftOut(head, one.missing));
      continue;
    }
    const subject = one.make(space);
    subject.occupy(count);
    const bytes = subject.bytes();
    subject.close();
    const row: Row = { ...head, unit: "KiB", value: bytes / 1024, bytesPerAddress: bytes / count };
    rows.push(one.who.startsWith("roaring") ? { ...row, note: ROARING_NOTE } : row);
  }
  return rows;
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "w");
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
  fdatasyncSync(fd);
  closeSync(fd);
}

/** Drops the file from the page cache, so that reading it asks the disk. false: it can't be. */
function forget(path: string): boolean {
  if (noDisk()) return false;
  return spawnSync("dd", [`if=${path}`, "iflag=nocache", "count=0"]).status === 0;
}

/** Write and read back, a pool's snapshot and plain bytes of its length by turns. */
function snapshots(what: string, pool: Pool, rounds: number): Row[] {
  const path = join(tmpdir(), `berth-bench-snapshot-${process.pid}`);
  const times = { write: [] as number[], plainWrite: [] as number[] };
  const reads = { read: [] as number[], plainRead: [] as number[] };
  const clock = (into: number[], work: () => void) => {
    const begin = process.hrtime.bigint();
    work();
    into.push(Number(process.hrtime.bigint() - begin));
  };
  let length = 0;
  let from = "";
  try {
    for (let i = 0; i < rounds; i++) {
      const plain = pool.toBytes();
      length = plain.length;
      clock(times.plainWrite, () => writeWhole(path, plain));
      const cold = forget(path);
      from = cold ? "disk" : "page cache";
      clock(reads.plainRead, () => void readFileSync(path));
      clock(times.write, () => writeWhole(path, pool.toBytes()));
      forget(path);
      let copy: Pool | undefined;
      clock(reads.read, () => {
        copy = Pool.fromBytes(readFileSync(path));
      });
      if (copy!.used !== pool.used) throw new Error("the copy holds something else");
      copy!.close();
    }
  } finally {
    rmSync(path, { force: true });
  }
  const rows = (verb: string, plain: number[], own: number[]): Row[] => {
    const share = medianOf(plain.map((ns, round) => ns / own[round]!));
    const row = { suite, table: "snapshots", unit: "ms" } as const;
    const text = `${what}: ${verb} ${(length / 1e6).toFixed(2)} MB`;
    const ms = (list: number[]) => timed(list.map((ns) => ns / 1e6));
    const aim: Aim = { text: ">= 0.7 x", of: "ratio", least: 0.7 };
    return [
      {
        ...row,
        what: text,
        who: "Berth",
        ...ms(own),
        ratio: share,
        beside: "of plain bytes' speed",
        aim,
      },
      { ...row, what: text, who: "plain bytes", ...ms(plain) },
    ];
  };
  return [
    ...rows("write", times.plainWrite, times.write),
    ...rows(`read back from ${from}`, reads.plainRead, reads.read),
  ];
}

async function run(context: Context): Promise<Row[]> {
  const { quick } = context;
  const held = quick ? 100_000 : 10_000_000;
  const before = heapBytes();
  using pool = createPool("10.0.0.0/8");
  pool.takeMany(new Uint32Array(held));
  const bytes = heapBytes() - before;
  return [
    ...manyPools(quick ? 1000 : 100_000),
    {
      suite,
      table: "memory",
      what: `${held.toLocaleString("en-US")} held addresses of a /8, without owners`,
      who: "Berth",
      unit: "MB",
      value: bytes / 1e6,
      bytesPerAddress: bytes / held,
    },
    ...(await fullPools(context)),
    ...snapshots(`${held.toLocaleString("en-US")} held in a /8`, pool, quick ? 3 : 15),
  ];
}

/** The peers in JavaScript. */
const prepare = async ({ peers, install }: Context) => install && subjects(peers, true);

export const memory: Experiment = { suite, name: "memory and snapshots", prepare, run };

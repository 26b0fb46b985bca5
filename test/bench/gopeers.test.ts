// The work that all peers of the bench share: the numbers are drawn and hashed as written, Berth
// gives the slots that the plainest allocator gives, and what goes wrong with Go is told by name.
// With BERTH_BENCH_GO=1 the programs in Go are built (the network and minutes) and checked as well.
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { goRows } from "../../bench/core/gorows.ts";
import type { Context } from "../../bench/method/experiment.ts";
import { berthAllocator } from "../../bench/peers/berth.ts";
import { type GoOptions, goPeers } from "../../bench/peers/go.ts";
import { GoRun } from "../../bench/peers/gorun.ts";
import {
  expectedHash,
  hashOf,
  plainAllocator,
  ROWS,
  random,
  rowOf,
  Sequence,
} from "../../bench/peers/sequence.ts";
import { TookTooLong } from "../../bench/peers/waiting.ts";
import { packageRoot } from "../../src/wasm.ts";

const SEED = 20_261_121;

describe("the rows' work", () => {
  it("draws xorshift64* and hashes FNV-1a of decimal text", () => {
    const numbers = random(1n);
    // Worked out apart: python's integers, cut to 64 bits.
    expect([0, 1, 2].map(() => numbers.next().value)).toEqual([
      5180492295206395165n,
      12380297144915551517n,
      13389498078930870103n,
    ]);
    expect(hashOf([1, 20, 300])).toBe("ded41cfb9e688d5f");
    expect(hashOf([])).toBe("cbf29ce484222325");
  });

  it("is answered by Berth with the slots of the plainest allocator, in every row", () => {
    for (const row of ROWS) {
      const sequence = new Sequence(row, SEED, 300);
      using berth = berthAllocator(row);
      sequence.fill(berth);
      const hash = sequence.proceed(berth, true);
      expect([row.name, hash]).toEqual([row.name, expectedHash(row, SEED, 300, true)]);
      sequence.round(berth);
    }
  });

  it("is seen to be done wrongly: a slot twice, a slot outside, another order", () => {
    const row = rowOf("churn-24@50");
    const run = (allocate: (right: number) => number) => {
      const plain = plainAllocator(row);
      const wrong = { allocate: () => allocate(plain.allocate()), release: plain.release };
      const sequence = new Sequence(row, SEED, 50);
      sequence.fill(wrong);
      return sequence.proceed(wrong, true);
    };
    expect(() => run(() => 7)).toThrow("slot 7 was given while it was held");
    expect(() => run((slot) => slot % 127)).toThrow("slot 0 was given, usable are 1 to 254");
    expect(run((slot) => slot)).toBe(expectedHash(row, SEED, 50, true));
    expect(run((slot) => slot)).not.toBe(expectedHash(row, SEED + 2, 50, true));
  });
});

describe("peers in Go that aren't there", () => {
  let dir = "";
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "berth-gopeers-"));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** A go that answers `version` and does as told for a build. */
  function fakeGo(name: string, build: string): GoOptions {
    const go = join(dir, name);
    const version = "if [ $1 = version ]; then echo go version go1.99 test; exit; fi";
    writeFileSync(go, `#!/bin/sh\n${version}\nwhile [ $1 != -o ]; do shift; done\n${build}\n`);
    chmodSync(go, 0o755);
    return { go, out: join(dir, `out-${name}`), buildMs: 2000 };
  }
  const errors = async (options: GoOptions) => {
    const peers = await goPeers(options);
    expect(peers.map(({ peer }) => peer)).toEqual(NAMES);
    return peers.map((peer) => ("error" in peer ? peer.error : "none"));
  };

  const all = (why: string) => NAMES.map(() => why);

  it("are named when Go isn't installed", async () => {
    expect(await errors({ go: join(dir, "nowhere") })).toEqual(all("go isn't installed"));
  });

  it("are named with what the build said, less the hosts", async () => {
    const said =
      'go: a@v1: Get \\"https://modules.example/a\\": dial tcp: lookup modules.example: no such host\\n\\tserver: gone';
    const options = fakeGo("offline", `printf "downloading b\\n${said}\\n" >&2; exit 1`);
    const why =
      "go build: go: a@v1: Get the module proxy: dial tcp: lookup a host: no such host server: gone";
    expect(await errors(options)).toEqual(all(why));
  });

  it("are named when Go's checksum database doesn't know a module", async () => {
    const said =
      "go: b@v2: verifying module: b@v2: reading https://modules.example/sumdb/lookup/b@v2: 404 Not Found";
    const options = fakeGo("unknown", `echo "${said}" >&2; exit 1`);
    const why =
      "go build: go: b@v2: verifying module: b@v2: reading the module proxy 404 Not Found";
    expect(await errors(options)).toEqual(all(why));
  });

  it("are named when the build takes too long", async () => {
    const options = { ...fakeGo("slow", "exec sleep 60"), buildMs: 200 };
    expect(await errors(options)).toEqual(all("go build: took over 0.2 s"));
  });

  it("don't hide one that is: each has its own build, made once", async () => {
    const list = '{"peer":"go-ipam","version":"v9","rows":[],"left":[]}';
    const program = `printf "#!/bin/sh\\necho '${list.replaceAll('"', '\\"')}'\\n" > $2`;
    const options = fakeGo(
      "partly",
      `echo $2 >> ${dir}/built\ncase $2 in *goipam) ${program}; chmod +x $2;; *) exit 3;; esac`,
    );
    const peers = await goPeers(options);
    expect(peers[2]).toEqual({ peer: "go-ipam", version: "v9", rows: [], left: [] });
    expect(peers.filter((peer) => "error" in peer)).toHaveLength(3);
    const again = await goPeers({ ...options, go: fakeGo("partly", "exit 3").go! });
    expect(again[2]).toEqual(peers[2]);
  });

  /** A program that is there in the place of go-ipam's. */
  function fakeProgram(name: string, script: string) {
    const out = join(dir, `program-${name}`);
    mkdirSync(out);
    writeFileSync(join(out, "goipam"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return new GoRun({ peer: "go-ipam", row: "fill-24", seed: 1, operations: 1, out, ms: 2000 });
  }

  it("have as many rounds in a turn as they are asked for, and wait between turns", async () => {
    const run = fakeProgram(
      "turns",
      'n=0; while read k; do n=$((n + k)); echo "[$n, $k]"; done; echo "{\\"held\\": $n}"',
    );
    expect(await run.turn(3)).toEqual([3, 3]);
    expect(await run.turn(4)).toEqual([7, 4]);
    expect(await run.end()).toEqual({ held: 7 });
  });

  it("are errors to run, with their last words", async () => {
    const order = { peer: "go-ipam", row: "fill-24", seed: 1, operations: 1 };
    const none = new GoRun({ ...order, out: join(dir, "none") });
    await expect(none.turn(1)).rejects.toThrow("go-ipam, fill-24: not built yet");
    expect(() => new GoRun({ ...order, peer: "Cilium" })).toThrow("Cilium: no such peer in Go");
    const full = fakeProgram("full", "echo 'go-ipam: it is full' >&2; exit 1");
    await expect(full.turn(1)).rejects.toThrow("go-ipam, fill-24: go-ipam: it is full");
    const short = fakeProgram("short", "read k; echo '[1]'");
    expect(await short.turn(1)).toEqual([1]);
    await expect(short.turn(1)).rejects.toThrow("go-ipam, fill-24: it ended before its answer");
  });

  it("are told to be too slow when a run takes too long", async () => {
    const run = fakeProgram("hangs", "exec sleep 60");
    const error = await run.turn(1).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TookTooLong);
    expect((error as Error).message).toBe("took over 2 s");
  });
});

describe("rows of peers in Go", () => {
  const row = rowOf("churn-24@50");
  const dir = mkdtempSync(join(tmpdir(), "berth-gorows-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const context: Context = {
    quick: false,
    seed: SEED,
    peers: true,
    install: false,
    operations: 0,
    turn: 1,
    pass: 0,
  };
  const can = { row: row.name, policy: "first", common: true };
  const own = { name: "Berth", operations: 2000, run: () => {}, hash: () => "own" };

  it("are of turns between Berth's, in the order of the peers; one that hangs is named", async () => {
    const hash = expectedHash(row, SEED, 50, true);
    const end = `{\\"hash\\": \\"${hash}\\", \\"bytes\\": 254, \\"held\\": 127}`;
    const rounds = 'while [ $n -lt $k ]; do n=$((n + 1)); l="$l,9e6"; done';
    const works = `while read k; do n=1; l=9e6; ${rounds}; echo "[$l]"; done; echo "${end}"`;
    writeFileSync(join(dir, "goipam"), `#!/bin/sh\n${works}\n`, { mode: 0o755 });
    writeFileSync(join(dir, "calico"), "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
    const left = [{ row: row.name, reason: "it can't" }];
    const peers = [
      { peer: "Kubernetes cidrset", version: "v1", rows: [], left },
      { peer: "Calico", version: "v2", rows: [{ ...can, operationsMax: 250 }], left: [] },
      { peer: "go-ipam", version: "v3", rows: [{ ...can, operationsMax: 90 }], left: [] },
      { peer: "Kubernetes services", error: "go build: no" },
    ];
    const head = { suite: "core", table: "t", what: "w" };
    const rows = await goRows(head, row.name, { bare: own }, 1000, context, {
      peers,
      out: dir,
      ms: 1500,
    });
    expect(rows.map(({ who, missing }) => [who, missing])).toEqual([
      ["Berth, by turns with Go", undefined],
      ["Kubernetes cidrset v1", "it can't"],
      ["Calico v2", "a run took over 1.5 s"],
      ["go-ipam v3", undefined],
      ["Kubernetes services (Go)", "go build: no"],
    ]);
    const found = rows[3]!;
    expect(found).toMatchObject({ note: "50 releases a round", beside: rows[0]!.who });
    expect(found.figures).toMatchObject({ median: 9e6, max: 9e6 });
    expect(found.ratio).toBeGreaterThan(1);
    expect(found).not.toHaveProperty("hash");
  });
});

const NAMES = ["Kubernetes cidrset", "Kubernetes services", "go-ipam", "Calico"];

const asked = process.env.BERTH_BENCH_GO === "1";
const why = asked ? "" : " (skipped: needs BERTH_BENCH_GO=1, the network and minutes)";

describe.runIf(asked)(`peers in Go${why}`, () => {
  it("build, and give the slots that Berth gives", { timeout: 1_200_000 }, async () => {
    for (const peer of await goPeers()) {
      if ("error" in peer) throw new Error(`${peer.peer}: ${peer.error}`);
      expect(peer.version).toMatch(/^v\d+\.\d+\.\d+(\+[0-9a-f]{12})?$/);
      const rows = [...peer.rows, ...peer.left].map(({ row }) => row);
      expect(rows.sort()).toEqual(ROWS.map(({ name }) => name).sort());
      for (const { row, common, operationsMax } of peer.rows) {
        const operations = Math.min(operationsMax ?? 1000, 1000);
        const run = new GoRun({ peer: peer.peer, row, seed: SEED, operations });
        await run.turn(1);
        const done = await run.end();
        const hash = expectedHash(rowOf(row), SEED, operations, common);
        expect({ peer: peer.peer, row, hash: done.hash }).toEqual({ peer: peer.peer, row, hash });
        expect(done.ns[0]).toBeGreaterThan(0);
        expect(done.bytes).toBeGreaterThan(0);
      }
    }
  });

  it("stand on a store in memory that keeps to its contract", { timeout: 600_000 }, async () => {
    const cwd = join(packageRoot(), "bench/peers/go/calico");
    const { stdout } = await promisify(execFile)("go", ["test", "-mod=readonly", "."], { cwd });
    expect(stdout).toMatch(/^ok/);
  });
});

// readIpam, and openIpam for one call, again and again: those that come one after another share a
// memory, and none shows what another one had.
import { closeSync, fstatSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openIpam } from "../../src/ipam/ipam.ts";
import { readIpam } from "../../src/ipam/reader.ts";
import { codes, removeSpaces, space, used } from "./ipamspace.ts";

afterAll(removeSpaces);

/** A closed directory with so many owners, of this name. */
function made(count: number, name: string): string {
  const path = space();
  using ipam = openIpam(path, { sync: "never" });
  ipam.pool("10.0.0.0/16", { name, cooldown: 60 });
  for (let n = 0; n < count; n++) ipam.allocate({ owner: `${name}-${n}`, pools: [name] });
  return path;
}

/** Owners and addresses, pools, and that the copy is sound. */
function seen(path: string): [string[], (string | undefined)[]] {
  using copy = readIpam(path);
  expect(copy.check()).toEqual([]);
  const held = [...copy].map(({ owner, addresses }) => `${owner} ${addresses}`);
  return [held, copy.pools().map((pool) => pool.name)];
}

const expected = (count: number, name: string) => [
  Array.from({ length: count }, (_, n) => `${name}-${n} 10.0.${n >> 8}.${n & 255}`),
  [name],
];

/** How many memories 50 calls of `work` make. */
function memories(work: () => void): number {
  const { Memory } = WebAssembly;
  let count = 0;
  WebAssembly.Memory = new Proxy(Memory, {
    construct: (made, [size]) => {
      count++;
      return new made(size);
    },
  });
  try {
    for (let n = 0; n < 50; n++) work();
  } finally {
    WebAssembly.Memory = Memory;
  }
  return count;
}

describe("copies one after another", () => {
  it("take one memory, however many there are", () => {
    const path = made(300, "pods");
    expect(memories(() => expect(seen(path)).toEqual(expected(300, "pods")))).toBe(1);
  });

  it("show each its own directory: a small one after a large one, a changed one, none", () => {
    const [large, small] = [made(3000, "large"), made(2, "small")];
    for (let n = 0; n < 2; n++) {
      expect(seen(large)).toEqual(expected(3000, "large"));
      expect(seen(small)).toEqual(expected(2, "small"));
      expect(codes(() => readIpam(`${small}/none`))[0]).toBe("notFound");
    }
    using ipam = openIpam(small, { sync: "never" });
    ipam.release("small-0");
    ipam.close();
    using copy = readIpam(small);
    expect([...copy].map((each) => each.owner)).toEqual(["small-1"]);
    expect(copy.explain("10.0.0.0").state).toBe("cooling");
  });

  it("that couldn't be made close nothing that somebody has opened since", () => {
    const [good, torn] = [made(2, "good"), made(300, "torn")];
    truncateSync(join(torn, "berth.state"), 8192);
    expect(codes(() => readIpam(torn))[0]).toBe("io");
    const mine = [0, 1, 2].map(() => openSync(join(good, "berth.log"), "r"));
    expect(seen(good)).toEqual(expected(2, "good"));
    expect(mine.map((fd) => fstatSync(fd).isFile())).toEqual([true, true, true]);
    for (const fd of mine) closeSync(fd);
  });

  it("don't mix: two at a time, an iteration and a pool of one that was closed", () => {
    const [a, b] = [made(3, "a"), made(3, "b")];
    const first = readIpam(a);
    using second = readIpam(b);
    expect(first.find({ owner: "a-1" })?.addresses).toEqual(["10.0.0.1"]);
    expect(first.find({ owner: "b-1" })).toBe(undefined);
    const left = first.allocations();
    left.next();
    const [pool] = first.pools();
    first.close();
    using third = readIpam(b);
    expect(codes(() => left.next())[0]).toBe("closed");
    expect(codes(() => pool!.used)[0]).toBe("closed");
    expect(codes(() => first.stats())[0]).toBe("closed");
    first.close();
    using fourth = readIpam(a);
    expect(third.find({ owner: "b-2" })).toEqual(second.find({ owner: "b-2" }));
    expect(fourth.find({ owner: "a-2" })?.addresses).toEqual(["10.0.0.2"]);
    expect([third.check(), fourth.check()]).toEqual([[], []]);
  });
});

describe("openings for one call, one after another,", () => {
  it("take one memory, and each sees its own directory as it is", () => {
    const [large, small] = [made(3000, "large"), made(2, "small")];
    const lock = "per-call";
    let n = 2;
    const work = () => {
      used(large, (ipam) => expect(ipam.stats().allocations).toBe(3000), { lock });
      using ipam = openIpam(small, { lock });
      expect(ipam.stats().allocations).toBe(n);
      const { addresses } = ipam.allocate({ owner: `small-${n}`, pools: ["small"] });
      expect(addresses).toEqual([`10.0.0.${n++}`]);
    };
    expect(memories(work)).toBe(1);
    expect(seen(small)).toEqual(expected(52, "small"));
    expect(seen(large)).toEqual(expected(3000, "large"));
  });

  it("go on after one that found damage, and beside one that is open", () => {
    const [whole, broken] = [made(3, "whole"), made(3, "broken")];
    writeFileSync(join(broken, "berth.state"), "BERTH");
    const lock = "per-call";
    using beside = openIpam(whole, { lock });
    expect(codes(() => openIpam(broken, { lock }))[0]).toBe("damaged");
    used(whole, (ipam) => expect(ipam.find({ owner: "whole-2" })).toBeDefined(), { lock });
    expect(codes(() => openIpam(broken, { lock }))[0]).toBe("damaged");
    expect(beside.find({ owner: "whole-2" })?.addresses).toEqual(["10.0.0.2"]);
    expect(codes(() => readIpam(broken))[0]).toBe("damaged");
    expect(seen(whole)).toEqual(expected(3, "whole"));
  });
});

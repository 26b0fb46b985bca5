// readIpam again and again: copies that are read one after another share a memory, and none shows
// what another one had.
import { afterAll, describe, expect, it } from "vitest";
import { openIpam } from "../../src/ipam/ipam.ts";
import { readIpam } from "../../src/ipam/reader.ts";
import { codes, removeSpaces, space } from "./ipamspace.ts";

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

describe("copies one after another", () => {
  it("take one memory, however many there are", () => {
    const path = made(300, "pods");
    const { Memory } = WebAssembly;
    let memories = 0;
    WebAssembly.Memory = new Proxy(Memory, {
      construct: (made, [size]) => {
        memories++;
        return new made(size);
      },
    });
    try {
      for (let n = 0; n < 50; n++) expect(seen(path)).toEqual(expected(300, "pods"));
      expect(memories).toBe(1);
    } finally {
      WebAssembly.Memory = Memory;
    }
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

// How the image of an exclusive Ipam grows: in large steps, since every caller waits for one; in
// small ones where the disk has no room for a large one.
import { fstatSync, readlinkSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { openIpamAround } from "../../src/ipam/ipam.ts";
import { refusal, removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const ENOSPC = 28;
const MIB = 1 << 20;
const SMALL = 1 << 18;

/** Opens an Ipam whose berth.state may have `room` bytes; hears to which lengths it has grown. */
function opened(path: string, room: number) {
  const grown: number[] = [];
  const between = (imports: Record<string, (...values: number[]) => unknown>) => ({
    allocate: (handle: number, length: number) => {
      const isState = readlinkSync(`/proc/self/fd/${handle}`).endsWith("berth.state");
      if (isState && length > room) return -ENOSPC;
      const status = imports.allocate!(handle, length) as number;
      if (isState && status === 0) grown.push(fstatSync(handle).size);
      return status;
    },
  });
  return { ipam: openIpamAround(path, { sync: "never" }, { between }), grown };
}

describe("the image of an exclusive Ipam", () => {
  it("grows by a mebibyte at least, and by a quarter when it is large", () => {
    const { ipam, grown } = opened(space(), 2 ** 30);
    const pool = ipam.pool("10.0.0.0/8");
    for (let n = 0; n < 60_000; n++) ipam.allocate({ owner: `o${n}`, pools: [pool] });
    const steps = grown.slice(1).map((length, n) => length - grown[n]!);
    expect(steps.length).toBeGreaterThan(3);
    expect(Math.min(...steps)).toBe(MIB);
    expect(steps.at(-1)).toBe(Math.ceil(grown.at(-2)! / 4 / 65536) * 65536);
    ipam.close();
  });

  it("fills a disk that has no room for a large step with small ones", async () => {
    const path = space();
    const room = 3 * MIB;
    const { ipam, grown } = opened(path, room);
    const pool = ipam.pool("10.0.0.0/8");
    let count = 0;
    const error = refusal(() => {
      for (; ; count++) ipam.allocate({ owner: `o${count}`, pools: [pool] });
    });
    expect(error.code).toBe("noSpace");
    expect(room - grown.at(-1)!).toBeLessThan(SMALL);
    expect(ipam.check()).toEqual([]);
    expect(ipam.stats().allocations).toBe(count);
    ipam.close();
    await sound(path);
  });
});

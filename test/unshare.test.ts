// Page faults of a call, told without a kernel: the pages of berth.state that a commit changes, and
// those that the core took for writing before it looked at them (assembly/records/unshare.ts).
import { describe, expect, it } from "vitest";
import { call, Disk } from "./support/memoryhost.ts";

const CONFIG = {
  cniVersion: "1.1.0",
  name: "n",
  ipam: {
    type: "berth",
    dataDir: "/d",
    ranges: [[{ subnet: "10.1.0.0/16" }], [{ subnet: "2001:db8::/64" }]],
  },
};

/** One call: the pages that it changed, and those of them that it hadn't unshared. */
function pages(disk: Disk, verb: "ADD" | "DEL", id: string) {
  const state = disk.names.get("berth.state");
  if (state) state.dirty = new Set();
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: id,
    CNI_IFNAME: "eth0",
    CNI_NETNS: "/x",
    CNI_PATH: "/x",
  };
  const { status, unshared } = call(disk, env, CONFIG);
  expect(status).toBe(0);
  const changed = [...disk.names.get("berth.state")!.dirty!].sort((a, b) => a - b);
  return { changed, late: changed.filter((page) => page !== 0 && !unshared.has(page)) };
}

function holding(count: number): Disk {
  const disk = new Disk();
  for (let i = 0; i < count; i++) pages(disk, "ADD", `held-${i}`);
  return disk;
}

describe("a call that changes the image", () => {
  it("changes three pages of a young network: header, blocks, recorder", () => {
    const disk = holding(1);
    pages(disk, "DEL", "held-0");
    for (let i = 0; i < 20; i++) {
      expect(pages(disk, "ADD", `pod-${i}`).changed).toHaveLength(3);
      expect(pages(disk, "DEL", `pod-${i}`).changed).toHaveLength(3);
    }
  });

  it("unshares what it will change before it looks at it, all but the cell of a new record", () => {
    const disk = holding(1000);
    const late = { ADD: 0, DEL: 0 };
    for (let i = 0; i < 40; i++) {
      late.ADD = Math.max(late.ADD, pages(disk, "ADD", `pod-${i}`).late.length);
      late.DEL = Math.max(late.DEL, pages(disk, "DEL", `pod-${i}`).late.length);
    }
    expect(late).toEqual({ ADD: 1, DEL: 0 });
  });
});

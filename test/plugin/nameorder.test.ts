// Two containers of one pod name, and a reboot that keeps both: which of them is the newer one is
// told by their commits, not by where their records lie.
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";

describe.each(clockHosts)("$name", ({ world }) => {
  let node: World;
  beforeAll(buildClock);
  afterEach(() => node.end());

  test("after a reboot that keeps containers a late DEL of the older one leaves the name to the newer", async () => {
    node = world();
    const config = {
      cniVersion: "1.0.0",
      name: "net",
      ipam: {
        type: "berth",
        dataDir: node.dir,
        reboot: "keep",
        reserve: { for: "1h", pods: "all" },
        ranges: [[{ subnet: "10.1.2.0/24" }]],
      },
    };
    const add = async (id: string, pod: string) =>
      (await node.cni("ADD", id, config, pod)).json.ips[0].address as string;
    // The newer one's record takes the place of the one before the older one's.
    await add("first", "default/other-0");
    const older = await add("older", "default/web-0");
    const gone = { ...config, ipam: { ...config.ipam, reserve: undefined } };
    await node.cni("DEL", "first", gone);
    const newer = await add("newer", "default/web-0");
    expect(newer).not.toBe(older);
    node.reboot(10);
    await node.cni("DEL", "older", config, "default/web-0");
    await node.cni("DEL", "newer", config, "default/web-0");
    expect(await add("again", "default/web-0")).toBe(newer);
  });
});

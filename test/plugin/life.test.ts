// An address's life on a clock of the test's own, through the plugin on both hosts: each promise of
// docs/LIFE.md is a test here. (What happens over a reboot: lifeboot.test.ts.)
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildClock, clockHosts, SECOND, type World } from "../support/clock.ts";

beforeAll(buildClock, 120_000);

describe.each(clockHosts)("$name", ({ world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(() => w.end());

  const net = (ipam: object, subnet = "10.9.0.0/29") => ({
    cniVersion: "1.0.0",
    name: "life",
    ipam: { type: "berth", subnet, dataDir: w.dir, ...ipam },
  });
  /** ADD: the addresses without their lengths, or the error's code. */
  const add = async (config: object, id: string, pod?: string): Promise<string | number> => {
    const { status, json } = await w.cni("ADD", id, config, pod);
    if (status !== 0) return json.code;
    return json.ips.map((ip: { address: string }) => ip.address.replace(/\/.*/, "")).join(" ");
  };
  const del = async (config: object, id: string, pod?: string) =>
    expect((await w.cni("DEL", id, config, pod)).text).toBe("");

  test("what cools goes by CLOCK_BOOTTIME: the wall clock may jump either way", async () => {
    const config = net({ cooldown: "1h", policy: "first" });
    expect(await add(config, "a")).toBe("10.9.0.2");
    await del(config, "a");
    w.real += 86_400n * SECOND;
    expect(await add(config, "b")).toBe("10.9.0.3");
    w.real -= 999_999n * SECOND;
    expect(await add(config, "c")).toBe("10.9.0.4");
    w.boot += 3_601n * SECOND;
    expect(await add(config, "d")).toBe("10.9.0.2");
  });
});

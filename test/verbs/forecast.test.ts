// `berth forecast`: what ends when. Reservations are made by the library beside the plugin.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openIpam } from "../../src/ipam/ipam.ts";
import { berths } from "../plugin/support/binaries.ts";
import { Caller } from "../plugin/support/caller.ts";
import { type Plugin, pluginOf } from "../plugin/support/plugin.ts";
import { folder, homeOf, type Network, network, removeAll } from "../plugin/support/space.ts";
import { buildClock, clockHosts, SECOND } from "../support/clock.ts";
import { berth, lines, told } from "./support.ts";

afterAll(removeAll);

const DAY = 86_400;

describe.each(berths)("$name: forecast", (binary) => {
  let caller: Caller;
  let p: Plugin;
  let n: Network;
  let dir: string;

  beforeEach(() => {
    caller = Caller.start(8);
    p = pluginOf(caller, binary);
    n = network(folder(), [[{ subnet: "10.5.0.0/24" }]], { cooldown: "2h" });
    dir = n.ipam.dataDir;
  });
  afterEach(() => caller.close());

  const reserve = (ttls: number[]) => {
    const ipam = openIpam(homeOf(n), { lock: "per-call" });
    const pool = ipam.pool("10.5.0.0/24");
    for (const [i, ttl] of ttls.entries())
      ipam.reserve(`shop/web-${i}`, { pools: [pool], addresses: [`10.5.0.${20 + i}`], ttl });
    ipam.close();
  };

  it("rounds large numbers of addresses to a tenth of a power of two", async () => {
    const sets: [object, string][] = [
      [{ subnet: "fd00::/48", exclude: ["fd00::/64"] }, "2^80"],
      [{ subnet: "fd01::/64", exclude: ["fd01::8000:0:0:0/66"] }, "1.5*2^63"],
      [{ subnet: "fd02::/64", exclude: ["fd02::8000:0:0:0/65"] }, "2^63"],
    ];
    await p.given({ ...n, ipam: { ...n.ipam, ranges: sets.map(([range]) => [range]) } }, "a");
    const text = lines(berth(binary, "forecast", "--data-dir", dir).out);
    for (const [i, [, size]] of sets.entries()) {
      const states = "1 held, 0 reserved, 0 cooling";
      expect(text).toContain(`set ${i}: ${size} addresses: ${states}, ${size} free`);
    }
  });

  it("lists the reservations that end next in their order, then how many on each day", async () => {
    await p.given(n, "a");
    reserve([3 * DAY + 60, 600, Number.POSITIVE_INFINITY, 90 * DAY, 7200, 3 * DAY + 90]);
    const said = berth(binary, "forecast", "--data-dir", dir, "--next", "2");
    expect([said.status, said.err]).toEqual([0, ""]);
    const text = lines(said.out);
    expect(text[1]).toBe("set 0: 253 addresses: 1 held, 6 reserved, 0 cooling, 246 free");
    const rows = text.filter((line) => line.startsWith("shop/")).map((line) => line.split(/ +/));
    expect(rows.map((row) => row[0])).toEqual(["shop/web-1", "shop/web-4"]);
    expect(rows[0]![3]).toMatch(/^(10m|9m5\ds)$/);
    expect(text).toContain("2 more within day 4");
    expect(text).toContain("1 more after 14 days");
    expect(text).toContain("1 never end");
    const [net] = told(binary, "forecast", "--data-dir", dir, "--next", "3");
    const told_ = net!.reservations as {
      next: { name: string; until: string }[];
      moreByDay: number[];
    };
    expect(told_.next.map((one) => one.name)).toEqual(["shop/web-1", "shop/web-4", "shop/web-0"]);
    expect(Date.parse(told_.next[1]!.until) - Date.now()).toBeGreaterThan(7_190_000);
    expect(told_.moreByDay[3]).toBe(1);
    expect(told_).toMatchObject({ never: 1 });
  });

  it("tells how many addresses cool and how long the last of them does", async () => {
    for (const id of ["a", "b", "c"]) await p.given(n, id);
    for (const id of ["a", "b"]) await p.gone(n, id);
    const said = berth(binary, "forecast", "--data-dir", dir);
    expect(said.out).toMatch(/cooling: 2 addresses, the last of them free in (2h|1h59m)\n/);
    expect(said.out).toContain("no reservations");
    const [net] = told(binary, "forecast", "--data-dir", dir);
    expect((net!.cooling as { addresses: number }).addresses).toBe(2);
  });

  it("passes over reservations whose time is over", async () => {
    await p.given(n, "a");
    reserve([1]);
    await new Promise((done) => setTimeout(done, 2100));
    const said = berth(binary, "forecast", "--data-dir", dir);
    expect(said.out).toContain("no reservations");
    const [net] = told(binary, "forecast", "--data-dir", dir);
    expect(net!.reservations).toMatchObject({ next: [], moreByDay: Array(15).fill(0), never: 0 });
  });

  it("counts what is due already as free", async () => {
    const short = { ...n, ipam: { ...n.ipam, cooldown: 1 } };
    for (const id of ["a", "b"]) await p.given(short, id);
    await p.gone(short, "a");
    await new Promise((done) => setTimeout(done, 2100));
    const said = berth(binary, "forecast", "--data-dir", dir);
    expect(said.out).toContain("set 0: 253 addresses: 1 held, 0 reserved, 0 cooling, 252 free");
    expect(said.out).not.toContain("cooling: ");
  });

  it("refuses a --next that is no number", () => {
    expect(berth(binary, "forecast", "--next", "many").status).toBe(2);
  });
});

describe.each(clockHosts)("$name: the pace of forecast", ({ world }) => {
  beforeAll(buildClock, 120_000);

  it("tells when nothing is free at the pace of the history, since the last reboot", async () => {
    const w = world();
    const ipam = { type: "berth", dataDir: w.dir, ranges: [[{ subnet: "10.5.0.0/24" }]] };
    const config = { cniVersion: "1.0.0", name: "net", ipam };
    const add = async (ids: string[]) => {
      for (const id of ids) expect((await w.cni("ADD", id, config)).status).toBe(0);
    };
    const ids = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => `c${from + i}`);
    const forecast = async () => (await w.verb(["forecast", "--data-dir", w.dir])).text;
    try {
      await add(ids(0, 10));
      expect(await forecast()).toContain("too little history");
      w.pass(3600);
      await add(ids(10, 25));
      for (const id of ids(0, 5)) await w.cni("DEL", id, config);
      // 20 more in an hour, 233 left: 11.65 hours
      expect(await forecast()).toMatch(
        /in the last 1h(\d+s)?, \+20: at this pace nothing is free in 11h(38|39)m/,
      );
      for (const years of [10, -20]) {
        w.real += BigInt(years * 31_536_000) * SECOND;
        expect(await forecast()).toMatch(
          /in the last 1h(\d+s)?, \+20: at this pace nothing is free/,
        );
      }
      for (const id of ids(5, 25)) await w.cni("DEL", id, config);
      expect(await forecast()).toMatch(/, \+?0: it doesn't run out/);
      w.reboot();
      await add(["again"]);
      expect(await forecast()).toContain("too little history");
    } finally {
      w.end();
    }
  });
});

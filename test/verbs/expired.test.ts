// The end of a reservation in the flight recorder: told with the time at which it was due, however
// late the next call comes: before that call, after it, and after a reboot.

import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import type { Told } from "./support.ts";

const HOUR = 3600;
/** Seconds by which two calls of one test may see the clocks turn. */
const SLACK = 3;

beforeAll(buildClock, 120_000);

describe.each(clockHosts)("$name: the end of a reservation", ({ name, world }) => {
  let w: World;
  beforeEach(() => {
    w = world();
  });
  afterEach(async () => {
    expect((await w.verb(["check", "--data-dir", w.dir])).text).not.toMatch(/fault/);
    w.end();
  });

  const net = (ipam: object = {}) => ({
    cniVersion: "1.1.0",
    name: "net",
    ipam: {
      type: "berth",
      ranges: [[{ subnet: "10.9.0.0/22" }]],
      reserve: { for: "1h", pods: "all" },
      dataDir: w.dir,
      ...ipam,
    },
  });
  /** ADD and DEL: the pod's name is reserved for an hour. */
  const leave = async (pod: string) => {
    for (const command of ["ADD", "DEL"])
      expect((await w.cni(command, `id-${pod}`, net(), `shop/${pod}`)).status).toBe(0);
  };
  const seconds = (time: unknown) => Date.parse(time as string) / 1000;
  const ask = async (verb: string, ...words: string[]) =>
    (await w.verb([verb, ...words, "--json", "--data-dir", w.dir])).json.networks[0];
  const history = async (...words: string[]): Promise<Told[]> =>
    (await ask("history", ...words)).events;
  const brief = (events: Told[]) => events.map((e) => `${e.event} ${e.name ?? e.expired}`);
  const text = async (...words: string[]) =>
    (await w.verb(["history", ...words, "--data-dir", w.dir])).text;
  /** How long after the reservation began its end is dated. */
  const lasted = (events: Told[]) => {
    const of = (what: string) => events.find((e) => e.event === what)!;
    return seconds(of("expired").time) - seconds(of("reserved").time);
  };
  const expectAnHour = (events: Told[]) =>
    expect(Math.abs(lasted(events) - HOUR)).toBeLessThanOrEqual(SLACK);

  it("is counted by no verb, nor is that of a cool-down, before anybody calls", async () => {
    await leave("web-0");
    const cooling = { ...net({ cooldown: 60 }), name: "net" };
    for (const command of ["ADD", "DEL"]) await w.cni(command, "anonymous", cooling);
    const counts = async () => {
      const { reservations, cooling: cool } = await ask("metrics");
      const sound = await w.verb(["check", "--data-dir", w.dir]);
      const to = ["export", "--host-local", `${w.dir}/out`];
      const out = await w.verb([...to, "--data-dir", w.dir]);
      const left = /(\d+) reservations and (\d+) cooling/.exec(out.text)?.slice(1) ?? ["0", "0"];
      const told = /(\d+) reservations?, (\d+) address(?:es)? cooling/.exec(sound.text)!.slice(1);
      return [[reservations, cool], told.map(Number), left.map(Number)];
    };
    expect(await counts()).toEqual(Array(3).fill([1, 1]));
    w.pass(61);
    expect(await counts()).toEqual(Array(3).fill([1, 0]));
    w.pass(HOUR);
    expect(await counts()).toEqual(Array(3).fill([0, 0]));
  });

  it("doesn't keep explain from telling what an ADD gets then: what is over, or has cooled", async () => {
    const few = net({ ranges: [[{ subnet: "10.9.0.0/29" }]], policy: "first", cooldown: 60 });
    const other = { ...few, ipam: { ...few.ipam, reserve: undefined } };
    for (let i = 0; i < 3; i++)
      expect((await w.cni("ADD", `c${i}`, few, `shop/web-${i}`)).status).toBe(0);
    expect((await w.cni("DEL", "c0", few, "shop/web-0")).status).toBe(0);
    expect((await w.cni("DEL", "c1", other)).status).toBe(0);
    const wants = async () => (await ask("explain", "shop/new")).addWouldGive;
    expect(await wants()).toEqual(["10.9.0.5"]);
    w.pass(61);
    expect(await wants()).toEqual(["10.9.0.3"]);
    w.pass(HOUR);
    expect(await wants()).toEqual(["10.9.0.2"]);
    const events = (await ask("explain", "shop/web-0")).events;
    expect(brief(events).filter((e: string) => e === "expired shop/web-0").length).toBe(1);
    const given = (await w.cni("ADD", "new", few, "shop/new")).json.ips;
    expect(given[0].address).toBe("10.9.0.2/29");
  });

  it("is told before anybody calls, by address, name and container, and in explain", async () => {
    await leave("web-0");
    await leave("web-1");
    w.pass(HOUR - 60);
    expect(brief(await history()).filter((e) => e.startsWith("expired"))).toEqual([]);
    w.pass(3 * HOUR);
    const one = ["given shop/web-0", "reserved shop/web-0", "expired shop/web-0"];
    for (const word of ["10.9.0.2", "shop/web-0", "id-web-0", "id-web-0x"]) {
      const events = await history(word);
      if (word === "id-web-0x") expect(events).toEqual([]);
      else expect([word, brief(events)]).toEqual([word, one]);
    }
    const all = await history();
    expect(brief(all).slice(4)).toEqual(["expired shop/web-0", "expired shop/web-1"]);
    expectAnHour(await history("shop/web-0"));
    expect(Object.keys(all[4]!)).toEqual(["time", "event", "addresses", "owner", "name"]);
    expect(await text("shop/web-0")).toMatch(/expired +10\.9\.0\.2 .*nobody has called since/);
    const { state, events } = await ask("explain", "10.9.0.2");
    expect([state, brief(events)[0]]).toEqual(["free", "expired shop/web-0"]);
  });

  it("keeps its time when a call notices it, and says when that was", async () => {
    await leave("web-0");
    w.pass(3 * HOUR);
    expect((await w.cni("ADD", "x", net(), "shop/x")).status).toBe(0);
    const events = await history("shop/web-0");
    expect(brief(events).at(-1)).toBe("expired shop/web-0");
    expectAnHour(events);
    const { number, time, noticed } = events.at(-1)!;
    expect(number).toBe(2);
    expect(Math.abs(seconds(noticed) - seconds(time) - 2 * HOUR)).toBeLessThanOrEqual(SLACK);
    expect(await text("shop/web-0")).toMatch(
      /expired +10\.9\.0\.2 .*(1h59m|2h) before the next call/,
    );
  });

  it("while the machine was down is told after the reboot, with its time", async () => {
    await leave("web-0");
    await leave("web-1");
    w.pass(HOUR / 2);
    await leave("db-0");
    w.reboot(HOUR - 60); // web-0 and web-1 are over, db-0 has a minute less than half an hour left
    expect((await w.cni("STATUS", "", net())).status).toBe(0);
    const events = await history();
    expect(brief(events).slice(6)).toEqual([
      "expired shop/web-0",
      "expired shop/web-1",
      "reboot 2",
    ]);
    expectAnHour(await history("shop/web-0"));
    expect(brief(await history("10.9.0.2")).at(-1)).toBe("expired shop/web-0");
    expect(await text()).toMatch(/reboot .*0 containers .*; reservations that were over: 2/);
    expect((await ask("explain", "shop/db-0")).records).toMatchObject([{ state: "reserved" }]);
  });

  if (name === "native")
    it("is told of 256, and of more their number: a fixed part of the recorder", async () => {
      for (let i = 0; i < 300; i++) await leave(`web-${i}`);
      w.pass(2 * HOUR);
      const ends = async () => brief(await history()).filter((e) => e.startsWith("expired"));
      expect((await ends()).length).toBe(256);
      expect(brief(await history("shop/web-299")).at(-1)).toBe("expired shop/web-299");
      w.reboot(60);
      expect((await w.cni("STATUS", "", net())).status).toBe(0);
      expect((await ends()).length).toBe(256);
      expect((await history()).at(-1)).toMatchObject({ event: "reboot", expired: 300 });
    });
});

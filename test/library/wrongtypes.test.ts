// What only a caller in JavaScript can get wrong: a wrong type is one IpamError "invalid" with the
// value, wherever it is passed, and never a TypeError from within or a wrong answer.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  attachIpam,
  createPool,
  createPrefixPool,
  createServicePool,
  type HistoryEvent,
  type Ipam,
  IpamError,
  openIpam,
  Pool,
  PrefixPool,
  readIpam,
  replayHistory,
  ServicePool,
  shareIpam,
} from "../../src/index.ts";
import { codes } from "./ipamspace.ts";

// biome-ignore lint/suspicious/noExplicitAny: this is what the test is about.
type Wrong = any;

const dir = mkdtempSync(join(tmpdir(), "berth-types-"));
let ipam: Ipam;
let pool: Pool;
let services: ServicePool;
const prefixes = createPrefixPool("10.0.0.0/16");

beforeAll(() => {
  ipam = openIpam(dir, { sync: "never" });
  ipam.pool("10.0.0.0/24", { name: "pods" });
  ipam.allocate({ owner: "base", name: "shop/web-0", pools: ["pods"] });
  pool = createPool("10.0.0.0/24");
  services = createServicePool("10.96.0.0/24");
  services.allocate({ name: "default/web" });
});
afterAll(() => {
  ipam.close();
  pool.close();
  services.close();
  rmSync(dir, { recursive: true });
});

/** No object, each of another kind. */
const FLAT: Wrong[] = [null, 30, Number.NaN, "30", true, 7n, Symbol("x"), () => 1];
/** What can't even be written into a text. */
const BARE: Wrong = Object.create(null);
const GIVEN: HistoryEvent = { what: "given", when: new Date(0), addresses: ["10.0.0.2"] };
const replay = (events: Wrong[]) => replayHistory(events, { prefixes: ["10.0.0.0/24"] });
const wish = { owner: "z", pools: ["pods"] };

const calls: [string, (value: Wrong) => unknown, Wrong[]][] = [
  ["hold(_, options)", (v) => pool.hold(undefined, v), FLAT],
  [
    "hold(_, { ttl })",
    (v) => pool.hold(undefined, { ttl: v }),
    [null, "30", 7n, Symbol("x"), BARE],
  ],
  ["Pool.fromBytes(_, options)", (v) => Pool.fromBytes(pool.toBytes(), v), FLAT],
  ["PrefixPool.fromBytes", (v) => PrefixPool.fromBytes(prefixes.toBytes(), v), FLAT],
  ["ServicePool.fromBytes", (v) => ServicePool.fromBytes(services.toBytes(), v), FLAT],
  ["half a pair", (v) => ipam.allocate({ ...wish, owner: v }), ["\ud800", "a\udfff", "\ud800x"]],
  ["half a pair", (v) => ipam.ofName(v), ["\ud800", "\udc00\ud800"]],
  ["service find(name)", (v) => services.find(v), [undefined, null, 7, ["default/web"], BARE]],
  ["service update(name, _)", (v) => services.update(v, {}), [undefined, null, 7, BARE]],
  ["service hold(_, options)", (v) => services.hold({}, v), FLAT],
  ["replayHistory([event])", (v) => replay([v]), FLAT],
  [
    "event.when",
    (v) => replay([{ ...GIVEN, when: v }]),
    [undefined, "1970-01-01", 0, new Date("x")],
  ],
  ["event.addresses", (v) => replay([{ ...GIVEN, addresses: v }]), [undefined, "10.0.0.2", [1]]],
  ["openIpam(path)", (v) => openIpam(v), [null, 30, "", [dir], BARE]],
  ["openIpam(_, options)", (v) => openIpam(join(dir, "other"), v), FLAT],
  ["lockTimeout", (v) => openIpam(join(dir, "other"), { lockTimeout: v }), ["1", 7n, BARE, -1]],
  ["readIpam(path)", (v) => readIpam(v), [undefined, null, 30, "", [dir]]],
  ["shareIpam(ipam)", (v) => shareIpam(v), [...FLAT, undefined, {}, BARE]],
  ["ipam.pool(_, options)", (v) => ipam.pool("10.0.0.0/24", v), FLAT],
  ["ipam.allocate(request)", (v) => ipam.allocate(v), [...FLAT, undefined]],
  ["kind", (v) => ipam.allocate({ ...wish, kind: v }), [null, "pod", 1]],
  ["ipam.release(_, options)", (v) => ipam.release("base", v), FLAT],
  ["ipam.reserve(_, request)", (v) => ipam.reserve("a/b", v), [...FLAT, undefined]],
  ["ipam.find(by)", (v) => ipam.find(v), [...FLAT, undefined]],
];

describe("a wrong type", () => {
  it.each(calls)("%s is refused, and nothing changes", (_, call, values) => {
    const state = () => JSON.stringify([[...ipam], [...ipam.reservations()], [...pool]]);
    const before = [state(), services.used];
    for (const value of values) {
      let caught: unknown;
      try {
        call(value);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(IpamError);
      const { code, value: of, message } = caught as IpamError;
      expect([code, Object.is(of, value)]).toEqual(["invalid", true]);
      expect(message.length).toBeGreaterThan(12);
      expect(message).not.toContain("[object Object]");
    }
    expect([state(), services.used]).toEqual(before);
  });

  it("a search for nothing is refused: it would answer that nobody is there", () => {
    for (const by of [{}, { name: undefined }] as Wrong[])
      expect(() => ipam.find(by)).toThrow("give an owner, an address or a name");
    expect(() => ipam.ofName(undefined as Wrong)).toThrow("give an owner, an address or a name");
  });

  it("a token that has lost its memory on the way, in JSON for example, is invalid", () => {
    const lost = (token: object) => JSON.parse(JSON.stringify(token));
    const pools = { ...lost(pool.share()), heap: { id: "x" } };
    for (const token of [pools, { berth: "pool" }, lost(pool.share()), null] as Wrong[])
      expect(codes(() => Pool.attach(token))).toEqual(["invalid", token]);
    for (const token of [lost(shareIpam(ipam)), { berth: "ipam" }, null] as Wrong[])
      expect(codes(() => attachIpam(token))).toEqual(["invalid", token]);
  });

  it("whole pairs are a text as any other", () => {
    ipam.allocate({ ...wish, owner: "\u{1f41f}" });
    expect(ipam.find({ owner: "\u{1f41f}" })?.owner).toBe("\u{1f41f}");
    ipam.release("\u{1f41f}");
  });

  it("a new name of a service that is no text is a conflict", () => {
    for (const name of [Symbol("x"), BARE] as Wrong[])
      expect(() => services.update("default/web", { name })).toThrow(/can't be renamed to /);
  });
});

it("an allocation began at one moment, whoever tells it and however often", async () => {
  const made = ipam.allocate({ ...wish, owner: "moment" });
  expect(ipam.find({ owner: "moment" })).toEqual(made);
  await ipam.flush();
  using copy = readIpam(ipam.path);
  expect(copy.find({ owner: "moment" })).toEqual(made);
  const moments = new Set<number>();
  for (let n = 0; n < 200; n++) {
    moments.add(ipam.find({ owner: "base" })!.since.getTime());
    if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 7));
  }
  expect(moments.size).toBe(1);
});

it("a loop over what is closed in it ends with closed, not as if it had seen all", () => {
  const services = createServicePool("10.96.0.0/24");
  const all = [createPool("10.0.0.0/24"), createPrefixPool("10.0.0.0/16"), services];
  for (const each of all) {
    for (let n = 0; n < 3; n++) each.allocate();
    const step = each[Symbol.iterator]();
    step.next();
    each.close();
    expect(codes(() => step.next())[0]).toBe("closed");
  }
});

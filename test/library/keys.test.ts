// Keys that no call reads: each entry that takes an object refuses a misspelt one by its name, with
// what would be right, and nothing changes. What another call has answered may be passed on.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createPool,
  createPrefixPool,
  createServicePool,
  type Ipam,
  IpamError,
  openIpam,
  Pool,
  PrefixPool,
  planCluster,
  replayHistory,
  ServicePool,
} from "../../src/index.ts";

// biome-ignore lint/suspicious/noExplicitAny: keys that TypeScript refuses.
type Wrong = any;

const dir = mkdtempSync(join(tmpdir(), "berth-keys-"));
const pool = createPool("10.0.0.0/24", { cooldown: 60 });
const prefixes = createPrefixPool("10.0.0.0/16");
const services = createServicePool("10.96.0.0/24");
let ipam: Ipam;

beforeAll(() => {
  ipam = openIpam(dir, { sync: "never" });
  ipam.pool("10.0.0.0/24", { name: "pods", cooldown: 0, exclude: ["10.0.0.0"] });
  ipam.allocate({ owner: "base", kind: "node", name: "shop/web-0", pools: ["pods"] });
  services.allocate({ name: "default/web" });
});
afterAll(() => {
  ipam.close();
  for (const each of [pool, prefixes, services]) each.close();
  rmSync(dir, { recursive: true });
});

const refusal = (call: () => unknown): IpamError => {
  try {
    call();
  } catch (error) {
    if (error instanceof IpamError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
};

/** A call that takes the key, the key, and the message. */
const calls: [(key: Wrong) => unknown, string, string][] = [
  [(k) => createPool("10.0.0.0/8", k), "coolDown", "an option of createPool: use cooldown"],
  [(k) => createPool("10.0.0.0/8", k), "exlcude", "an option of createPool: use exclude"],
  [
    (k) => createPool("10.0.0.0/8", k),
    "gateway",
    "an option of createPool: there are policy, exclude, cooldown, band, seed, clock",
  ],
  [(k) => createPrefixPool([], k), "heads", "an option of createPrefixPool: use head"],
  [(k) => createPrefixPool([], k), "cooldown", "an option of createPrefixPool: there are length,"],
  [(k) => createPrefixPool([], { length: k }), "v4", "a family: use 4"],
  [(k) => createPrefixPool([], { tail: { 4: 1, ...k } }), "ipv6", "a family: there are 4, 6"],
  [(k) => prefixes.allocate(k), "onwer", "a key of a request for a prefix: use owner"],
  [(k) => prefixes.allocate({ length: k }), "IPv4", "a family: there are 4, 6"],
  [(k) => prefixes.hold(k), "ttl", "a key of a request for a prefix: there are owner,"],
  [(k) => prefixes.hold({}, k), "TTL", "an option of hold: use ttl"],
  [(k) => pool.hold(undefined, k), "seconds", "an option of hold: there are ttl"],
  [(k) => createServicePool("10.0.0.0/24", k), "useable", "an option of createServicePool: use us"],
  [(k) => new ServicePool("10.0.0.0/24", k), "Band", "an option of createServicePool: use band"],
  [(k) => services.allocate(k), "ipFamily", "a field of a service's spec: use ipFamilies"],
  [(k) => services.allocate(k), "clusterIp", "a field of a service's spec: use clusterIP"],
  [(k) => services.update("default/web", k), "types", "a field of a service's spec: use type"],
  [(k) => services.hold({}, k), "tt1", "an option of hold: use ttl"],
  [(k) => Pool.fromBytes(pool.toBytes(), k), "cooldown", "an option of fromBytes, since the rest"],
  [(k) => PrefixPool.fromBytes(prefixes.toBytes(), k), "sed", "an option of fromBytes, since the"],
  [(k) => ServicePool.fromBytes(services.toBytes(), k), "Clock", "an option of fromBytes, since"],
  [(k) => openIpam(join(dir, "other"), k), "locktimeout", "an option of openIpam: use lockTimeout"],
  [(k) => ipam.pool("10.1.0.0/24", k), "coolDown", "an option of a durable pool: use cooldown"],
  [(k) => ipam.pool("10.1.0.0/24", k), "range", "an option of a durable pool: there are name,"],
  [
    (k) => ipam.allocate({ owner: "a", pools: ["pods"], ...k }),
    "address",
    "a key of a request to allocate: use addresses",
  ],
  [
    (k) => ipam.reserve("a/b", { ttl: 9, pools: ["pods"], ...k }),
    "for",
    "a key of a request to reserve: there are pools, addresses, ttl",
  ],
  [(k) => ipam.release("base", k), "reservefor", "an option of release: use reserveFor"],
  [(k) => ipam.release("base", k), "addresses", "an option of release: there are kind, interface,"],
  [(k) => ipam.find(k), "nme", "a key to find by: use name"],
  [(k) => ipam.find({ owner: "base", ...k }), "knid", "a key to find by: use kind"],
  [
    (k) => replayHistory([], { prefixes: ["10.0.0.0/24"], ...k }),
    "coolDown",
    "an option of replayHistory: use cooldown",
  ],
  [
    (k) => planCluster({ nodes: 1, podsPerNode: 1, clusterPrefixes: "10.0.0.0/16", ...k }),
    "podsPerNodes",
    "a key of what planCluster is told: use podsPerNode",
  ],
];

describe("a key that no call reads", () => {
  const named = calls.map(([call, key, message]) => [key, message, call] as const);
  it.each(named)("%s is refused: not %s", (key, message, call) => {
    const look = () => [[...ipam], [...ipam.reservations()], ipam.pools().length, services.names()];
    const before = [look(), pool.used, services.used, [...prefixes]];
    // What it is worth doesn't matter, nor what else there is.
    for (const value of [1, undefined]) {
      const error = refusal(() => call({ [key]: value }));
      expect([error.code, error.value]).toEqual(["invalid", key]);
      expect(error.message).toContain(`"${key}" is not ${message}`);
    }
    expect([look(), pool.used, services.used, [...prefixes]]).toEqual(before);
  });

  it("ends in the report of occupyAll, and occupies nothing", () => {
    const list: Wrong[] = [
      { prefix: "10.0.7.0/24", onwer: "a" },
      { prefx: "10.0.8.0/24", owner: "a" },
    ];
    const { added, invalid } = prefixes.occupyAll(list);
    expect([added, [...prefixes]]).toEqual([0, []]);
    expect(invalid.map(({ why }) => why)).toEqual([
      '"onwer" is not a key of an entry: use owner',
      expect.stringMatching(/^undefined is not /),
    ]);
  });

  it("is what is written there: not a symbol, not what is inherited, not undefined", () => {
    const options: Wrong = Object.create({ coolDown: 60 });
    Object.assign(options, { policy: undefined, cooldown: undefined, [Symbol("x")]: 1 });
    using made = createPool("10.0.0.0/24", options);
    expect(made.allocate()).toBe("10.0.0.0");
    const request = { owner: "undefined", kind: undefined, interface: undefined, name: undefined };
    ipam.allocate({ ...request, pools: ["pods"], addresses: undefined } as Wrong);
    ipam.release("undefined", { kind: undefined, reserveFor: undefined } as Wrong);
  });
});

describe("what has more keys by design", () => {
  it("is what an Ipam has answered: it may be passed on whole", () => {
    const made = ipam.allocate({ owner: "b", interface: "eth0", name: "a/b", pools: ["pods"] });
    expect(ipam.find(made)).toEqual(made);
    expect(ipam.find(ipam.find({ name: "shop/web-0" })!)?.owner).toBe("base");
    ipam.release(made.owner, { ...made, reserveFor: 60 });
    const [kept] = [...ipam.reservations()];
    ipam.unreserve("a/b");
    expect(ipam.reserve(kept!.name, { ...kept!, ttl: 60, pools: ["pods"] })).toEqual(
      kept!.addresses,
    );
    const again = ipam.allocate({ ...made, pools: ["pods"] });
    expect({ ...again, since: made.since }).toEqual(made);
    expect(ipam.find(ipam.explain(made.addresses[0]!) as Wrong)).toBeUndefined();
    ipam.release(again.owner, again);
    expect(ipam.find(again)).toBeUndefined();
  });

  it("is a durable pool as the options of another one", () => {
    const first = ipam.pool("10.0.0.0/24");
    expect(ipam.pool(first.prefix, first)).toBe(first);
    using other = openIpam(join(dir, "copy"), { sync: "never" });
    const { policy, exclude, name } = other.pool(first.prefix, { ...first, cooldown: 9 });
    expect([policy, exclude, name]).toEqual(["next", ["10.0.0.0-10.0.0.0"], "pods"]);
  });

  it("is the spec of a service as the API server has it, and not the whole service", () => {
    const spec = {
      allocateLoadBalancerNodePorts: true,
      clusterIP: "",
      externalIPs: [],
      externalName: "",
      externalTrafficPolicy: "Cluster",
      healthCheckNodePort: 0,
      internalTrafficPolicy: "Cluster",
      loadBalancerClass: "x",
      loadBalancerIP: "",
      loadBalancerSourceRanges: [],
      ports: [{ port: 80 }],
      publishNotReadyAddresses: false,
      sessionAffinity: "None",
      sessionAffinityConfig: {},
      trafficDistribution: "PreferClose",
      type: "LoadBalancer" as const,
    };
    expect(services.allocate({ name: "a/api", ...spec }).clusterIPs).toHaveLength(1);
    services.release("a/api");
    const whole: Wrong = { apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec };
    expect(refusal(() => services.allocate(whole)).message).toBe(
      "this is a whole service: pass its spec, with a name of its own",
    );
    expect(services.names()).toEqual(["default/web"]);
  });

  it("is an entry of occupyAll: what stands beside prefix and owner isn't looked at", () => {
    using nodes = createPrefixPool("10.0.0.0/16");
    const list: Wrong[] = [
      { prefix: "10.0.1.0/24", owner: "a", owners: 1, prefixes: [] },
      { prefix: "10.0.2.0/24", zone: "z", labels: {} },
    ];
    expect(nodes.occupyAll(list).added).toBe(2);
    list[0].owner = "b";
    expect(nodes.occupyAll(nodes.occupyAll(list).conflicts).conflicts).toHaveLength(1);
  });
});

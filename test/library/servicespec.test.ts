// Specs of services that are the caller's code: getters that call the pool, or change.
import { describe, expect, it } from "vitest";
import { createServicePool } from "../../src/index.ts";
import { codeOf } from "../support/codes.ts";
import { kept } from "../support/kept.ts";

describe("a service's spec whose fields call the pool", () => {
  const single = { ipFamilyPolicy: "SingleStack" } as const;

  it("is of the service as it is then: a released one isn't found, its address given once", () => {
    const pool = kept(createServicePool("10.0.0.0/24"));
    pool.allocate({ name: "x/a" });
    const release = () => {
      if (pool.find("x/a")) pool.release("x/a");
    };
    const read = {
      get ipFamilyPolicy() {
        release();
        return "SingleStack" as const;
      },
    };
    expect(codeOf(() => pool.update("x/a", read))).toBe("notFound");
    expect([pool.used, pool.names()]).toEqual([0, []]);
    const given = Array.from({ length: 254 }, (_, i) => pool.allocate({ name: `x/b${i}` }));
    expect(new Set(given.map(({ clusterIPs }) => clusterIPs[0])).size).toBe(254);
  });

  it("is refused with closed where it closes the pool, though it wants no address", () => {
    for (const call of ["allocate", "hold", "update"] as const) {
      const pool = kept(createServicePool("10.0.0.0/24"));
      pool.allocate({ name: "x/a", type: "ExternalName" });
      const spec = {
        get type() {
          pool.close();
          return "ExternalName" as const;
        },
      };
      const ask = () => (call === "update" ? pool.update("x/a", spec) : pool[call](spec));
      expect(codeOf(ask)).toBe("closed");
    }
  });

  it("is read once: a hold is on the name that the service has", () => {
    const pool = kept(createServicePool("10.0.0.0/24"));
    const names = ["x/a", "x/b"];
    const spec = {
      ...single,
      get name() {
        return names.shift() ?? "x/c";
      },
    };
    const hold = pool.hold(spec, { ttl: 5 });
    hold.confirm();
    expect([hold.address.clusterIPs.length, pool.names()]).toEqual([1, ["x/a"]]);
  });

  it("that leaves the selector out keeps it, from ExternalName, too", () => {
    const pool = kept(createServicePool(["10.0.0.0/24", "fd00::/112"]));
    pool.allocate({ name: "x/a", type: "ExternalName", selector: { app: "a" } });
    const now = pool.update("x/a", { type: "ClusterIP", clusterIP: "None" });
    expect(now).toMatchObject({ ...single, ipFamilies: ["IPv4"] });
  });
});

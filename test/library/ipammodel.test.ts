// The Ipam against its model (ipammodel.ts) by seed: owners, names, reservations, cool-downs, time
// that passes, closing and opening again, and what a crash leaves.
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { IpamError } from "../../src/errors.ts";
import { type Ipam, openIpamAround } from "../../src/ipam/ipam.ts";
import { readIpamAround } from "../../src/ipam/reader.ts";
import { Model, POOLS, type Step, step, type Taken } from "./ipammodel.ts";
import { crashed, removeSpaces, sound, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const RUNS = Number(process.env.BERTH_RUNS ?? 60);

/** One life: an Ipam and its model. */
class Life {
  path = space();
  model = new Model();
  /** What was on disk at the last flush. */
  kept = new Model();
  names = new Map<string, string>();
  keptNames = new Map<string, string>();
  ipam: Ipam;
  readonly lock: "exclusive" | "per-call";

  constructor(lock: "exclusive" | "per-call") {
    this.lock = lock;
    this.ipam = this.open();
    for (const { prefix, options } of POOLS) this.ipam.pool(prefix, options);
  }

  around = { clock: () => this.model.now };

  open(): Ipam {
    return openIpamAround(this.path, { lock: this.lock, sync: "never" }, this.around);
  }

  // The codes with which a request may be refused; empty: it must succeed.
  #refusals(
    who: string | undefined,
    which: number[],
    asking: string | undefined,
    want?: string,
  ): string[] {
    const { model } = this;
    if (who !== undefined && model.ofOwner(who).length > 0) return ["duplicate"];
    const mine = (t: Taken | undefined) =>
      t && t.state !== "allocated" && asking !== undefined && t.name === asking;
    const codes: string[] = [];
    for (const n of which) {
      const pool = POOLS[n]!;
      if (want !== undefined && (pool.addresses.includes(want) || pool.fixed.has(want))) {
        const taken = model.live(want);
        if (pool.fixed.has(want)) codes.push("excluded");
        else if (taken && !mine(taken))
          codes.push({ allocated: "taken", reserved: "reserved", cooling: "cooling" }[taken.state]);
        continue;
      }
      const free = pool.addresses.some((a) => {
        const taken = model.live(a);
        return !taken || taken.state === "cooling" || (taken.state === "reserved" && mine(taken));
      });
      if (!free) codes.push("exhausted");
    }
    const fits =
      want === undefined ||
      which.some((n) => POOLS[n]!.addresses.includes(want) || POOLS[n]!.fixed.has(want));
    if (!fits && codes.length === 0) codes.push("outside");
    return codes;
  }

  #given(which: number[], asking: string | undefined, given: string[], want?: string): void {
    const { model } = this;
    expect(given.length).toBe(which.length);
    which.forEach((n, i) => {
      const pool = POOLS[n]!;
      const address = given[i]!;
      expect(pool.addresses).toContain(address);
      const before = model.live(address);
      const reserved =
        asking === undefined
          ? []
          : model.reserved(asking).filter((a) => pool.addresses.includes(a));
      if (want !== undefined && pool.addresses.includes(want)) expect(address).toBe(want);
      else if (reserved.length > 0) expect(reserved).toContain(address);
      else if (before) {
        // Only a cooling address yields, and only where nothing else is free.
        expect(before.state).toBe("cooling");
        expect(pool.addresses.filter((a) => !model.live(a))).toEqual([]);
      }
    });
  }

  #try(work: () => string[], codes: string[]): string[] | undefined {
    try {
      const given = work();
      expect(codes).toEqual([]);
      return given;
    } catch (error) {
      if (!(error instanceof IpamError)) throw error;
      expect(codes, error.message).toContain(error.code);
      return undefined;
    }
  }

  allocate(s: Extract<Step, { do: "allocate" }>): void {
    const asking = s.name ?? undefined;
    const base = POOLS[s.pools[0]!]!.prefix.split("/")[0]!;
    const want =
      s.want === null
        ? undefined
        : base.includes(":")
          ? s.want === 0
            ? base
            : `${base}${s.want}`
          : base.replace(/0$/, `${s.want}`);
    const codes = this.#refusals(s.owner, s.pools, asking, want);
    const request = {
      owner: s.owner,
      pools: s.pools.map((n) => POOLS[n]!.prefix),
      ...(asking ? { name: asking } : {}),
      ...(want ? { addresses: [want] } : {}),
    };
    const given = this.#try(() => [...this.ipam.allocate(request).addresses], codes);
    if (!given) return;
    this.#given(s.pools, asking, given, want);
    for (const address of given)
      this.model.taken.set(address, { state: "allocated", owner: s.owner, name: asking, until: 0 });
    this.names.set(s.owner, asking ?? "");
  }

  reserve(s: Extract<Step, { do: "reserve" }>): void {
    const codes =
      this.model.reserved(s.name).length > 0
        ? ["duplicate"]
        : this.#refusals(undefined, s.pools, s.name);
    const work = () =>
      this.ipam.reserve(s.name, {
        pools: s.pools.map((n) => POOLS[n]!.options.name ?? POOLS[n]!.prefix),
        ttl: s.ttl,
      });
    const given = this.#try(work, codes);
    if (!given) return;
    this.#given(s.pools, s.name, given);
    for (const address of given)
      this.model.taken.set(address, {
        state: "reserved",
        name: s.name,
        until: this.model.now + s.ttl,
      });
  }

  release(s: Extract<Step, { do: "release" }>): void {
    const held = this.model.ofOwner(s.owner);
    const named = this.names.get(s.owner) || s.name;
    const options = s.ttl === null ? {} : { reserveFor: s.ttl, name: s.name };
    const done = this.#try(
      () => this.#nothing(() => this.ipam.release(s.owner, options)),
      held.length ? [] : ["notAllocated"],
    );
    if (!done) return;
    const cools = held.map(
      (a) => POOLS.find((p) => p.addresses.includes(a))!.options.cooldown ?? 0,
    );
    const cool = Math.max(...cools);
    for (const address of held) {
      const before = this.model.taken.get(address)!;
      if (s.ttl !== null)
        this.model.taken.set(address, {
          state: "reserved",
          owner: s.owner,
          name: named,
          until: this.model.now + s.ttl,
        });
      else if (cool > 0)
        this.model.taken.set(address, {
          ...before,
          state: "cooling",
          until: this.model.now + cool,
        });
      else this.model.taken.delete(address);
    }
  }

  #nothing(work: () => void): string[] {
    work();
    return [];
  }

  unreserve(which: string): void {
    const held = this.model.reserved(which);
    if (
      this.#try(
        () => this.#nothing(() => this.ipam.unreserve(which)),
        held.length ? [] : ["notFound"],
      )
    )
      for (const address of held) this.model.taken.delete(address);
  }

  async other(what: string): Promise<void> {
    if (what === "flush" || this.lock === "per-call") {
      await this.ipam.flush();
      this.keep();
    }
    if (what === "reopen") {
      this.ipam.close();
      this.keep();
      await sound(this.path);
      this.ipam = this.open();
    }
    if (what === "crash" || what === "lose") {
      if (what === "crash") {
        await this.ipam.flush();
        this.keep();
      }
      const left = crashed(this.path);
      this.ipam.close();
      this.path = left;
      await sound(this.path);
      this.ipam = this.open();
      const now = this.model.now;
      // Without a flush what was queued is gone: all of it since the last one, or none.
      this.model = this.kept.clone();
      this.model.now = now;
      this.names = new Map(this.keptNames);
    }
  }

  keep(): void {
    this.kept = this.model.clone();
    this.keptNames = new Map(this.names);
  }

  look(view: { explain: Ipam["explain"]; find: Ipam["find"] } = this.ipam): void {
    for (const pool of POOLS) {
      for (const [address, state] of pool.fixed) expect(view.explain(address).state).toBe(state);
      for (const address of pool.addresses) {
        const taken = this.model.live(address);
        const told = view.explain(address);
        expect([address, told.state, told.pool]).toEqual([
          address,
          taken?.state ?? "free",
          pool.prefix,
        ]);
        if (taken?.owner) expect(told.owner).toBe(taken.owner);
        if (taken?.state === "reserved") expect(told.name).toBe(taken.name);
        if (taken?.state === "allocated") expect(view.find({ address })?.owner).toBe(taken.owner);
      }
    }
    for (let n = 0; n < 10; n++) {
      const held = view.find({ owner: `owner-${n}` })?.addresses ?? [];
      expect([...held].sort()).toEqual(this.model.ofOwner(`owner-${n}`).sort());
    }
  }

  async run(steps: Step[]): Promise<void> {
    try {
      await this.ipam.flush();
      for (const s of steps) {
        if (s.do === "allocate") this.allocate(s);
        else if (s.do === "release") this.release(s);
        else if (s.do === "reserve") this.reserve(s);
        else if (s.do === "unreserve") this.unreserve(s.name);
        else if (s.do === "wait") this.model.now += s.seconds;
        else await this.other(s.do);
        this.look();
      }
      expect(this.ipam.check()).toEqual([]);
      const walked = [...this.ipam.allocations()].flatMap((one) => one.addresses).sort();
      const held = [...this.model.taken].filter(([, t]) => t.state === "allocated").map(([a]) => a);
      expect(walked).toEqual(held.sort());
      await this.ipam.flush();
      const copy = readIpamAround(this.path, this.around);
      this.look(copy);
      expect(copy.check()).toEqual([]);
      copy.close();
      const { allocations, taken4, taken6 } = this.ipam.stats();
      expect(allocations).toBe(
        new Set(
          [...this.model.taken.values()].filter((t) => t.state === "allocated").map((t) => t.owner),
        ).size,
      );
      expect(taken4 + taken6).toBe(
        [...this.model.taken.keys()].filter((a) => this.model.live(a)).length,
      );
    } finally {
      this.ipam.close();
      await sound(this.path);
    }
  }
}

describe("Ipam and its model", () => {
  for (const lock of ["exclusive", "per-call"] as const)
    it(`[model] ${lock}: every answer and every state is the model's, also opened again`, async () => {
      const numRuns = lock === "exclusive" ? RUNS : Math.ceil(RUNS / 4);
      const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 80 }), (steps) =>
        new Life(lock).run(steps),
      );
      await fc.assert(property, { numRuns });
      removeSpaces();
    });
});

// The calls of an Ipam in its life: what each may answer, and what it makes of the model.
import type { IpamCode } from "../../src/errors.ts";
import type { Ipam } from "../../src/ipam/ipam.ts";
import type { AllocateRequest, OwnerOf } from "../../src/ipam/words.ts";
import type { State } from "./ipamentry.ts";
import { IpamFrame } from "./ipamframe.ts";
import type { IpamHost } from "./ipamhost.ts";
import { entriesOf } from "./ipamlook.ts";
import { Fault } from "./ipamstate.ts";
import { nameOf, OWNERS, ownerOf, POOLS, type Step } from "./ipamsteps.ts";

type Of<K extends Step["do"]> = Extract<Step, { do: K }>;

/** Owners that come and go to fill the log. */
const CHURN = 12;

function finding({ owner, kind, ifname }: ReturnType<typeof ownerOf>): OwnerOf {
  return { owner, kind, ...(ifname ? { interface: ifname } : {}) };
}

/** A frame whose Ipam is called. */
export class IpamCalls extends IpamFrame {
  protected pool({ n, odd }: Of<"pool">, ipam: Ipam): void {
    const { prefix, options } = POOLS[n]!;
    const isThere = this.history.now.pools.has(prefix);
    try {
      ipam.pool(prefix, odd && isThere ? { ...options, cooldown: 99 } : options);
    } catch (error) {
      const doubt = () => new Set<string>();
      this.expect(error, isThere && odd ? ["conflict"] : [], doubt);
      return;
    }
    if (isThere) return;
    const state = this.history.now.clone();
    state.pools.add(prefix);
    this.put(state);
  }

  protected request({ who, pools, name, want }: Of<"allocate">): AllocateRequest {
    const { owner, kind, ifname } = ownerOf(who);
    const all = POOLS[pools[0]!]!.all;
    return {
      owner,
      kind,
      pools: pools.map((n) => POOLS[n]!.prefix),
      ...(ifname ? { interface: ifname } : {}),
      ...(name === undefined ? {} : { name: nameOf(name) }),
      ...(want === undefined || all.length === 0 ? {} : { addresses: [all[want]!] }),
    };
  }

  // A note of the owner's own is done before the owner is given anything.
  #clearNote(who: number, ipam: Ipam): void {
    const owner = ownerOf(who);
    for (const [name, one] of this.notes) {
      if (one.owner !== owner.owner) continue;
      // One that couldn't be removed may have been done all the same.
      const isThere = this.disk.names.has(name);
      if (isThere && (this.broken || ipam.find(finding(owner)) !== undefined)) continue;
      if (!isThere) this.notes.delete(name);
      const state = this.history.now.clone();
      state.release(owner);
      this.put(state);
    }
  }

  protected allocate(step: Of<"allocate">, ipam: Ipam): void {
    const request = this.request(step);
    const owner = ownerOf(step.who);
    const had = this.history.now.heldBy(owner);
    const named = request.name ? this.history.now.reservedFor(request.name, this.disk.now) : [];
    let given: readonly string[];
    try {
      given = ipam.allocate(request).addresses;
    } catch (error) {
      const fails: IpamCode[] = ["exhausted", "notFound"];
      if (request.addresses) fails.push("taken", "reserved", "cooling", "excluded", "outside");
      if (had.length > 0) fails.push("duplicate");
      this.expect(error, fails, (found) => {
        const whole = found.heldBy(owner);
        if (whole.length !== 0 && whole.length !== step.pools.length && had.length === 0)
          throw new Fault(`a stopped call has left ${whole} of ${step.pools.length} addresses`);
        return new Set([...had, ...whole, ...named]);
      });
      if (!this.host?.isDead && ipam.lock === "exclusive") this.#clearNote(step.who, ipam);
      return;
    }
    this.#clearNote(step.who, ipam);
    const before = this.history.now;
    if (before.heldBy(owner).length > 0) throw new Fault(`who holds ${had} is given ${given}`);
    if (given.length !== step.pools.length) throw new Fault(`${given} of ${step.pools}`);
    for (const [n, address] of given.entries()) {
      if (!POOLS[step.pools[n]!]!.gives(address)) throw new Fault(`${address} is given`);
      this.mayGive(address, request.name, before);
    }
    this.after(before, [...given, ...named], request.name);
  }

  protected mayGive(address: string, name: string | undefined, before: State): void {
    const entry = before.at(address, this.disk.now);
    if (!entry || entry.what === "cooling") return;
    if (entry.what === "allocated" || entry.name !== name)
      throw new Fault(`${address} is given, which is ${entry.what}: ${entry.owner} ${entry.name}`);
  }

  // What the call has made of these addresses, and of the others of a name.
  protected after(before: State, changed: string[], name: string | undefined): void {
    const { now } = this.disk;
    const state = before.clone();
    const also = name ? before.reservedFor(name, now) : [];
    const all = [...changed, ...also];
    for (const address of all) state.entries.delete(address);
    this.peek((view) => {
      for (const address of all)
        for (const [each, entry] of entriesOf(view, address, now)) {
          const was = before.entries.get(each);
          const isOld = was?.what === entry.what && was.until === entry.until;
          state.entries.set(each, isOld ? { ...entry, full: was.full } : entry);
        }
    });
    this.put(state);
  }

  protected release({ who, ttl, name }: Of<"release">, ipam: Ipam): void {
    const owner = ownerOf(who);
    const before = this.history.now;
    const held = before.heldBy(owner);
    const options = {
      kind: owner.kind,
      ...(owner.ifname ? { interface: owner.ifname } : {}),
      ...(ttl ? { reserveFor: ttl, name: nameOf(name) } : {}),
    };
    try {
      ipam.release(owner.owner, options);
    } catch (error) {
      const doubt = () => new Set(held);
      this.expect(error, held.length > 0 ? [] : ["notAllocated"], doubt);
      return;
    }
    if (held.length === 0) throw new Fault("an owner that holds nothing is released");
    this.after(before, held, undefined);
    for (const address of held) {
      const entry = this.history.now.entries.get(address);
      const isRight = ttl ? entry?.until === this.disk.now + ttl : entry?.what !== "reserved";
      if (!isRight || entry?.what === "allocated")
        throw new Fault(`${address} is ${entry?.what} until ${entry?.until} after a release`);
    }
  }

  protected reserve({ name, pools, ttl }: Of<"reserve">, ipam: Ipam): void {
    const before = this.history.now;
    const text = nameOf(name);
    const had = before.reservedFor(text, this.disk.now);
    let given: readonly string[];
    try {
      given = ipam.reserve(text, { pools: pools.map((n) => POOLS[n]!.prefix), ttl });
    } catch (error) {
      const fails: IpamCode[] = ["exhausted", "notFound"];
      if (had.length > 0) fails.push("duplicate");
      const doubt = (found: State) => new Set(found.reservedFor(text, this.disk.now));
      this.expect(error, fails, doubt);
      return;
    }
    if (had.length > 0) throw new Fault(`a name that has ${had} is given ${given}`);
    for (const address of given) this.mayGive(address, text, before);
    this.after(before, [...given], text);
    for (const address of given)
      if (this.history.now.entries.get(address)?.until !== this.disk.now + ttl)
        throw new Fault(`${address} isn't reserved for ${ttl} s`);
  }

  protected unreserve({ name }: Of<"unreserve">, ipam: Ipam): void {
    const before = this.history.now;
    const had = before.reservedFor(nameOf(name), this.disk.now);
    try {
      ipam.unreserve(nameOf(name));
    } catch (error) {
      this.expect(error, had.length > 0 ? [] : ["notFound"], () => new Set(had));
      return;
    }
    if (had.length === 0) throw new Fault("a name that has nothing is unreserved");
    this.after(before, had, undefined);
  }

  protected flush({ wait }: Of<"flush">, ipam: Ipam, host: IpamHost): void {
    const { last } = this.history;
    ipam.flush().then(
      () => {
        if (this.host === host) this.history.keep(last, this.isDurable);
      },
      (error) => {
        if (this.host !== host) return;
        // Unless a checkpoint has put more there.
        const { number, generation } = this.mark;
        if (generation === this.generation && !host.hasStruck)
          this.voided ??= Math.max(number, host.synced);
        try {
          this.expect(error, []);
        } catch (fault) {
          this.late ??= fault;
        }
      },
    );
    if (wait) this.settleAll(host);
  }

  protected settleAll(host: IpamHost): void {
    setImmediate(() => {
      while (host.syncs > 0) host.settle(0);
    });
  }

  // Long owners come and go, so that the log gets full.
  protected churn({ times }: Of<"churn">, ipam: Ipam, host: IpamHost): void {
    if (!this.history.now.pools.has(POOLS[3]!.prefix) || ipam.lock === "per-call") return;
    for (let n = 0; n < times * 2 * CHURN; n++) {
      if (host.isDead || this.broken) return;
      const who = OWNERS + (n % CHURN);
      if (n % (2 * CHURN) < CHURN) this.allocate({ do: "allocate", who, pools: [3] }, ipam);
      else this.release({ do: "release", who, name: 0 }, ipam);
    }
  }
}

// A life beside host-local: `adopt` or `mirror`, both programs' files in one directory. Not a model
// of every byte but the laws that must hold whatever happens, and what each owner was promised:
//
//   held    was answered an ADD and no DEL since, by either program
//   doubt   a call for it was killed or failed, or its boot has ended: it may be there or not, and
//           nobody uses its addresses. Collection of all that isn't held settles it.

import type { Dump } from "./compare.ts";
import type { Span } from "./hostlocal.ts";
import { Fault } from "./model.ts";
import type { Trouble } from "./steps.ts";

/** What was answered. */
export interface Said {
  ok: boolean;
  killed: boolean;
  code: number;
  msg: string;
  ips: string[];
}

/** A config: the range sets of both programs, and the rest of `ipam`. */
export interface Place {
  sets: Span[][];
  json: { cniVersion: string; name: string; ipam: Record<string, unknown> };
}

type Verb = "ADD" | "DEL" | "CHECK" | "GC";

/** Where a life is played: files in memory, or a directory and processes. */
export interface Side {
  berth(verb: Verb, who: Step, place: Place, keep: string[]): Promise<Said>;
  hostLocal(verb: "ADD" | "DEL", id: string, place: Place): Promise<Said>;
  /** Address files: name to text. */
  files(): Map<string, string>;
  /** What Berth's files hold, by address; throws what its check finds. */
  dump(): Map<string, Dump extends Map<string, infer Found> ? Found : never>;
  /** Seconds of CLOCK_BOOTTIME; for what is reserved. */
  now(): number;
  /** Somebody removes a file by hand. */
  unlink(name: string): void;
  pass(seconds: number): void;
  reboot(cut: number | undefined): void;
}

export interface Step {
  by: "berth" | "host-local" | "time" | "reboot";
  verb?: Verb;
  id: string;
  pod?: string;
  config: number;
  seconds?: number;
  cut?: number;
  trouble?: Trouble;
}

/** Nothing of a text is left: no bytes, or pages of zeros. */
function isEmpty(text: string): boolean {
  return text.replaceAll("\0", "") === "";
}

const TWICE = /has been allocated to .*duplicate allocation is not allowed/;
const FULL = /no IP addresses available in range set/;

export class Beside {
  readonly held = new Map<string, string[]>();
  readonly doubt = new Set<string>();
  readonly #side: Side;
  readonly #places: readonly Place[];
  readonly #mirror: boolean;
  readonly #keeps: boolean;
  /** Owners that were in doubt when they were given something: they may have more than that. */
  readonly #stained = new Set<string>();
  /** Address files without a text. */
  #empty = new Set<string>();
  /** Was there a power cut? */
  #cut = false;

  /** `mirror`, else adopt; `keeps`: containers outlive a reboot. */
  constructor(side: Side, places: readonly Place[], mirror: boolean, keeps: boolean) {
    this.#side = side;
    this.#places = places;
    this.#mirror = mirror;
    this.#keeps = keeps;
  }

  async play(step: Step): Promise<void> {
    if (step.by === "time") this.#side.pass(step.seconds!);
    else if (step.by === "reboot") await this.#reboot(step);
    else if (step.by === "host-local") await this.#hostLocal(step);
    else await this.#berth(step);
  }

  #gives(id: string, ips: string[], who: string): void {
    if (this.held.has(id)) throw new Fault(`${who} gave ${id} addresses a second time`);
    for (const [other, mine] of this.held)
      for (const ip of ips)
        if (mine.includes(ip)) throw new Fault(`${who} gave ${id} ${ip}, which ${other} holds`);
    if (this.doubt.delete(id)) this.#stained.add(id);
    this.held.set(id, ips);
  }

  #leaves(id: string): void {
    this.held.delete(id);
    this.#stained.delete(id);
  }

  async #hostLocal({ verb, id, config }: Step): Promise<void> {
    const said = await this.#side.hostLocal(verb as "ADD" | "DEL", id, this.#places[config]!);
    if (verb === "DEL") this.#leaves(id);
    else if (said.ok) this.#gives(id, said.ips, "host-local");
    else if (!this.held.has(id) && !this.doubt.has(id) && !this.#isFull(config, new Map()))
      throw new Fault(`host-local gave ${id} nothing: ${said.msg}`);
  }

  /** Has one of the sets nothing that an ADD may have? */
  #isFull(config: number, before: ReturnType<Side["dump"]>): boolean {
    const taken = new Set([...this.held.values()].flat());
    for (const [name, text] of this.#side.files()) {
      const owner = text.split("\r\n")[0]!;
      if (this.held.has(owner) || this.doubt.has(owner)) taken.add(name);
    }
    for (const [name, found] of before) {
      if (found.state === "reserved" && found.due > this.#side.now()) taken.add(name);
      if (found.state === "held" && this.doubt.has(found.id)) taken.add(name);
    }
    return this.#places[config]!.sets.some((set) => addressesOf(set).every((ip) => taken.has(ip)));
  }

  async #berth(step: Step): Promise<void> {
    const { verb, id, config, trouble, pod } = step;
    const keep = [...this.held.keys()];
    const before = verb === "ADD" && !trouble ? this.#side.dump() : new Map();
    const said = await this.#side.berth(verb!, step, this.#places[config]!, keep);
    if (/damaged|internal fault/.test(said.msg) && trouble?.errno === undefined)
      throw new Fault(said.msg);
    if (trouble) this.#troubled(step, said);
    else if (verb === "ADD" && said.ok) {
      for (const ip of said.ips) {
        const was = before.get(ip);
        if (was?.state === "reserved" && was.due > this.#side.now() && was.name !== pod)
          throw new Fault(`${ip} is reserved for ${was.name}, ${id} of ${pod} got it`);
      }
      this.#gives(id, said.ips, "berth");
    } else if (verb === "ADD") this.#refused(step, said, before);
    else if (verb === "CHECK") {
      if (!this.doubt.has(id) && !this.#stained.has(id) && said.ok !== this.held.has(id))
        throw new Fault(`CHECK of ${id}: ${said.ok ? "success" : said.msg}`);
    } else if (!said.ok) throw new Fault(`${verb}: ${said.msg}`);
    else if (verb === "DEL") {
      this.#leaves(id);
      this.doubt.delete(id);
    } else this.doubt.clear();
    if (!trouble) this.check();
  }

  #troubled({ verb, id }: Step, said: Said): void {
    if (verb === "ADD" && said.ok && !said.killed) {
      this.#gives(id, said.ips, "berth");
      // It may be in the log only, its files not in place: it was answered all the same.
      return;
    }
    if (verb === "ADD" && !this.held.has(id)) this.doubt.add(id);
    if (verb !== "DEL") return;
    this.#leaves(id);
    this.doubt.add(id);
  }

  #refused({ id, config }: Step, { code, msg }: Said, before: ReturnType<Side["dump"]>): void {
    const told = `an ADD of ${id} was answered ${code} ${msg}`;
    if (TWICE.test(msg)) {
      if (!this.held.has(id) && !this.doubt.has(id)) throw new Fault(told);
    } else if (!FULL.test(msg) || this.held.has(id) || !this.#isFull(config, before))
      throw new Fault(told);
  }

  // What was held is dead now, unless it outlives a reboot; what only files tell stays until it is
  // collected.
  async #reboot(step: Step): Promise<void> {
    this.#side.reboot(step.cut);
    if (step.cut !== undefined) this.#cut = true;
    if (!this.#keeps || step.cut !== undefined) {
      for (const id of this.held.keys()) this.doubt.add(id);
      this.held.clear();
      this.#stained.clear();
    }
    // Files whose text a power cut has taken: held by nobody known, until somebody removes them.
    const files = [...this.#side.files()];
    const empty = files.filter(([, text]) => isEmpty(text)).map(([name]) => name);
    this.#empty = new Set(empty);
    await this.#berth({ ...step, by: "berth", verb: "GC" });
    for (const name of empty) {
      if (!isEmpty(this.#side.files().get(name) ?? "x"))
        throw new Fault(`somebody touched ${name}`);
      if (this.#mirror && this.#side.dump().get(name)?.state !== "held")
        throw new Fault(`${name} isn't held`);
      this.#side.unlink(name);
    }
    this.#empty.clear();
  }

  /** The laws of the files, behind a call of Berth that was not disturbed. */
  check(): void {
    const { held, doubt } = this;
    const files = this.#side.files();
    const dump = this.#side.dump();
    for (const [name, text] of files) {
      if (this.#empty.has(name)) continue;
      const [owner] = text.split("\r\n");
      // With adopt nobody looks at a file that a power cut has brought back.
      if (this.#cut && !this.#mirror) continue;
      if (!held.has(owner!) && !doubt.has(owner!)) throw new Fault(`${name} is ${owner}'s still`);
      const own = held.get(owner!);
      if (own && !own.includes(name) && !this.#stained.has(owner!))
        throw new Fault(`${name} is ${owner}'s, which holds ${own}`);
    }
    for (const [id, ips] of held)
      for (const ip of ips) {
        const found = dump.get(ip);
        if (found?.state !== "held" || found.id !== id)
          throw new Fault(`${ip} of ${id} is ${found?.state ?? "free"} ${found?.id ?? ""}`);
        if (this.#mirror && files.get(ip) !== `${id}\r\neth0`)
          throw new Fault(`the file of ${ip}, which ${id} holds: ${files.get(ip)}`);
      }
  }
}

/** The addresses of a set that may be given. */
function addressesOf(set: readonly Span[]): string[] {
  return set.flatMap(({ from, to, gateway }) => {
    const [head, first] = /^(.*[.:])([0-9a-f]+)$/.exec(from)!.slice(1) as [string, string];
    const base = head.includes(":") ? 16 : 10;
    const last = Number.parseInt(/[0-9a-f]+$/.exec(to)![0], base);
    const all: string[] = [];
    for (let n = Number.parseInt(first, base); n <= last; n++)
      all.push(`${head}${n.toString(base)}`);
    return all.filter((ip) => ip !== gateway);
  });
}

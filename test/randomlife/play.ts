// Plays the steps of a life: the plugin on one side, the model on the other. After a step that was
// killed or met an error the files tell how far it came; the model checks that it could.

import type { RangeSpec, SetSpec } from "../support/ledger.ts";
import type { Outcome } from "../support/memoryhost.ts";
import { randomFrom } from "../support/world.ts";
import { answerOf, askOf, configOf, environment, variantOf, wanted } from "./calls.ts";
import { Clocks } from "./clocks.ts";
import { adopt, compare, type Dump, heldIn } from "./compare.ts";
import { Files } from "./files.ts";
import { type Allocation, type Ask, Fault, keyOf, Model, rangeOf } from "./model.ts";
import { resultOf, type Variant } from "./network.ts";
import { releasePart, releaseVerb, reservePart, reserveVerb, wordsOf } from "./operator.ts";
import { Pods } from "./pods.ts";
import { inOrder, leave, type Manner } from "./reserve.ts";
import { ownerOf, type Step, type Trouble } from "./steps.ts";

type Of<K extends Step["do"]> = Extract<Step, { do: K }>;

/** How a call lets containers go, and whether it syncs that. */
type How = Manner & Pick<Variant, "sync">;

/** The range that decides prefix length and gateway of an address. */
function rangeFor({ wanted: all }: Ask, set: SetSpec, value: bigint): RangeSpec {
  const fixed = all.find((one) => one.fixed?.set === set && one.value === value)?.fixed;
  return fixed?.range ?? rangeOf(set, value)!;
}

/** A life on files in memory. */
export class Life {
  readonly model = new Model();
  readonly files = new Files();
  readonly pods = new Pods();
  readonly #configs: readonly Variant[];
  /** The config with which the files will be opened first in this boot, if nobody has yet. */
  #opener: Variant | undefined;
  #boots = 0;
  /** The config of the last ADD that gave something: what the verbs go by. Unknown after trouble. */
  #settings: Variant | undefined;
  /** The step never came to opening the files. */
  #unopened = false;
  readonly #clocks: Clocks;

  constructor(configs: readonly Variant[], wall: number) {
    this.#configs = configs;
    const { disk } = this.files;
    disk.wall = wall;
    disk.machine = this.pods.machine;
    disk.node = this.model.node;
    this.#clocks = new Clocks(disk);
  }

  /** What the next opening of the files will find; throws what their check finds. */
  dump(): Dump {
    return this.files.dump(this.#opener);
  }

  /** The model beside the files. */
  check(): void {
    compare(this.model, this.dump());
  }

  play(step: Step): void {
    const config = this.#configs[step.config]!;
    if (this.#opener) this.#open(step, config);
    this.#unopened = false;
    if (step.do === "die") this.pods.end(ownerOf(step));
    else if (step.do === "time") {
      this.files.disk.now += step.seconds;
      this.model.now += step.seconds;
    } else if (step.do === "wall") {
      this.#clocks.jump(step.seconds);
    } else if (step.do === "reboot") this.#reboot(step, config);
    else if (step.do === "add") this.#addPod(step, variantOf(step, config));
    else if (step.do === "del") {
      this.#del(step, config);
      this.pods.end(ownerOf(step));
    } else if (step.do === "gc") this.#gc(step, config);
    else if (step.do === "check" || step.do === "status") this.#look(step, config);
    else if (step.do === "collect") this.#collectDead();
    else this.#operate(step);
    if (this.#isPlain(step) && step.do !== "reboot" && !this.#unopened) this.#opener = undefined;
  }

  // The model took over what the first opening of the boot finds now and with this config: where
  // the step would open the files later or with another `reboot`, it is done before. So it is
  // where a file operation is to fail: the next call would be the first opening.
  #open(step: Step, config: Variant): void {
    const bare = ["release", "let go", "reserve", "collect"].includes(step.do);
    const without = bare || (step.do === "del" && step.fault === "bare");
    const reboot = without ? "release" : config.reboot;
    const fails = step.trouble?.errno !== undefined;
    const other = reboot !== this.#opener!.reboot;
    const later = step.do === "time" || step.do === "wall" || step.do === "die";
    // Files that nobody opens in a boot know nothing of the time before it, once the clock is put back.
    const back = step.do === "reboot" && step.down < 0;
    if (!later && !back && !other && !fails) return;
    this.files.call("STATUS", {}, this.#opener!.json);
    this.#opener = undefined;
  }

  #reboot(step: Of<"reboot">, config: Variant): void {
    const { model } = this;
    const { disk } = this.files;
    const real = disk.wall + disk.now;
    const gap = this.#clocks.gap(step.down, step.now, step.cut !== undefined);
    this.pods.reboot();
    if (gap.cut) this.#settings = undefined;
    // A cut may take back this boot's first opening, too. With the clock put back nobody could know
    // of the time that this boot has carried over.
    if (step.down < 0) disk.syncNames();
    if (step.cut === undefined) disk.flush();
    else disk.cut(randomFrom(step.cut));
    disk.boot = `bbbbbbbb-cccc-dddd-eeee-${String(++this.#boots).padStart(12, "0")}`;
    const was = model.now;
    disk.now = step.now;
    model.now = step.now;
    disk.wall = real + step.down - disk.now;
    this.#opener = config;
    adopt(model, this.dump(), was, gap, config.reboot === "keep");
    this.#clocks.booted();
    for (const at of step.kills) this.files.call("STATUS", {}, config.json, { at });
    this.check();
  }

  /** Did the call come to an end as if nothing had happened? Else its files tell how far it came. */
  #isPlain({ trouble }: Step): boolean {
    return trouble === undefined;
  }

  /** What the notes on disk let go in a call that writes. */
  #applyNotes(noted: string[], how: How, dump?: Dump): void {
    let named = false;
    for (const owner of noted) {
      if (dump && heldIn(dump, owner).length > 0) continue;
      if (leave(this.model, owner, how)) named = true;
    }
    if (!dump) this.#promise(how, false, named);
  }

  // A network that is never synced begins its log anew without syncing the image: with that it
  // may lose what an earlier config had synced.
  #promise({ sync }: How, changed: boolean, named: boolean): void {
    if (changed) this.#clocks.wrote();
    if (this.#configs.some((config) => config.sync === "never")) return;
    if (named || (changed && sync === "always")) this.model.durable();
  }

  #addPod(step: Of<"add">, config: Variant): void {
    const { owners } = this.model;
    const owner = ownerOf(step);
    if (step.netns !== undefined) this.pods.begin(step.netns);
    const before = owners.get(owner);
    this.#add(step, config);
    const after = owners.get(owner);
    if (step.netns !== undefined) this.pods.added(owner, step.netns, after !== before);
    else if (after !== before) this.pods.forget(owner);
  }

  #add(step: Of<"add">, config: Variant): void {
    const { model } = this;
    const owner = ownerOf(step);
    const ask = askOf(step, config);
    const noted = this.files.noted();
    const outcome = this.files.call("ADD", environment(step), configOf(step, config), step.trouble);
    if (ask instanceof RegExp) {
      this.#unopened = true;
      if (outcome.killed) return; // while it told the recorder: nothing else is changed
      const { code, msg } = outcome.json ?? {};
      if (code === 110 && /^annotation \S*: /.test(msg) && ask.test(msg)) {
        if (!this.#opener && !step.trouble) this.#clocks.wrote(); // the recorder's commit
        return;
      }
      throw new Fault(`${ask} is due, an ADD was answered ${code} ${msg}`);
    }
    if (step.trouble?.lock) {
      if (outcome.json?.code !== 11) throw new Fault("an ADD without the lock isn't error 11");
      return;
    }
    const answer = answerOf(outcome);
    if (this.#isPlain(step)) {
      this.#applyNotes(noted, config);
      const named = model.add(ask, answer);
      if (this.files.noted().length > 0) throw new Fault("notes are left after an ADD");
      this.#promise(config, answer.ok, named);
      // A refused one keeps its config, too.
      if (!step.statics) this.#settings = config;
      return;
    }
    this.#settings = undefined;
    const dump = this.dump();
    this.#applyNotes(noted, config, dump);
    const held = heldIn(dump, owner);
    const had = model.owners.has(owner);
    let named = false;
    if (!had && held.length > 0) {
      const ips = ask.config.sets.map((set) => {
        const p = held.find((one) => one.set === set.index);
        if (!p) throw new Fault(`${owner} holds nothing of range set ${set.index}`);
        return {
          family: p.family,
          value: p.value,
          ...resultOf(set.family, rangeFor(ask, set, p.value)),
        };
      });
      named = model.add(ask, { ok: true, code: 0, msg: "", ips });
    }
    if (!had && !outcome.killed && answer.ok !== held.length > 0)
      throw new Fault(
        `an ADD was answered ${answer.ok ? "success" : answer.msg}, but ${owner} holds ${held.length}`,
      );
    if (answer.ok && !outcome.killed) {
      for (const { family, value } of answer.ips)
        if (!heldIn(dump, owner).some((p) => keyOf(p.family, p.value) === keyOf(family, value)))
          throw new Fault("an ADD answered what isn't held");
      this.#promise(config, true, named);
    }
    model.forgetCursors();
    compare(model, dump);
  }

  #del(step: Of<"del">, config: Variant): void {
    const { model } = this;
    const owner = ownerOf(step);
    const bare = { cooldown: 0, reserve: "remembered" as const, sync: "named" as const };
    const own: How = step.fault === "bare" ? bare : config;
    const names = this.files.noteNames();
    const noted = this.files.noted();
    const outcome = this.files.call("DEL", environment(step), configOf(step, config), step.trouble);
    this.files.note(owner, names);
    if (!outcome.killed && outcome.status !== 0) {
      if (outcome.json?.code !== 11 || this.#isPlain(step))
        throw new Fault(`DEL: ${outcome.json?.msg}`);
    }
    if (this.#isPlain(step)) {
      this.#applyNotes(noted, own);
      const had = model.owners.has(owner);
      const named = leave(model, owner, own);
      // Without a state there is nothing to let go: the first ADD looks at them.
      if (this.files.noted().length > 0 && this.files.disk.names.has("berth.state"))
        throw new Fault("notes are left after a DEL");
      this.#promise(own, had, named);
      return;
    }
    const dump = this.dump();
    this.#applyNotes(noted, own, dump);
    const had = model.owners.has(owner);
    const held = heldIn(dump, owner).length > 0;
    if (had && !held) {
      const named = leave(model, owner, own);
      const said = outcome.status === 0 && !outcome.killed;
      this.#promise(own, said, said && named);
    }
    if (held && !outcome.killed && outcome.status === 0 && !this.files.noted().includes(owner))
      throw new Fault(`a DEL of ${owner} succeeded and did nothing`);
    compare(model, dump);
  }

  #gc(step: Of<"gc">, config: Variant): void {
    const { model } = this;
    const noted = this.files.noted();
    const outcome = this.files.call("GC", {}, configOf(step, config), step.trouble);
    const keep = new Set(step.keep.map(ownerOf));
    const plain = this.#isPlain(step);
    if (plain && outcome.status !== 0) throw new Fault(`GC: ${outcome.json?.msg}`);
    const dump = this.dump();
    if (!step.trouble?.lock) this.#applyNotes(noted, config, plain ? undefined : dump);
    const all = [...model.owners.values()].filter(({ owner }) => !keep.has(owner));
    this.#leaveAll(all, config, outcome.status === 0 && !outcome.killed, dump);
  }

  /** All that are to leave have left, if that was `said`; else those that are gone. */
  #leaveAll(all: readonly Allocation[], how: How, said: boolean, dump: Dump): void {
    const { model } = this;
    const gone = (owner: string) => heldIn(dump, owner).length === 0;
    const before = new Map([...model.past].map(([key, states]) => [key, states.length]));
    const leaving = inOrder(all, ({ keys }) => dump.get(keys[0]!)?.state === "reserved");
    const reserved: Allocation[] = [];
    for (const whose of leaving) {
      if (!gone(whose.owner) && said) throw new Fault(`GC left ${whose.owner}`);
      if (gone(whose.owner) && leave(model, whose.owner, how)) reserved.push(whose);
    }
    if (said) this.#collected(how, leaving.length > 0, reserved, before);
    compare(model, dump);
  }

  /** `berth gc`: one look at the machine. */
  #collectDead(): void {
    const verbs = this.#verbs({});
    if (!verbs) return;
    const { status, json } = verbs.verb("gc");
    const { error, ...one } = json?.networks?.[0] ?? {};
    if (status !== 0) throw new Fault(`berth gc: ${error?.msg ?? json?.msg}`);
    verbs.applied();
    const { due, ...look } = this.pods.look(this.model);
    for (const [what, count] of Object.entries({ ...look, due: due.length, freed: due.length }))
      if (one[what] !== count) throw new Fault(`berth gc: ${one[what]} ${what}, ${count} are`);
    this.#leaveAll(due, verbs.how, true, this.dump());
  }

  // A collection is several commits: behind one that is synced may follow others that aren't.
  #collected(
    config: How,
    changed: boolean,
    reserved: Allocation[],
    before: Map<string, number>,
  ): void {
    this.#promise(config, changed, false);
    if (reserved.length === 0 || this.#configs.some(({ sync }) => sync === "never")) return;
    const { past } = this.model;
    for (const [key, states] of past) past.set(key, states.slice(before.get(key) ?? 0));
    for (const key of reserved.flatMap(({ keys }) => keys)) past.delete(key);
    for (const [key, states] of past) if (states.length === 0) past.delete(key);
    this.model.pastKeep = [];
  }

  /**
   * How verbs are called; they go by the config of the last ADD. Where that isn't known nobody
   * knows what is right: undefined.
   */
  #verbs(trouble: Trouble) {
    const settings = this.#settings;
    this.#unopened = settings === undefined;
    if (!settings) return undefined;
    const noted = this.files.noted();
    const how: How = { ...settings, sync: "named" };
    const verb = (...words: string[]): Outcome => this.files.verb(words, trouble);
    const applied = (dump?: Dump) => this.#applyNotes(noted, how, dump);
    return { settings, how, verb, applied };
  }

  /** What an operator does by hand. */
  #operate(step: Of<"release"> | Of<"let go"> | Of<"reserve">): void {
    const { model } = this;
    const verbs = this.#verbs(step.trouble ?? {});
    if (!verbs) return;
    const { settings, how, verb, applied } = verbs;
    if (this.#isPlain(step)) {
      const done =
        step.do === "reserve"
          ? reserveVerb(model, settings, step, verb, applied)
          : releaseVerb(model, settings, step, verb, applied);
      this.#promise(how, done !== undefined, done ?? false);
      compare(model, this.dump());
      return;
    }
    const outcome = verb(...wordsOf(step));
    const dump = this.dump();
    if (!step.trouble?.lock) applied(dump);
    const said = outcome.status === 0 && !outcome.killed;
    const named =
      step.do === "reserve"
        ? reservePart(model, settings, step, dump, said)
        : releasePart(model, settings, step, dump, said);
    if (said) this.#promise(how, true, named);
    compare(model, dump);
  }

  #look(step: Of<"check"> | Of<"status">, config: Variant): void {
    const { model } = this;
    const check = step.do === "check";
    const env = check ? environment(step) : {};
    const verb = check ? "CHECK" : "STATUS";
    const { status, json } = this.files.call(verb, env, configOf(step, config), step.trouble);
    if (!this.#isPlain(step)) {
      this.check();
      return;
    }
    const said = status === 0 ? "success" : json?.msg;
    if (!check) {
      const full = model.full(config);
      if (full !== undefined && full !== (status !== 0)) throw new Fault(`STATUS: ${said}`);
      return;
    }
    const owner = ownerOf(step);
    if (this.files.noted().includes(owner)) return;
    const keys = model.owners.get(owner)?.keys;
    const previous = step.previous?.map((ip) => keyOf(wanted(ip).family, wanted(ip).value));
    const right = keys !== undefined && (!previous || keys.every((key) => previous.includes(key)));
    if (right !== (status === 0)) throw new Fault(`CHECK of ${owner}: ${said}`);
  }
}

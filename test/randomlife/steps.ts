// The steps of a random life, as data: each can be played again without those before it, so that a
// failing life can be cut down. What is done next depends on the random numbers and on the model's
// present state.

import { owner as ownerNumber } from "../support/world.ts";
import { CALICO, OURS } from "./fixed.ts";
import type { Model, Wanted } from "./model.ts";
import { rangeName, subnetOf, text, type Variant } from "./network.ts";

/** A file operation at which the process is killed or gets an error, or a lock that isn't given. */
export interface Trouble {
  at?: number;
  errno?: number;
  lock?: number;
}

export interface Who {
  id: string;
  ifname: string;
}

export type Step = { config: number; trouble?: Trouble } & (
  | ({
      do: "add";
      pod: string;
      ips: [source: "CNI_ARGS" | "args" | "runtime", ip: string][];
      /** Addresses that an annotation fixes; a time that one asks for. */
      fix?: { by: string; addresses: string[] };
      asked?: { text: string; seconds: number };
      /** Ranges from which an annotation wants the others. */
      pool?: string[];
      /** Mode static, with these addresses. */
      statics?: string[];
      /** Its network namespace; without it the plugin can't tell. */
      netns?: number;
    } & Who)
  | ({ do: "del"; pod: string; fault?: "bare" | "broken" } & Who)
  | ({ do: "check"; previous?: string[] } & Who)
  | { do: "status" }
  | { do: "gc"; keep: Who[]; key: "cni.dev/valid-attachments" | "cni.dev/attachments" }
  | { do: "time"; seconds: number }
  | { do: "wall"; seconds: number }
  | { do: "reboot"; cut?: number; now: number; down: number; kills: number[] }
  | { do: "release"; word: string }
  | ({ do: "let go" } & Who)
  | ({ do: "die" } & Who)
  | { do: "collect" }
  | { do: "reserve"; name: string; seconds: number; addresses: string[] }
);

/** Which kinds of steps a life may have. */
export interface Scope {
  /**
   * Kills, errors, power cuts, locks that aren't given, times to the second: only on files in memory.
   */
  trouble: boolean;
  /** What an operator does by hand. */
  verbs: boolean;
}

export function ownerOf({ id, ifname }: Who): string {
  return `${id}/${ifname}`;
}

const NAMES = ["web-0", "web-1", "web-2", "db-0", "api-7c9d4b-x2x9z", "job-24569", "x-24560"];
const MORE = ["etcd-node-1", "static-2-node-1", "n".repeat(60), "m".repeat(253)];
/** namespace/name. */
const PODS = [...[...NAMES, ...MORE].map((name) => `ns/${name}`), "shop/web-0", "shop/db-0"];
const ASKED = [
  { text: "10", seconds: 10 },
  { text: "90s", seconds: 90 },
  { text: " 5m ", seconds: 300 },
  { text: "24h", seconds: 86_400 },
  { text: "200h", seconds: 720_000 },
];

const TIMES = [1, 1, 2, 5, 30, 60, 600, 4000, 100_000];
const DOWN = [0, 10, 30, 300, 4000, 90_000, -5000];
/** Seconds that end nothing within a minute of when it is due: calls outside take their time. */
const COARSE = [1000, 1000, 100_000];

export class Steps {
  readonly #random: (n: number) => number;
  readonly #model: Model;
  readonly #configs: readonly Variant[];
  readonly #scope: Scope;
  /** The containers of late, of which some are gone. */
  #recent: (Who & { pod: string; config: number })[] = [];
  #count = 0;
  #namespaces = 0;
  /** Looks of `berth gc` that are to come. */
  #looks = 0;
  #config = 0;
  /** Of 100 steps so many are ADDs: the network fills and empties in turns. */
  #adds = 50;

  constructor(
    random: (n: number) => number,
    model: Model,
    configs: readonly Variant[],
    scope: Scope,
  ) {
    this.#random = random;
    this.#model = model;
    this.#configs = configs;
    this.#scope = scope;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)]!;
  }

  #trouble(): { trouble?: Trouble } {
    if (!this.#scope.trouble || this.#random(12) > 0) return {};
    const dice = this.#random(10);
    if (dice === 0) return { trouble: { lock: -11 } };
    const at = this.#random(30);
    return { trouble: dice < 4 ? { at, errno: this.#pick([5, 28]) } : { at } };
  }

  /** An address near the ranges of a config, or one that somebody has. */
  #address(config: Variant, name: string): Wanted {
    const places = [...this.#model.places.values()];
    const own = places.filter((p) => p.whose.name === name);
    if (own.length > 0 && this.#random(2) === 0) return this.#pick(own);
    if (places.length > 0 && this.#random(4) === 0) return this.#pick(places);
    const set = this.#pick(config.sets);
    const range = this.#pick(set.ranges);
    const value =
      range.start +
      BigInt(
        this.#random(Number(range.end - range.start > 40n ? 40n : range.end - range.start) + 1),
      );
    return { family: set.family, value: this.#random(12) === 0 ? value + 70n : value };
  }

  /** What an annotation may name, rightly or not: near the ranges, in their subnets, outside. */
  #subnetAddress(config: Variant, name: string): Wanted {
    if (this.#random(2) === 0) return this.#address(config, name);
    const { family, ranges } = this.#pick(config.sets);
    const { base } = subnetOf(family, this.#pick(ranges));
    const last = this.#random(12) === 0 ? this.#pick([63, 64, -1]) : this.#random(64);
    return { family, value: base + BigInt(last) };
  }

  /** Annotations, or mode static. */
  #fixed(config: Variant, name: string): Partial<Extract<Step, { do: "add" }>> {
    const dice = this.#random(30);
    const addresses = (count: number) => {
      const all = Array.from({ length: count }, () => this.#subnetAddress(config, name));
      return [...new Set(all.map(({ family, value }) => text(family, value)))];
    };
    if (dice === 0) return { statics: addresses(1 + this.#random(3)), ips: [] };
    const times = this.#random(12) === 0 ? { asked: this.#pick(ASKED) } : {};
    const set = this.#pick(config.sets);
    const names = set.ranges.map((_, n) => rangeName(set.index, n));
    const pool = this.#random(12) === 0 ? { pool: [this.#pick(names)] } : {};
    const asked = { ...times, ...pool };
    if (dice > 4) return asked;
    const by = this.#pick([OURS, CALICO]);
    const all = addresses(1 + this.#random(by === OURS ? 3 : 2));
    // Calico's has one address of each family.
    const isSix = (one: string) => one.includes(":");
    const first = (one: string, n: number) => n === all.findIndex((x) => isSix(x) === isSix(one));
    return { ...asked, fix: { by, addresses: by === OURS ? all : all.filter(first) } };
  }

  #ips(config: Variant, name: string): ["CNI_ARGS" | "args" | "runtime", string][] {
    if (this.#random(6) > 0) return [];
    const count = 1 + this.#random(2);
    return Array.from({ length: count }, () => {
      const { family, value } = this.#address(config, name);
      return [this.#pick(["CNI_ARGS", "args", "runtime"] as const), text(family, value)];
    });
  }

  #add(config: number): Step {
    const old = this.#recent.length > 0 && this.#random(15) === 0;
    const { id, ifname } = old ? this.#pick(this.#recent) : ownerNumber(this.#count++);
    const pod = this.#random(4) === 0 ? "" : this.#pick(PODS);
    this.#recent.push({ id, ifname, pod, config });
    if (this.#recent.length > 60) this.#recent.shift();
    const ips = this.#ips(this.#configs[config]!, pod);
    // CNI_ARGS has one place for an address.
    const one = ips.filter(([source], n) => source !== "CNI_ARGS" || n === 0);
    const fixed = this.#fixed(this.#configs[config]!, pod);
    const known = this.#scope.trouble && this.#random(8) > 0;
    const netns = known ? { netns: 10_000 + ++this.#namespaces } : {};
    return { do: "add", config, id, ifname, pod, ips: one, ...fixed, ...netns, ...this.#trouble() };
  }

  #del(config: number): Step {
    const held = this.#recent.filter((who) => this.#model.owners.has(ownerOf(who)));
    const late = held.length === 0 || this.#random(5) === 0;
    const who = this.#pick(late ? this.#recent : held);
    // CRI-O and flannel hand over the config of the ADD.
    const replayed = this.#random(6) === 0 ? who.config : config;
    const fault =
      this.#random(15) === 0
        ? {
            fault: this.#scope.trouble
              ? this.#pick(["bare", "broken"] as const)
              : ("broken" as const),
          }
        : {};
    const { id, ifname, pod } = who;
    return { do: "del", config: replayed, id, ifname, pod, ...fault, ...this.#trouble() };
  }

  #who(owner: string): Who {
    const at = owner.lastIndexOf("/");
    return { id: owner.slice(0, at), ifname: owner.slice(at + 1) };
  }

  #look(config: number): Step {
    if (this.#random(3) === 0) return { do: "status", config, ...this.#trouble() };
    const who = this.#pick(this.#recent);
    const held = this.#model.owners.get(ownerOf(who))?.keys ?? [];
    const previous = held.map((key) => {
      const [family, value] = key.split(":");
      return text(family === "4" ? 4 : 6, BigInt(value!));
    });
    if (this.#random(2) === 0 && previous.length > 0) previous.pop();
    const given = this.#random(2) === 0 ? {} : { previous };
    return { do: "check", config, id: who.id, ifname: who.ifname, ...given, ...this.#trouble() };
  }

  #collect(config: number): Step {
    const owners = [...this.#model.owners.keys()].map((owner) => this.#who(owner));
    const odds = this.#pick([1, 4, 8, 8, 20]);
    const keep = owners.filter(() => this.#random(odds) > 0);
    const key = this.#pick(["cni.dev/valid-attachments", "cni.dev/attachments"] as const);
    return { do: "gc", config, keep, key, ...this.#trouble() };
  }

  /** `berth gc`, and soon again: two looks are what frees. */
  #collectDead(config: number, looks = this.#looks): Step {
    this.#looks = looks - 1;
    return { do: "collect", config };
  }

  /** What an operator does by hand. */
  #operator(config: number): Step {
    const places = [...this.#model.places.values()];
    const one = places.length > 0 && this.#random(8) > 0 ? this.#pick(places) : undefined;
    const { family, value } = one ?? this.#address(this.#configs[config]!, "");
    const dice = this.#random(6);
    const { id, ifname } = this.#pick(this.#recent);
    const trouble = this.#trouble();
    if (dice === 0) return { do: "let go", config, id, ifname, ...trouble };
    if (dice === 1) return { do: "release", config, word: this.#pick(PODS), ...trouble };
    if (dice < 4) return { do: "release", config, word: text(family, value), ...trouble };
    const count = this.#pick([0, 0, 1, 2]);
    const near = Array.from({ length: count }, () => this.#address(this.#configs[config]!, ""));
    const addresses = near.map((it) => text(it.family, it.value));
    const seconds = this.#pick(this.#scope.trouble ? [5, 60, 3600, 90_000] : [3600, 86_400]);
    return { do: "reserve", config, name: this.#pick(PODS), seconds, addresses, ...trouble };
  }

  #reboot(config: number): Step {
    const down = this.#pick(this.#scope.trouble ? DOWN : COARSE);
    const now = this.#scope.trouble ? 20 + this.#random(100) : 30;
    const cut = this.#scope.trouble && this.#random(2) === 0 ? { cut: this.#random(1e9) } : {};
    const count = this.#scope.trouble ? this.#pick([0, 0, 1, 2]) : 0;
    const kills = Array.from({ length: count }, () => this.#random(30));
    return { do: "reboot", config, now, down, kills, ...cut };
  }

  next(): Step {
    if (this.#random(100) === 0) this.#config = this.#random(this.#configs.length);
    if (this.#random(60) === 0) this.#adds = this.#pick([30, 50, 60, 75]);
    const config = this.#random(30) === 0 ? this.#random(this.#configs.length) : this.#config;
    const dice = this.#random(1000);
    if (this.#recent.length === 0) return this.#add(config);
    if (dice < 4) return this.#reboot(config);
    if (dice < 20) return this.#collect(config);
    if (dice < 80) return this.#look(config);
    // Processes are so slow that a short life has to have some, too.
    const byHand = this.#scope.trouble ? 90 : 140;
    if (dice < byHand && this.#scope.verbs) return this.#operator(config);
    if (this.#looks > 0 && this.#random(3) === 0) return this.#collectDead(config);
    if (dice < 98 && this.#scope.trouble) return this.#collectDead(config, 1 + this.#random(3));
    if (dice < 110 && this.#scope.trouble) {
      const held = this.#recent.filter((who) => this.#model.owners.has(ownerOf(who)));
      const { id, ifname } = this.#pick(held.length > 0 ? held : this.#recent);
      // Its DEL never comes.
      const rest = this.#recent.filter((who) => who.id !== id);
      if (rest.length > 0) this.#recent = rest;
      return { do: "die", config, id, ifname };
    }
    if (dice < 160) {
      const seconds = this.#pick(this.#scope.trouble ? TIMES : COARSE);
      return { do: "time", config, seconds };
    }
    if (dice < 165) {
      const seconds = this.#pick([-100_000, -3600, -5, 5, 3600, 1_000_000]);
      return { do: "wall", config, seconds };
    }
    return this.#random(100) < this.#adds ? this.#add(config) : this.#del(config);
  }
}

/** The requests of a step as upstream orders them: CNI_ARGS, args, runtimeConfig; each once. */
export function wantedOf(ips: readonly [source: string, ip: string][]): string[] {
  const order = ["CNI_ARGS", "args", "runtime"];
  const sorted = order.flatMap((source) => ips.filter(([s]) => s === source).map(([, ip]) => ip));
  return [...new Set(sorted)];
}

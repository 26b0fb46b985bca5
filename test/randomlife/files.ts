// The files of a life, in memory, and whoever calls the plugin or a verb on them: what was said, which
// DEL notes lie there, and what the files hold.

import { Copy } from "../support/check.ts";
import { call, Disk, freshMemory, type Outcome, type Plan } from "../support/memoryhost.ts";
import { type Dump, dumpOf } from "./compare.ts";
import { Fault } from "./model.ts";
import type { Variant } from "./network.ts";
import type { Trouble } from "./steps.ts";

export type Verb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS";

function planOf({ at, errno }: Trouble): Plan | undefined {
  if (at === undefined) return undefined;
  return errno === undefined ? { at } : { at, errno };
}

export class Files {
  readonly disk = new Disk();
  /** What the last call answered. */
  said: Outcome | undefined;
  /** Owners by the names of their DEL notes. */
  readonly #notes = new Map<string, string>();

  /** A call of the plugin. Throws where it calls the state damaged and no file operation failed. */
  call(verb: Verb, env: Record<string, string>, config: object, trouble: Trouble = {}): Outcome {
    const all = { CNI_COMMAND: verb, CNI_PATH: "/x", ...env };
    const outcome = call(this.disk, all, config, planOf(trouble), trouble.lock);
    this.said = outcome;
    if (trouble.errno === undefined && /damaged|internal fault/.test(outcome.json?.msg ?? ""))
      throw new Fault(`${verb}: ${outcome.json.msg}`);
    return outcome;
  }

  /** One of the operator's verbs, on the life's network. */
  verb(words: readonly string[], trouble: Trouble = {}): Outcome {
    const { disk } = this;
    disk.argv = [...words, "--network", "life", "--json"];
    this.said = call(disk, {}, "", planOf(trouble), trouble.lock);
    disk.argv = [];
    return this.said;
  }

  /** Names of the DEL notes. */
  noteNames(): string[] {
    return [...this.disk.names.keys()].filter((name) => name.startsWith("del-"));
  }

  /** Owners whose DEL notes wait. */
  noted(): string[] {
    return this.noteNames().map((name) => this.#notes.get(name)!);
  }

  /** A DEL of the owner has been called: notes that weren't among `before` are its own. */
  note(owner: string, before: readonly string[]): void {
    for (const name of this.noteNames()) if (!before.includes(name)) this.#notes.set(name, owner);
  }

  /**
   * What the next opening of the files will find (by a STATUS with the config `opener` on a copy of
   * them, if nobody has opened them in this boot); throws what their check finds.
   */
  dump(opener?: Variant): Dump {
    let { disk } = this;
    if (opener) {
      disk = disk.clone();
      const env = { CNI_COMMAND: "STATUS", CNI_PATH: "/x" };
      const { status, json: said } = call(disk, env, opener.json);
      if (status !== 0 && !/no IP addresses available/.test(said?.msg)) throw new Fault(said?.msg);
    }
    const state = disk.read("berth.state");
    if (!state) return new Map();
    const copy = new Copy(state, disk.read("berth.log") ?? new Uint8Array(0), freshMemory());
    const faults = copy.faults();
    if (faults.length > 0) throw new Fault(`check: ${faults.join("; ")}`);
    return dumpOf(copy.places());
  }
}

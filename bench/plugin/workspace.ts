// Workspace: the temporary directory of one sweep and everything that has to be undone after it.
//
// Whatever is made outside the directory (a network namespace) is registered with `undo`. It is
// undone on every way out: the end, an error, a signal.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killRunning, undoAtSignal } from "../method/leaving.ts";
import { execute } from "./execute.ts";
import type { HeldFiles } from "./held.ts";

export class Workspace {
  readonly directory: string;
  /** Files that every sweep's networks share. */
  readonly held: HeldFiles;
  #undo: (() => Promise<unknown>)[] = [];
  readonly #paths: string[] = [];
  readonly #forget: () => void;
  #closed: Promise<void> | undefined;

  constructor(held: HeldFiles) {
    this.held = held;
    this.directory = mkdtempSync(join(tmpdir(), "berth-bench-"));
    this.#forget = undoAtSignal(() => this.close());
  }

  /** A path in the workspace that nobody else has; nothing is created. */
  path(name: string): string {
    const path = join(this.directory, `${this.#paths.length + 1}-${name}`);
    this.#paths.push(path);
    return path;
  }

  /** How many paths were asked for until now. */
  mark(): number {
    return this.#paths.length;
  }

  /**
   * Removes what is at the paths since `mark`: an experiment's states, as soon as it has ended. By
   * rm, since rmSync takes minutes for what host-local makes of 60,000 pods.
   */
  async clear(mark: number): Promise<void> {
    await execute("rm", ["-rf", ...this.#paths.slice(mark)]);
  }

  /**
   * Has the disk write what the making of states has left to write, so that it doesn't do so while
   * calls are measured that commit to the same journal.
   */
  async settle(): Promise<void> {
    await execute("sync", ["-f", this.directory]);
  }

  undo(action: () => Promise<unknown>): void {
    this.#undo.push(action);
  }

  /** Once, also when a signal and the end of the run it has broken both want it. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    killRunning();
    for (const action of this.#undo.splice(0).reverse()) await action().catch(() => {});
    // Plugins of a storm that was ended may make a last file.
    const retry = { maxRetries: 8, retryDelay: 100 };
    rmSync(this.directory, { recursive: true, force: true, ...retry });
    this.#forget();
  }
}

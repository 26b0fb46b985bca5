// Held files: what host-local leaves behind for pods that hold addresses, a file with the pod's id
// and interface for each address. A pod's is made once in a run and linked into every network that
// wants it, under the name of each of its addresses: host-local reads such files and never writes
// to one again. Else 60,000 pods were 240,000 files in each pass, two programs' together, which
// some disks take a minute to make and longer to remove.
//
//     <temporary directory>/<k>        held-<k> CR LF eth0
//
// A file has as many names as there are such networks in a run; ext4 allows 65,000.
import { linkSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { undoAtSignal } from "../method/leaving.ts";
import { execute } from "./execute.ts";

export class HeldFiles {
  #directory = "";
  #forget = () => {};
  /** Pods whose file is there: those below this number. */
  #made = 0;

  /** Gives pod `k`'s file one more name. */
  link(k: number, path: string): void {
    if (!this.#directory) {
      this.#directory = mkdtempSync(join(tmpdir(), "berth-bench-held-"));
      this.#forget = undoAtSignal(() => this.close());
    }
    for (; this.#made <= k; this.#made++)
      writeFileSync(this.#pathOf(this.#made), `held-${this.#made}\r\neth0`, { mode: 0o600 });
    linkSync(this.#pathOf(k), path);
  }

  #pathOf(k: number): string {
    return join(this.#directory, String(k));
  }

  /** Removes the files. */
  async close(): Promise<void> {
    const directory = this.#directory;
    this.#directory = "";
    this.#made = 0;
    if (directory) await execute("rm", ["-rf", directory]);
    this.#forget();
  }
}

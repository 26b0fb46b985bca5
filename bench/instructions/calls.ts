// Calls: single requests to the plugin in a network of their own, where no clock runs.
import { spawnSync } from "node:child_process";
import { addressesOf } from "../plugin/network.ts";
import { COMMON_ENV } from "../plugin/spawner.ts";

export class PluginCalls {
  readonly #path: string;
  readonly #input: string;

  constructor(path: string, dataDir: string) {
    this.#path = path;
    const [v4, v6] = addressesOf(-2);
    const ranges = [[{ subnet: `${v4}/14` }], [{ subnet: `${v6.replace(/::0$/, "::")}/64` }]];
    const ipam = { type: "berth", dataDir, ranges };
    this.#input = JSON.stringify({ cniVersion: "1.0.0", name: "bench", type: "berth", ipam });
  }

  /** Environment and standard input of a call. */
  request(command: "ADD" | "DEL", id: string): { env: Record<string, string>; input: string } {
    const env = { ...COMMON_ENV, CNI_COMMAND: command, CNI_CONTAINERID: id };
    return { env, input: this.#input };
  }

  #call(command: "ADD" | "DEL", id: string): void {
    const done = spawnSync(this.#path, { ...this.request(command, id), encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${command} of ${id} failed: ${done.stdout}`);
  }

  addOne(id: string): void {
    this.#call("ADD", id);
  }

  /** So many pods come. */
  addMany(count: number): void {
    for (let k = 0; k < count; k++) this.addOne(`held-${k}`);
  }

  remove(id: string): void {
    this.#call("DEL", id);
  }
}

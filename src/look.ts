// Host functions that look at the machine outside the network's directory, in Node: what
// native/world.c and native/files.c do for the verbs (assembly/host.ts says what each answers).
import * as fs from "node:fs";
import { isatty } from "node:tty";
import { errnoOf } from "./errno.ts";
import { buildPath } from "./wasm.ts";

/** `bytes` are the memory's, from an address on. */
export function lookFunctions(bytes: (at: number, length: number) => Uint8Array) {
  const path = (at: number, length: number) => Buffer.from(bytes(at, length));
  return {
    inode(at: number, length: number): bigint {
      try {
        return fs.statSync(path(at, length), { bigint: true }).ino;
      } catch (error) {
        return BigInt(errnoOf(error));
      }
    },
    permit(handle: number, mode: number): number {
      try {
        fs.fchmodSync(handle, mode);
        return 0;
      } catch (error) {
        return errnoOf(error);
      }
    },
    terminal: (fd: number) => Number(isatty(fd)),
    program(into: number, cap: number): number {
      const where = Buffer.from(buildPath("bin/berth"));
      bytes(into, cap).set(where.subarray(0, cap));
      return where.length;
    },
    listAt(at: number, length: number, into: number, cap: number): number {
      try {
        const names = fs.readdirSync(path(at, length), { encoding: "buffer" });
        const all = Buffer.concat(names.flatMap((name) => [name, Buffer.alloc(1)]));
        if (all.length > cap) return cap + 1;
        bytes(into, cap).set(all);
        return all.length;
      } catch (error) {
        return errnoOf(error);
      }
    },
  };
}

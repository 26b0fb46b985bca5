// Applying an entry of the log: an entry that names a place outside the image leaves nothing behind
// for the entries that the same instance applies after it.
import { expect, it } from "vitest";
import { type Exports, MEMORY_PAGES } from "../src/wasm.ts";
import { fixtureModule } from "./support/fixture.ts";

const PAGE = 4096;
const EINVAL = -22;
/** Where the header's words of a commit begin. */
const APPLIED = 96;

it("an entry that couldn't be applied leaves no page for the next one to write", () => {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  const written: [page: number, at: number, bytes: number][] = [];
  const host = new Proxy(
    {
      write: (file: number, at: number, _: number, bytes: number) => {
        expect(file).toBe(3);
        if (at !== APPLIED) written.push([Math.floor(at / PAGE), at % PAGE, bytes]);
        return 0;
      },
    },
    { get: (own, name) => (name in own ? own.write : () => -2) },
  );
  const module = fixtureModule("entries", "rooms");
  const instance = new WebAssembly.Instance(module, { env: { memory }, host });
  const { block, wordsAt, apply } = instance.exports as unknown as Exports;
  block!();
  const view = new DataView(memory.buffer);
  const applies = (number: number, offsets: number[]): number => {
    for (const [n, offset] of offsets.entries()) {
      view.setUint32(wordsAt!() + 12 * n, offset, true);
      view.setBigUint64(wordsAt!() + 12 * n + 4, BigInt(number), true);
    }
    return apply!(offsets.length, BigInt(number));
  };
  const outside = 2 << 20;
  const pages = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => (from + n) * PAGE);
  // Few pages, and so many that they are found by slots.
  for (const [n, count] of [1, 31, 32, 40, 200].entries()) {
    expect(applies(10 * n + 1, [...pages(5, count), outside])).toBe(EINVAL);
    expect(written).toEqual([]);
    expect(applies(10 * n + 2, [...pages(220, 3), 7 * PAGE + 8, 7 * PAGE + 24])).toBe(0);
    const runs = [220, 221, 222].map((page) => [page, 0, 8]);
    expect(written.splice(0)).toEqual([...runs, [7, 8, 24]]);
    expect(applies(10 * n + 3, pages(100, count))).toBe(0);
    expect(written.splice(0)).toEqual(pages(100, count).map((at) => [at / PAGE, 0, 8]));
  }
});

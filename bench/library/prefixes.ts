// Node prefixes: a /48 cut into 65,536 sub-prefixes of /64, filled and emptied.
import { createPool, createPrefixPool } from "../../src/index.ts";
import { digits, type Line, type Measured, takeTurns } from "./measure.ts";

const PREFIXES = 65_536;

/** The table. */
export function measurePrefixes(quick: boolean): Line[] {
  using pool = createPrefixPool("fd00::/48", { length: 64 });
  using plain = createPool("10.0.0.0/16");
  const slots = new Uint32Array(PREFIXES);
  const run = (name: string, work: () => void) => ({ name, operations: 1, run: work });
  const results = takeTurns(
    [
      run("one by one", () => {
        for (let i = 0; i < PREFIXES; i++) slots[i] = pool.take() as number;
        for (let i = 0; i < PREFIXES; i++) pool.give(slots[i]!);
      }),
      run("takeMany, giveMany", () => {
        pool.takeMany(slots);
        pool.giveMany(slots);
      }),
      run("a Pool of as many addresses, one by one", () => {
        for (let i = 0; i < PREFIXES; i++) slots[i] = plain.take();
        for (let i = 0; i < PREFIXES; i++) plain.give(slots[i]!);
      }),
    ],
    quick ? 20 : 200,
  );
  const line = (m: Measured, judged: boolean): Line => ({
    section: "/48 into 65,536 of /64: fill and empty",
    what: m.name,
    figure: `${digits(m.median / 1e6)} ms, spread ${Math.round(m.spread * 100)} %`,
    ...(judged ? { target: "< 3 ms", met: m.median < 3e6 } : {}),
  });
  return results.map((m, i) => line(m, i < 2));
}

// Laws of assembly/pool/allocator.ts with its records, pools, cool-downs and indexes, against the
// golden model (support/ledger.ts), on core.wasm's options; the same calls on rooms.wasm's options
// and in C.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Book, NativeBook, OP } from "./support/book.ts";
import { type Ask, Ledger, type Reply, type SetSpec } from "./support/ledger.ts";
import { needsCompiler } from "./support/needs.ts";
import { config, nameOf, owner, randomFrom } from "./support/world.ts";

const IMAGE = 1 << 19;
const RANDOM = 2;
/** A failing run says its seed: BERTH_SEED plays it again. */
const SEED = process.env.BERTH_SEED ? { seed: Number(process.env.BERTH_SEED) } : {};

type Step = [what: number, who: number, how: number, salt: number];

/** One life: a network under two configs, calls on the core and on the model. */
class Life {
  readonly #book: Book;
  readonly ledger: Ledger;
  readonly #configs: SetSpec[][];
  #config = 0;
  #now = 1000;

  constructor(book: Book, seed: number) {
    const random = randomFrom(seed);
    this.#book = book;
    this.ledger = new Ledger(book.bounds());
    this.#configs = [config(random), config(random)];
    book.format(IMAGE, [BigInt(seed), 77n]);
    book.configure(this.sets());
  }

  sets(): SetSpec[] {
    return this.#configs[this.#config]!;
  }

  ask(who: number, how: number, salt: number): Ask {
    const random = randomFrom(salt);
    const wanted: Ask["wanted"][number][] = [];
    for (let n = [0, 0, 0, 1, 1, 2, 3][how % 7]!; n > 0; n--) {
      const { family, ranges } = this.sets()[random(this.sets().length)]!;
      const { start, end } = ranges[random(ranges.length)]!;
      const span = Number(end - start > 12n ? 12n : end - start) + 2;
      wanted.push({ family, value: start + BigInt(random(span)) });
    }
    return {
      ...owner(who % 28),
      name: nameOf(random(8)),
      wanted: wanted.filter((w, i) => wanted.findIndex((v) => v.value === w.value) === i),
      policy: [0, 0, 0, 1, 2][random(5)]!,
      random: [BigInt(salt) * 0x9e3779b97f4a7c15n, BigInt(random(1 << 30)) << 34n],
      now: this.#now,
    };
  }

  step([what, who, how, salt]: Step): void {
    const kind = what % 16;
    if (kind < 8) this.#allocate(this.ask(who, how, salt));
    else if (kind < 12)
      this.#release(this.ask(who, 0, salt), [0, 0, 3, 10, 60, 2 ** 32 - 1][how % 6]!);
    else if (kind < 14) this.#now += [1, 3, 20, 100][how % 4]!;
    else if (kind < 15) this.#collect();
    else {
      this.#config ^= 1;
      this.#book.configure(this.sets());
    }
    this.#agree();
  }

  #allocate(ask: Ask): void {
    const before = this.#book.snapshot();
    const reply = this.#book.allocate(ask);
    const agrees = (right: Reply) => isDeepStrictEqual(reply, right) && this.#isSame(ask);
    const right = this.ledger.allocate(ask, this.sets(), reply, agrees);
    if (reply.status !== 0)
      expect(this.#book.snapshot().equals(before), "all but cursors undone").toBe(true);
    expect(reply).toEqual(right);
    if (reply.status === 0) expect(this.#book.ofOwner(ask)).toEqual(this.ledger.ofOwner(ask));
    this.#cursors(ask);
    if (ask.name !== "") expect(this.#book.ofName(ask.name)).toBe(this.ledger.ofName(ask.name));
    this.#book.commit();
  }

  /** Is what isn't free the same, and do the sets go on where the model's do? */
  #isSame({ policy }: Ask): boolean {
    for (const family of [4, 6] as const)
      if (!isDeepStrictEqual(this.#book.taken(family), this.ledger.taken(family))) return false;
    const marks = [...this.ledger.cursors];
    const same = ([index, mark]: (typeof marks)[0]) =>
      isDeepStrictEqual(this.#book.cursor(index), mark);
    return policy === RANDOM || marks.every(same);
  }

  /** The cursors move as in the model; what `random` had chosen before it failed is believed. */
  #cursors(ask: Ask): void {
    for (const [index, mark] of this.ledger.cursors) {
      const core = this.#book.cursor(index);
      if (ask.policy === RANDOM) this.ledger.cursors.set(index, core);
      else expect(core).toEqual(mark);
    }
  }

  #release(ask: Ask, cooldown: number): void {
    expect(this.#book.release(ask, cooldown)).toBe(this.ledger.release(ask, cooldown));
    expect(this.#book.ofOwner(ask)).toEqual([]);
    this.#book.commit();
  }

  /** All that is due goes; in how many calls depends on the length of the records. */
  #collect(): void {
    do this.#book.run(OP.collect, this.#now);
    while (this.#book.commit() > 0);
    this.ledger.collect(this.#now);
  }

  #agree(): void {
    expect(this.#book.faults()).toEqual([]);
    for (const family of [4, 6] as const)
      expect(this.#book.taken(family)).toEqual(this.ledger.taken(family));
  }

  /** Everybody goes, every cool-down ends: nothing may be left. */
  end(): void {
    for (let who = 0; who < 28; who++) this.#release(this.ask(who, 0, 1), who % 2);
    this.#now = 2 ** 32 - 1;
    this.#collect();
    this.#agree();
    expect(this.#book.live()).toEqual(Array(9).fill(0));
  }
}

const steps = fc.array(fc.tuple(fc.nat(99), fc.nat(27), fc.nat(99), fc.nat(1 << 30)), {
  minLength: 20,
  maxLength: 120,
}) as fc.Arbitrary<Step[]>;

const V4 = 0x0a000000n;
const LAST = (1n << 128n) - 1n;
const PLAIN = { kind: 1, ifname: "eth0", name: "", wanted: [], policy: 0, now: 1000 };
const ORDINARY: Omit<Ask, "id"> = { ...PLAIN, random: [0n, 0n] };

function ask(id: string, more: Partial<Ask> = {}): Ask {
  return { ...ORDINARY, id, ...more };
}

function set4(first: number, count: number, index = 0): SetSpec {
  const start = V4 + BigInt(first);
  return { index, family: 4, ranges: [{ start, end: start + BigInt(count - 1), excludes: [] }] };
}

describe("allocator", () => {
  let book: Book;
  beforeAll(() => {
    book = new Book("core");
  }, 180_000);

  it("[model] any sequence of calls agrees with the model; no fault, nothing given twice", () => {
    fc.assert(
      fc.property(fc.nat(), steps, (seed, list) => {
        const life = new Life(book, seed);
        for (const step of list) life.step(step);
        life.end();
      }),
      { numRuns: 600, ...SEED },
    );
  }, 120_000);

  it("[every] all sequences of 5 calls of 2 owners on 2 addresses agree with the model", () => {
    const gateway = [V4 + 2n, 4] as const;
    const sets: SetSpec[] = [{ ...set4(1, 3), ranges: [{ ...set4(1, 3).ranges[0]!, gateway }] }];
    const bounds = book.bounds();
    for (const policy of [0, 1])
      for (let code = 0; code < 7 ** 5; code++) {
        const ledger = new Ledger(bounds);
        let now = 1000;
        book.format(1 << 16);
        book.configure(sets);
        for (let rest = code, n = 0; n < 5; rest = Math.floor(rest / 7), n++) {
          const who = ask(`c${rest % 2}`, { policy, now });
          const what = Math.floor((rest % 7) / 2);
          if (what === 3) now += 2;
          else if (what === 0) {
            const reply = book.allocate(who);
            const right = ledger.allocate(who, sets, reply, (it) => isDeepStrictEqual(it, reply));
            if (JSON.stringify(reply, text) !== JSON.stringify(right, text))
              expect([code, reply]).toEqual([code, right]);
          } else if (
            book.release(who, what === 1 ? 0 : 3) !== ledger.release(who, what === 1 ? 0 : 3)
          )
            expect.fail(`release, sequence ${code}`);
          book.run(OP.collect, now);
          ledger.collect(now);
          book.commit();
        }
        const faults = book.faults();
        if (faults.length > 0) expect([code, faults]).toEqual([code, []]);
        if (book.taken(4).join() !== ledger.taken(4).join())
          expect([code, book.taken(4)]).toEqual([code, ledger.taken(4)]);
      }
  }, 60_000);

  it("refuses when an exclude covers the end of a range and of the address space", () => {
    const range = { start: LAST - 9n, end: LAST - 4n, excludes: [[LAST - 7n, LAST]] as const };
    book.format(IMAGE);
    book.configure([{ index: 0, family: 6, ranges: [range] }]);
    const give = (n: number) => {
      const { status } = book.allocate(ask(`c${n}`));
      book.commit();
      return status;
    };
    expect([1, 2, 3].map(give)).toEqual([0, 0, 2]);
    expect(book.taken(6)).toEqual([LAST - 9n, LAST - 8n]);
  });

  it("gives the longest texts an address of 32 sets and takes it back, in a commit each", () => {
    const sets = Array.from({ length: 32 }, (_, index): SetSpec => {
      const start = index % 2 ? V4 + BigInt(index << 16) : (0x2001n << 112n) + BigInt(index << 20);
      const ranges = [{ start, end: start + 65_535n, excludes: [] }];
      return { index, family: index % 2 ? 4 : 6, ranges };
    });
    book.format(1 << 22);
    book.configure(sets);
    const random = randomFrom(1);
    let most = [0, 0, 0];
    const long = (n: number, now: number) =>
      ask(`${n}`.padEnd(4096, "x"), { now, name: `${n % 2}`.padEnd(4096, "y"), policy: 2 });
    for (let n = 0; n < 60; n++) {
      const one = long(n, 1000 + n);
      one.random = [BigInt(random(2 ** 31)), BigInt(random(2 ** 31))];
      expect(book.allocate(one).status).toBe(0);
      most = [Math.max(most[0]!, book.commit()), most[1]!, most[2]!];
    }
    expect(book.faults()).toEqual([]);
    for (let n = 0; n < 60; n++) {
      book.release(long(n, 2000), n % 2 ? 100 : 0);
      const words = book.commit();
      most[1 + (n % 2)] = Math.max(most[1 + (n % 2)]!, words);
    }
    expect(book.faults()).toEqual([]);
    // A part of bulk work goes on up to 1,200 words; then one release more must fit into 5,400.
    expect(Math.max(...most), `${most}`).toBeLessThan(4200);
    for (let n = 0; n < 200; n++) {
      book.run(OP.collect, 3000);
      expect(book.commit()).toBeLessThan(4200);
    }
    expect(book.live()).toEqual(Array(9).fill(0));
  });

  it("answers no space when the image is full, undone, and goes on after a release", () => {
    book.format(1 << 16);
    book.configure([set4(0, 4096)]);
    let n = 0;
    for (; book.allocate(ask(`c${n}`)).status === 0; n++) book.commit();
    book.commit();
    const before = book.snapshot();
    expect(book.allocate(ask("more")).status).toBe(7);
    expect(book.snapshot().equals(before)).toBe(true);
    expect(book.faults()).toEqual([]);
    for (let i = 0; i < n; i++) {
      // A release needs no space: with a cool-down that has no room the address is free at once.
      expect(book.release(ask(`c${i}`), i % 2 ? 50 : 0)).toBe(true);
      book.commit();
      if (i % 16 === 0) expect(book.faults()).toEqual([]);
    }
    expect(book.allocate(ask("more")).status).toBe(0);
    expect(book.faults()).toEqual([]);
  });
});

function text(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}

const { missing, why } = needsCompiler();
describe.skipIf(missing)(`allocator compiled to C${why}`, () => {
  const native = new NativeBook();
  beforeAll(() => native.build(), 240_000);
  afterAll(() => native.close());

  it("[native] rooms.wasm and C answer the same to every call, and make the same image", () => {
    const book = new Book("rooms");
    book.record();
    for (const [n, list] of fc.sample(steps, { seed: 20, numRuns: 20 }).entries()) {
      const life = new Life(book, n);
      for (const step of list) life.step(step);
      book.digest();
    }
    const { script, answers } = book.recorded();
    const theirs = native.run(script);
    expect(theirs.length).toBe(answers.length);
    const first = answers.findIndex((answer, n) => answer !== theirs[n]);
    expect(first, `${answers[first]} but in C ${theirs[first]}`).toBe(-1);
  }, 60_000);
});

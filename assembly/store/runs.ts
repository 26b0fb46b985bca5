// Runs: which pages of the image a commit must write, and from where to where in each. One pwrite
// writes a page's run; the bytes between its words are the same in the view.
//
//   run     | page u32 | offset of its first word u32 | of its last u32 |       12 bytes each
//   slots   hash of page -> run's number + 1, u16, open addressing; used from RUNS_FEW runs on
//
// The usual commit has a dozen, found by looking through. Cost: constant for a word.
import { scratchTake, scratchTakeFar } from "../scratch";

const PAGE_SHIFT: u32 = 12;
const SLOTS: u32 = 8192;
const RUNS_FEW: u32 = 32;
const RUN_BYTES: u32 = 12;
/** As many as an entry of the log has words, and some. */
const RUNS_MAX: u32 = 5461;

/** Runs of this commit. */
export let runCount: u32 = 0;

let runs: usize = 0;
let runsFew: usize = 0;
let runsMany: usize = 0;
let slots: usize = 0;

/** Takes the tables from scratch memory; they must be zero, so before any rewind. */
export function runsReserve(): void {
  if (runs != 0) return;
  runsFew = scratchTake(<usize>(RUNS_FEW * RUN_BYTES));
  runsMany = scratchTakeFar(<usize>(RUNS_MAX * RUN_BYTES));
  slots = scratchTakeFar(<usize>(SLOTS << 1));
  runs = runsFew;
}

/** Page of run `n`. */
export function runPage(n: u32): u32 {
  return load<u32>(runs + <usize>(n * RUN_BYTES));
}

/** Offset of its first word. */
export function runFrom(n: u32): u32 {
  return load<u32>(runs + <usize>(n * RUN_BYTES), 4);
}

/** Offset of its last word. */
export function runLast(n: u32): u32 {
  return load<u32>(runs + <usize>(n * RUN_BYTES), 8);
}

/** Forgets all runs. */
export function runsClear(): void {
  if (runCount >= RUNS_FEW) memory.fill(slots, 0, (<usize>SLOTS) << 1);
  runCount = 0;
  runs = runsFew;
}

/** The word at `offset` is to be written: its page's run reaches to it. */
export function runTouch(offset: u32): void {
  const page = offset >> PAGE_SHIFT;
  const run = runCount < RUNS_FEW ? amongFew(page) : bySlot(page);
  if (offset < load<u32>(run, 4)) store<u32>(run, offset, 4);
  if (offset > load<u32>(run, 8)) store<u32>(run, offset, 8);
}

function runAdd(page: u32): usize {
  const run = runs + <usize>(runCount * RUN_BYTES);
  store<u32>(run, page);
  store<u32>(run, u32.MAX_VALUE, 4);
  store<u32>(run, 0, 8);
  runCount++;
  return runCount == RUNS_FEW ? runsWiden() : run;
}

// Many pages: the runs move to the large table, each gets its slot. The newest one.
function runsWiden(): usize {
  runs = runsMany;
  memory.copy(runsMany, runsFew, <usize>(RUNS_FEW * RUN_BYTES));
  for (let i: u32 = 0; i < runCount; i++) bySlot(load<u32>(runs + <usize>(i * RUN_BYTES)), i + 1);
  return runs + <usize>((runCount - 1) * RUN_BYTES);
}

function amongFew(page: u32): usize {
  for (let i = runCount; i > 0; i--) {
    const run = runs + <usize>((i - 1) * RUN_BYTES);
    if (load<u32>(run) == page) return run;
  }
  return runAdd(page);
}

// The run of a page by its slot; `known` enters a run that has none yet.
function bySlot(page: u32, known: u32 = 0): usize {
  let slot = page & (SLOTS - 1);
  for (let step: u32 = 0; step < SLOTS; step++) {
    const p = slots + ((<usize>slot) << 1);
    const number = <u32>load<u16>(p);
    if (number == 0) {
      const run = known == 0 ? runAdd(page) : 0;
      store<u16>(p, <u16>(known == 0 ? runCount : known));
      return run;
    }
    const run = runs + <usize>((number - 1) * RUN_BYTES);
    if (load<u32>(run) == page) return run;
    slot = (slot + 1) & (SLOTS - 1);
  }
  return runs; // never: there are more slots than words in an entry
}

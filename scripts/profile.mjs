// Profile: the compiler is shown what a usual call runs. The program is built twice: once with
// counters at its branches, for scripts/training.mjs to run, and then by what they counted: what
// never ran goes behind what did, within functions too. One ADD behind another program, whose code
// has pushed ours out of the caches, pays for each line of code that it touches:
//
//     without   942 lines of 64 bytes, a third of their bytes not run
//     with      850, a sixth; a twentieth fewer instructions         5 to 7 % of an ADD less
//
// gcc and its libgcov only; where they aren't, or the program can't run here, it is built plainly.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The plugin ends by _exit, behind which nothing is counted any more.
const GATHER = `#include <unistd.h>
void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status) {
  __gcov_dump();
  __real__exit(status);
}
`;

const COUNTING = ["-fprofile-generate", "-fprofile-update=single", "-Wl,--wrap=_exit"];

// What comes behind the counting in the compiler's work and takes longest: the program that counts
// needn't be fast, and the other one's branches are the same without.
const UNHURRIED = [
  "-fno-tree-pre",
  "-fno-gcse",
  "-fno-schedule-insns2",
  "-fno-tree-loop-optimize",
  "-fno-tree-dominator-opts",
  "-fno-rerun-cse-after-loop",
];

// Without loops unrolled and traces copied: they make what runs a fifth larger, and a call is too
// short to gain by it.
const PROFILED = [
  "-fno-unroll-loops",
  "-fno-tracer",
  "-Wno-missing-profile",
  "-Wno-error=coverage-mismatch",
];

/** Does the compiler count branches, and can what it makes be run here? */
function canCount({ command, flags }, dir) {
  const source = join(dir, "try.c");
  const program = join(dir, "try");
  const main = "void __gcov_dump(void);\nint main(void) { __gcov_dump(); return 0; }\n";
  writeFileSync(source, main);
  const options = [...flags, "-fprofile-generate", `-fprofile-dir=${dir}`, "-o", program, source];
  return spawnSync(command, options).status === 0 && spawnSync(program).status === 0;
}

const PLAINLY = "built without a profile, a call takes a few per cent longer";

/**
 * Builds a program by a profile of itself: `compile(flags, counting)` makes it at one and the same
 * place (gcc finds counts by the name of what it makes), `train()` runs it. Where that can't be
 * done, it is built plainly and `tell` gets a line with the reason.
 */
export async function buildByProfile({ compiler, compile, train, tell = console.warn }) {
  const dir = mkdtempSync(join(tmpdir(), "berth-profile-"));
  try {
    if (!canCount(compiler, dir)) throw new Error(`${compiler.command} can't make one here`);
    const gather = join(dir, "gather.c");
    writeFileSync(gather, GATHER);
    await compile([...COUNTING, ...UNHURRIED, `-fprofile-dir=${dir}`, gather], true);
    train();
    await compile([`-fprofile-use=${dir}`, ...PROFILED], false);
  } catch (error) {
    tell(`${PLAINLY}: ${error.stderr || error.message}`);
    await compile([], false);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

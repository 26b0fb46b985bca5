// npm run cases -- FILE...: replays files of the format of ../shared/cases/kubernetes.json against
// the library, which `npm run build` has built before. The adapter (test/cases) is compiled beside
// it, to build/js/test/cases. Ends with "N passed, M failed" for each file; exit status 1 if a case
// failed, a file can't be read or the adapter doesn't compile.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const files = process.argv.slice(2);

if (files.length === 0) {
  console.error("npm run cases -- FILE: which file?");
  process.exit(1);
}
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
const project = join(root, "test/cases/tsconfig.json");
const compiled = spawnSync(process.execPath, [tsc, "-p", project], { encoding: "utf8" });
if (compiled.status !== 0) {
  console.error(`the adapter doesn't compile\n${compiled.stdout}${compiled.stderr}`);
  process.exit(1);
}
const { playText } = await import(pathToFileURL(join(root, "build/js/test/cases/run.js")).href);
for (const file of files) {
  try {
    if (playText(readFileSync(file, "utf8"), console.log) !== 0) process.exitCode = 1;
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    process.exitCode = 1;
  }
}

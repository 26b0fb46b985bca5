// npm run cases -- FILE...: builds what is missing and replays files of the format of
// ../shared/cases/kubernetes.json against the library. The adapter (test/cases) is compiled beside
// the library, to build/js/test/cases. Ends with "N passed, M failed" for each file; exit status 1
// if a case failed, a file can't be read or the build failed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const files = process.argv.slice(2);

/** Runs a step whose output nobody needs unless it fails. */
function step(...args) {
  const done = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  if (done.status === 0) return;
  console.error(`${args.join(" ")} failed\n${done.stdout}${done.stderr}`);
  process.exit(1);
}

if (files.length === 0) {
  console.error("npm run cases -- FILE: which file?");
  process.exit(1);
}
step(join(root, "scripts/build.mjs"));
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
step(tsc, "-p", join(root, "test/cases/tsconfig.json"));
const { playText } = await import(pathToFileURL(join(root, "build/js/test/cases/run.js")).href);
for (const file of files) {
  try {
    if (playText(readFileSync(file, "utf8"), console.log) !== 0) process.exitCode = 1;
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    process.exitCode = 1;
  }
}

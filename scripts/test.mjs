// npm test: installs and builds what is missing, looks at format, lint and types, and runs the
// tests. Arguments go to vitest: npm test -- test/radix.test.ts
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { installIfMissing } from "./install.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a step with our output; ends the process with its status if it fails. */
function step(command, ...args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (done.status !== 0) {
    console.error(`npm test: ${command} ${args.join(" ")} ended with ${done.status ?? done.error}`);
    process.exit(done.status || 1);
  }
}

installIfMissing();
step(process.execPath, "scripts/build.mjs");
step("npm", "run", "--silent", "lint");
step(process.execPath, "node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2));

// Installs the dependencies of a clean clone: what `npm start` and `npm test` do first. Uses
// nothing but Node, since nothing is installed yet.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs `npm ci` if node_modules isn't there; ends the process if that fails. */
export function installIfMissing() {
  if (existsSync(join(root, "node_modules/assemblyscript"))) return;
  console.log("installing the dependencies: npm ci");
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  const done = spawnSync("npm", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  if (done.status === 0) return;
  console.error(`npm ${args.join(" ")} failed: ${done.error?.message ?? `status ${done.status}`}`);
  process.exit(1);
}

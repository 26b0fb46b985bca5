// npm run build: the three modules, the TypeScript, the native plugin.
// (Placeholder of the first hour: modules only.)
import { execFileSync } from "node:child_process";

for (const target of ["core", "rooms", "cni"])
  execFileSync(
    "npx",
    ["asc", `assembly/${target === "cni" ? "cni" : "core"}.ts`, "--target", target],
    { stdio: "inherit" },
  );

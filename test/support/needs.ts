// What a test needs of the machine, beside Node and Berth. Where it isn't, the test is skipped and
// its title says why; under .ci/run (BERTH_NEEDS=must) it fails instead.
//
//   const { missing, why } = needsRoot();
//   describe.skipIf(missing)(`a full disk${why}`, () => ...)
import { accessSync, constants } from "node:fs";
import { findCompiler } from "../../scripts/native.mjs";

/** Can this file be executed? */
export function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A plugin of the CNI project: what `variable` names, or where distributions put it. */
function upstream(name: string, variable: string): string | undefined {
  const usual = ["/opt/cni/bin", "/usr/lib/cni"].map((directory) => `${directory}/${name}`);
  return [process.env[variable] ?? "", ...usual].find((file) => file !== "" && runs(file));
}

/** The real host-local, or undefined. */
export const hostLocal = upstream("host-local", "HOST_LOCAL");

/** The real static, or undefined. */
export const staticPlugin = upstream("static", "CNI_STATIC");

/** Is something missing? `why` goes behind the title then: " (skipped: needs ...)". */
export interface Need {
  missing: boolean;
  why: string;
}

/** A need, and whether it is met. Throws where everything must be there. */
export function need(there: unknown, what: string): Need {
  if (!there && process.env.BERTH_NEEDS === "must") throw new Error(`this test needs ${what}`);
  return { missing: !there, why: there ? "" : ` (skipped: needs ${what})` };
}

/** Root: mounts, other users, namespaces. */
export const needsRoot = () => need(process.getuid?.() === 0, "root");

/** A C compiler: the native plugin and the rooms in C. */
export const needsCompiler = () => need(findCompiler(), "a C compiler");

/** The CNI project's plugins. */
export const needsHostLocal = () =>
  need(hostLocal, "host-local in $HOST_LOCAL, /opt/cni/bin or /usr/lib/cni");
export const needsStatic = () =>
  need(staticPlugin, "static in $CNI_STATIC, /opt/cni/bin or /usr/lib/cni");

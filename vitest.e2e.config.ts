import { defineConfig } from "vitest/config";

/**
 * The end-to-end tests: real plugins, real namespaces, a real runtime; they need root. Each file
 * works in namespaces of its own, so two may run at a time; every wait in them has a bound.
 */
export default defineConfig({
  test: {
    include: ["test/e2e/*.e2e.ts"],
    globalSetup: ["test/e2e/support/sweep.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});

import { defineConfig } from "vitest/config";

/** The suite of `npm test`: everything but the end-to-end tests (vitest.e2e.config.ts). */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
  },
});

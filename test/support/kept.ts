// Pools of a test: what is kept here is closed behind each test of the file that imports this.
import { afterEach } from "vitest";

const open: Disposable[] = [];

/** The pool, which is closed when the test has ended. */
export function kept<T extends Disposable>(pool: T): T {
  open.push(pool);
  return pool;
}

afterEach(() => {
  for (const each of open.splice(0)) each[Symbol.dispose]();
});

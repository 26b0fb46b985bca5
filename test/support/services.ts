// Service pools in tests: closed after each, looked at from outside, refused.
import { afterEach } from "vitest";
import { createServicePool, type ServicePool } from "../../src/cluster/service.ts";
import { IpamError } from "../../src/errors.ts";

/** Pools that are closed after the test. */
export const open: ServicePool[] = [];

/** createServicePool for the time of a test. */
export function make(...args: Parameters<typeof createServicePool>): ServicePool {
  const pool = createServicePool(...args);
  open.push(pool);
  return pool;
}

/** Closes what make has made. */
export function closeAll(): void {
  for (const pool of open.splice(0)) pool.close();
}

afterEach(closeAll);

/** The code of the IpamError that `work` throws; anything else fails. */
export function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof IpamError) return error.code;
    throw error;
  }
  return "nothing was refused";
}

/** All that a caller can see, but the count of failures. */
export function look(pool: ServicePool): unknown {
  return {
    addresses: [...pool],
    stats: pool.stats().map(({ failures: _, ...rest }) => rest),
    services: pool.names().map((name) => [name, pool.find(name)]),
    owners: [...pool].map((address) => pool.ownerOf(address)),
  };
}

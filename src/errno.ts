// Errors of node:fs as the core knows them: -errno.
import { constants } from "node:os";

/** -errno of a system error; -EINVAL for an argument that Node refuses. */
export function errnoOf(error: unknown): number {
  const number = (error as NodeJS.ErrnoException | undefined)?.errno;
  return typeof number === "number" && number < 0 ? number : -constants.errno.EINVAL;
}

// Paths that come from outside: what no kernel call can mean is told apart before a host sees it.
import { Span } from "./call";
import { EINVAL, ENAMETOOLONG } from "./errno";

/** Longest path, with the NUL byte that the kernel adds. */
const PATH_MAX: i32 = 4096;

/** 0, or the -errno that Go would answer: -EINVAL for a NUL byte inside, -ENAMETOOLONG. Linear. */
export function pathFault(path: Span): i32 {
  for (let i = 0; i < path.bytes; i++) if (load<u8>(path.at + i) == 0) return -EINVAL;
  return path.bytes >= PATH_MAX ? -ENAMETOOLONG : 0;
}

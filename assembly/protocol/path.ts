// Paths that come from outside: what no kernel call can mean is told apart before a host sees it.
import { call, Span, spanSet } from "./call";
import { EINVAL, ENAMETOOLONG } from "./errno";
import { textByte, textBytes, textString, textTake, textTo } from "./text";

/** Longest path, with the NUL byte that the kernel adds. */
const PATH_MAX: i32 = 4096;

/** 0, or the -errno that Go would answer: -EINVAL for a NUL byte inside, -ENAMETOOLONG. Linear. */
export function pathFault(path: Span): i32 {
  for (let i = 0; i < path.bytes; i++) if (load<u8>(path.at + i) == 0) return -EINVAL;
  return path.bytes >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/** The network's directory under `dataDir` (empty: `usual`): dataDir, a slash, its name. */
export function directoryJoin(dataDir: Span, usual: string, into: Span): void {
  const text = textTake(dataDir.bytes + usual.length + call.network.bytes + 1);
  textTo(text);
  let bytes = dataDir.bytes;
  while (bytes > 1 && load<u8>(dataDir.at + bytes - 1) == 47) bytes--;
  if (bytes == 0) textString(usual);
  else textBytes(dataDir.at, bytes);
  if (bytes != 1 || load<u8>(dataDir.at) != 47) textByte(47);
  textBytes(call.network.at, call.network.bytes);
  spanSet(into, text.at, text.length);
}

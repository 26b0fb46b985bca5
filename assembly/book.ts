// The entry of book.wasm: a durable Ipam (src/ipam/). Its host functions are those of the plugin.
import { faultText } from "./fault";

/** Why the core trapped: address of an AssemblyScript string (UTF-16, its bytes at -4). */
export function bookFault(): usize {
  return changetype<usize>(faultText);
}

export {
  bookBlock,
  bookClose,
  bookCollect,
  bookEnter,
  bookForget,
  bookOpen,
  bookRest,
} from "./library/book";
export { bookAllocate, bookRelease, bookReserve, bookUnreserve } from "./library/bookcalls";
export { bookEvent, bookEvents } from "./library/bookevents";
export {
  bookExplain,
  bookFindName,
  bookFindOwner,
  bookMarkOut,
  bookNext,
  bookNextReserved,
  bookOlder,
  bookRecord,
  bookStats,
} from "./library/booklook";
export { bookPool, bookPoolByName, bookPoolFrom, bookPoolRead } from "./library/bookpools";
export { check } from "./pool/check";
export { checkOffset, checkText } from "./pool/faultlist";
export { logFile } from "./store/log";
export {
  queueCheckpoint,
  queueSafe,
  queueVoid,
  queueWaiting,
  queueWrite,
} from "./store/queue";

export {
  arenaAttach,
  arenaFormat,
  arenaFree,
  arenaLive,
  arenaRoom,
  arenaTake,
} from "./image/arena";
export { blocksBegin, blocksClaim, blocksClaimed, blocksEnd } from "./image/blocks";
export { imageAttach, journalClear, journalOpen, journalUndo, putWord, word } from "./image/image";
export { scratchAssign, scratchAssignAll, scratchTake } from "./scratch";
export {
  bitmapBytes,
  bitmapCheck,
  bitmapCount,
  bitmapGive,
  bitmapHas,
  bitmapNextFree,
  bitmapNextTaken,
  bitmapTake,
  bitmapTakeNext,
} from "./sets/bitmap";
export {
  foundHi,
  foundLo,
  radixCount,
  radixCountWithin,
  radixFree,
  radixGive,
  radixHas,
  radixNextFree,
  radixNextTaken,
  radixTake,
} from "./sets/radix";
export { radixCheck } from "./sets/radixcheck";

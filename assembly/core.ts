export { arenaAttach, arenaFormat, arenaFree, arenaLive, arenaRoom, arenaTake } from "./arena";
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
} from "./bitmap";
export { blocksBegin, blocksClaim, blocksClaimed, blocksEnd } from "./blocks";
export { imageAttach, journalClear, journalOpen, journalUndo, putWord, word } from "./image";
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
} from "./radix";
export { radixCheck } from "./radixcheck";
export { scratchAssign, scratchAssignAll, scratchTake } from "./scratch";

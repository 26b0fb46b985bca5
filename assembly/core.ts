export {
  formatAddress,
  parseAddress,
  parsedFamily,
  parsedHi,
  parsedLength,
  parsedLo,
  parsedMapped,
  parsePrefix,
} from "./address";
export {
  arenaFormat,
  arenaFree,
  arenaLive,
  arenaRoom,
  arenaTake,
} from "./image/arena";
export { blocksBegin, blocksClaim, blocksClaimed, blocksEnd } from "./image/blocks";
export { imageAttach, journalClear, journalOpen, journalUndo, putWord, word } from "./image/image";
export {
  blockHi,
  blockLevel,
  blockLo,
  blocksClose,
  blocksCount,
  blocksExclude,
  blocksGive,
  blocksMake,
  blocksNext,
  blocksRoom,
  blocksState,
  blocksTake,
  blocksTakeAt,
} from "./library/blocks";
export { heapAttach, heapFormat, heapUsed, runFree, runTake } from "./library/buddy";
export {
  fillNext,
  lastHi,
  lastLo,
  manyStatus,
  slotsBand,
  slotsClose,
  slotsCount,
  slotsExclude,
  slotsFill,
  slotsGive,
  slotsGive32,
  slotsGiveF,
  slotsGiveMany,
  slotsHeldF,
  slotsMake,
  slotsNext,
  slotsState,
  slotsSweep,
  slotsTake,
  slotsTake32,
  slotsTakeAt,
  slotsTakeF,
  slotsTakeMany,
  slotsUntil,
  slotsUpperFree,
} from "./library/calls";
export {
  deskClaim,
  deskFree,
  deskHolder,
  deskRecover,
  deskShare,
  deskSit,
  deskTag,
  rowsArea,
  transferArea,
} from "./library/desk";
export { plainGive, plainTake, plainTakeRow } from "./library/plain";
export {
  cursorHi,
  cursorLo,
  cursorSet,
  snapshotCool,
  snapshotCooling,
  snapshotGroups,
  snapshotHash,
  snapshotLoad,
  snapshotSettle,
  snapshotWords,
  yieldsSet,
} from "./library/snapshot";
export { scratchAssignAll } from "./scratch";
export {
  bitmapBytes,
  bitmapCheck,
  bitmapClear,
  bitmapCount,
  bitmapFill,
  bitmapGive,
  bitmapHas,
  bitmapNextFree,
  bitmapNextTaken,
  bitmapTake,
  bitmapTakeNext,
} from "./sets/bitmap";
export { quickSettle } from "./sets/bitmapquick";
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
  radixTakeFound,
} from "./sets/radix";
export { radixCheck } from "./sets/radixcheck";
export { quickLeafGive, quickLeafTake } from "./sets/radixquick";

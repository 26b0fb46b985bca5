export { arenaAttach, arenaFormat, arenaFree, arenaRoom, arenaTake } from "./arena";
export { imageAttach, journalClear, journalOpen, journalUndo, putWord, word } from "./image";
export { scratchAssign, scratchAssignAll, scratchTake } from "./scratch";

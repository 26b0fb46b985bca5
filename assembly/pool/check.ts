// Check: one walk over every invariant of an image that reports every fault and traps on none that
// it can foresee. The operator's verb, each test's clean-up and every crash test use it.
//
//   arena: free lists and chunks don't overlap anything, live counts match what is pointed to
//   trees: radixCheck;  indexes: nodes, buckets, every cell where its key says, no cell twice
//   records: checksums, chains, each address taken, in its index, and owned once; names linked
//   both ways;  expiry: each entry has its cooling cell, each cooling address its entry
//   header: its counts
//
// This file says what is looked at in which order; checkrecord.ts, checkindex.ts and checkdue.ts
// look. faultlist.ts keeps what they find.
//
// Cost: O(size of what is held); scratch: a 64th of the image.
import { arenaBump, arenaFirstFree, arenaLive, CLASSES, classBytes } from "../image/arena";
import { blocksBegin, blocksClaim, blocksClaimed, blocksEnd } from "../image/blocks";
import {
  EXPIRY,
  H_HELD,
  H_LENGTH,
  H_PARTIAL,
  H_SETTINGS,
  HEADER_BYTES,
  INDEX_NAME,
  INDEX_OWNER,
  INDEX_V4,
  INDEX_V6,
  POOLS4,
  POOLS6,
  TREE4,
  TREE6,
} from "../image/header";
import { imageLength, word } from "../image/image";
import { CELL_BYTES } from "../records/cell";
import { EVENT_RING_BYTES, EVENTS, eventIsSound, H_EVENTS } from "../records/eventcell";
import { BY_NAME, BY_OWNER, BY_V4, BY_V6 } from "../records/key";
import { radixCount } from "../sets/radix";
import { radixCheck } from "../sets/radixcheck";
import { checkExpiry } from "./checkdue";
import { checkIndex, checkPools } from "./checkindex";
import { claim, fault, faultCount, faultsBegin } from "./faultlist";
import { settingsAreWhole, settingsNext } from "./settings";

function checkSettings(): void {
  const first = <u32>word(H_SETTINGS);
  if (first != 0 && !settingsAreWhole(first)) {
    fault("the settings aren't whole", first);
    return;
  }
  // A whole chain ends.
  for (let at = first; at != 0; at = settingsNext(at)) if (!claim(at, CELL_BYTES)) return;
}

function checkArena(claimedByUse: u64): void {
  let live: u64 = 0;
  for (let c: u32 = 0; c < CLASSES; c++) {
    const bytes = classBytes(c);
    live += <u64>arenaLive(bytes) * bytes;
    let at = arenaFirstFree(bytes);
    for (let step: u32 = 0; step <= imageLength() / 16 && at != 0; step++) {
      if (!claim(at, bytes)) break;
      at = <u32>word(at);
    }
  }
  if (live != claimedByUse) fault("blocks are in use that nothing points to", 0);
}

// The recorder's ring: each place is empty or has an event whose number belongs there.
function checkEvents(): void {
  const ring = <u32>word(H_EVENTS);
  const lies = ring == 0 || ((ring & 127) == 0 && claim(ring, EVENT_RING_BYTES));
  if (!lies) fault("the ring of events", H_EVENTS);
  for (let i: u32 = 0; lies && ring != 0 && i < EVENTS; i++) {
    if (!eventIsSound(i)) fault("an event is damaged or in a wrong place", ring + i * CELL_BYTES);
  }
}

function checkTree(root: u32): void {
  const bad = radixCheck(root);
  for (let i = 0; i < min(bad, 8); i++) fault("a tree of taken addresses contradicts itself", root);
}

/** Walks the attached image. Answers the number of faults; checkText and checkOffset tell each. */
export function check(): i32 {
  faultsBegin();
  if (word(H_LENGTH) > <u64>imageLength() || arenaBump() > imageLength()) {
    fault("the header's lengths are beyond the image", H_LENGTH);
    return faultCount();
  }
  if (word(H_PARTIAL) != 0)
    fault("berth adopt --from-cache, which makes it, hasn't ended", H_PARTIAL);
  blocksBegin(imageLength());
  blocksClaim(8, HEADER_BYTES - 8);
  checkEvents();
  const own = blocksClaimed();
  checkTree(TREE4);
  checkTree(TREE6);
  checkTree(EXPIRY);
  checkTree(POOLS4);
  checkTree(POOLS6);
  if (faultCount() == 0) {
    const held = checkIndex(INDEX_OWNER, BY_OWNER);
    if (held != word(H_HELD)) fault("the header miscounts the allocations", H_HELD);
    if (checkIndex(INDEX_V4, BY_V4) != radixCount(TREE4))
      fault("IPv4 index and tree differ", INDEX_V4);
    if (checkIndex(INDEX_V6, BY_V6) != radixCount(TREE6))
      fault("IPv6 index and tree differ", INDEX_V6);
    checkIndex(INDEX_NAME, BY_NAME);
    checkExpiry();
    checkPools();
    checkSettings();
    checkArena(blocksClaimed() - own);
  }
  blocksEnd();
  return faultCount();
}

// `berth history`: what the recorder keeps of an address, a name or a container, oldest first; all
// of it without a word behind. A reboot is told where it ended what the target held; reservations
// that are over and that no call has noticed yet stand at the end.

import { word } from "../image/image";
import { EXIT_ERROR, EXIT_OK } from "../numbers";
import { close, member, open } from "../protocol/document";
import { textString } from "../protocol/text";
import { eventAt, eventWall, H_EVENT_NEXT, H_EVENTS } from "../records/eventcell";
import {
  eventGives,
  eventIsOf,
  eventIsReboot,
  eventsFrom,
  eventWord,
  jsonEvent,
  sayEventAddresses,
  sayEventName,
  sayEventNote,
  sayEventOwner,
} from "./events";
import { pendingTell } from "./pending";
import { isJson, printHere, printRoom, say } from "./print";
import { cellEnd, rowEnd, tableBegin, tablePrint } from "./table";
import { targetBytes, targetRead } from "./target";
import { sayMoment } from "./times";

let rows: i32 = 0;

function sayRow(cell: u32): void {
  sayMoment(eventWall(cell));
  cellEnd();
  textString(eventWord(cell));
  cellEnd();
  sayEventAddresses(cell);
  cellEnd();
  sayEventName(cell);
  cellEnd();
  sayEventOwner(cell);
  cellEnd();
  sayEventNote(cell);
  cellEnd();
  rowEnd();
}

function walk(): void {
  rows = 0;
  let holding = false;
  const next = word(H_EVENT_NEXT);
  for (let n = eventsFrom(); n < next; n++) {
    const cell = eventAt(n);
    if (cell == 0) continue;
    if (targetBytes != 0 && eventIsReboot(cell)) {
      if (!holding) continue;
      holding = false;
    } else if (!eventIsOf(cell)) continue;
    else holding = eventGives(cell);
    rows++;
    if (isJson) {
      jsonEvent(cell);
      printRoom();
    } else sayRow(cell);
  }
}

function heading(): void {
  textString("TIME");
  cellEnd();
  textString("EVENT");
  cellEnd();
  textString("ADDRESSES");
  cellEnd();
  textString("NAME");
  cellEnd();
  textString("OWNER");
  cellEnd();
  cellEnd();
  rowEnd();
}

/** Tells the target's events in the copied image. EXIT_ERROR: the recorder has none. */
export function history(): i32 {
  targetRead();
  pendingTell();
  if (isJson) {
    member("events");
    open(91);
    walk();
    close(93);
    member("recorder");
    say(word(H_EVENTS) != 0 ? "true" : "false");
    return rows == 0 ? EXIT_ERROR : EXIT_OK;
  }
  tableBegin();
  heading();
  walk();
  if (rows > 0) {
    tablePrint();
    heading();
    walk();
  }
  printHere();
  if (rows == 0 && word(H_EVENTS) == 0) {
    say("No recorder runs here: the plugin's first ADD begins it, the library doesn't.\n");
  } else if (rows == 0) {
    say("The recorder has nothing about it (it keeps the last 1024 events).\n");
  }
  return rows == 0 ? EXIT_ERROR : EXIT_OK;
}

// Unsharing: pages of the image that a call will change are taken for writing before they are read.
// Where a host maps the image privately, a page that is read first and written then costs two
// faults, and the first one maps its neighbours along: some 2 us more with many records, which lie
// on pages of their own. Only where somebody asked for it: a library in memory has nothing to gain.
import * as host from "../host";
import { imageBase, imageLength } from "../image/image";
import { radixPlace, radixTop } from "../sets/radix";

let asked: bool = false;

/** From here on the host is told. */
export function unshareBegin(): void {
  asked = true;
}

/** The block at `at` will be changed as a rule. Nothing for an offset outside the image. */
export function unshare(at: u32): void {
  if (asked && at <= imageLength() - 8) host.unshare(imageBase() + at);
}

/** The key will come into the radix set at `root`, or leave it. */
export function unshareKey(root: u32, hi: u64, lo: u64): void {
  if (!asked) return;
  unshare(radixTop(root));
  unshare(radixPlace(root, hi, lo));
}

// Runtimes: does a container runtime still know a container, as far as its directories tell? Each
// of them has a directory that is named after the container while it is there:
//
//   containerd   /run/containerd/io.containerd.runtime.v2.task/<namespace>/<id>
//                /run/containerd, /var/lib/containerd: io.containerd.grpc.v1.cri/sandboxes/<id>
//   CRI-O        /run/containers, /var/lib/containers: storage/overlay-containers/<id>
//   Docker       /var/lib/docker/containers/<id>
//
// A directory that can't be looked into counts as one that has it. Cost: some ten stats.

import { inode, listAt } from "../host";
import { isAbsent } from "../protocol/errno";
import { Text, textBytes, textClear, textString, textTake, textTo } from "../protocol/text";
import { scratchTake } from "../scratch";

const TASKS: string = "/run/containerd/io.containerd.runtime.v2.task/";
const NAMES_BYTES: i32 = 65536;
const PATH_MAX: i32 = 8192;

let path: Text = changetype<Text>(0);
let names: usize = 0;
let namesBytes: i32 = 0;
// The list of namespaces couldn't be read: every container may be in one of them.
let isBlind: bool = false;

/** Takes the memory, once. */
export function runtimesReserve(): void {
  path = textTake(PATH_MAX);
  names = scratchTake(<usize>NAMES_BYTES);
}

/** Looks which namespaces containerd has. To be called once for each run. */
export function runtimesLook(): void {
  textClear(path);
  textTo(path);
  textString(TASKS);
  const got = listAt(path.at, path.length, names, NAMES_BYTES);
  isBlind = got > NAMES_BYTES || (got < 0 && !isAbsent(got));
  namesBytes = isBlind ? 0 : max(got, 0);
}

function isThere(): bool {
  const found = inode(path.at, path.length);
  return found >= 0 || !isAbsent(found);
}

function has(directory: string, id: usize, bytes: i32): bool {
  textClear(path);
  textTo(path);
  textString(directory);
  textBytes(id, bytes);
  return isThere();
}

function hasTask(id: usize, bytes: i32): bool {
  for (let at = 0; at < namesBytes; ) {
    let length = 0;
    while (at + length < namesBytes && load<u8>(names + at + length) != 0) length++;
    textClear(path);
    textTo(path);
    textString(TASKS);
    textBytes(names + at, length);
    textString("/");
    textBytes(id, bytes);
    if (isThere()) return true;
    at += length + 1;
  }
  return false;
}

/** Does any runtime have a directory for this container? */
export function runtimeKnows(id: usize, bytes: i32): bool {
  return (
    isBlind ||
    hasTask(id, bytes) ||
    has("/run/containerd/io.containerd.grpc.v1.cri/sandboxes/", id, bytes) ||
    has("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/", id, bytes) ||
    has("/run/containers/storage/overlay-containers/", id, bytes) ||
    has("/var/lib/containers/storage/overlay-containers/", id, bytes) ||
    has("/var/lib/docker/containers/", id, bytes)
  );
}

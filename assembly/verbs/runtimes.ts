// Runtimes: does a container runtime still know a container, as far as its directories tell? Each
// of them has a directory that is named after the container while it is there:
//
//   containerd   <state>/io.containerd.runtime.v2.task/<namespace>/<id>
//                <state>, <root>: io.containerd.grpc.v1.cri/sandboxes/<id>
//                /run/containerd/runc/<namespace>/<id>: runc's own, wherever <state> is
//   CRI-O        /run/containers, /var/lib/containers: storage/overlay-containers/<id>
//   Docker       /var/lib/docker/containers/<id>
//
// <state> and <root> as packages and distributions set them: containerd's own, k3s and RKE2, k0s,
// MicroK8s. A directory that can't be looked into counts as one that has it. Cost: about 20 stats.
//
//   among   | directory ending in / | 0 | ...      one for each namespace of containerd

import { inode, listAt } from "../host";
import { isAbsent } from "../protocol/errno";
import {
  Text,
  textByte,
  textBytes,
  textClear,
  textString,
  textTake,
  textTo,
} from "../protocol/text";
import { scratchTake } from "../scratch";

const NAMES_BYTES: i32 = 65536;
const AMONG_BYTES: i32 = 4 * 65536;
const PATH_MAX: i32 = 8192;

let path: Text = changetype<Text>(0);
let among: Text = changetype<Text>(0);
let names: usize = 0;
// A list of namespaces couldn't be read: every container may be in one of them.
let isBlind: bool = false;

/** Takes the memory, once. */
export function runtimesReserve(): void {
  path = textTake(PATH_MAX);
  among = textTake(AMONG_BYTES);
  names = scratchTake(<usize>NAMES_BYTES);
}

const STATES: i32 = 4;

function stateOf(n: i32): string {
  if (n == 0) return "/run/containerd";
  if (n == 1) return "/run/k3s/containerd";
  if (n == 2) return "/run/k0s/containerd";
  return "/var/snap/microk8s/common/run/containerd";
}

const ROOTS: i32 = 5;

function rootOf(n: i32): string {
  if (n == 0) return "/var/lib/containerd";
  if (n == 1) return "/var/lib/rancher/k3s/agent/containerd";
  if (n == 2) return "/var/lib/rancher/rke2/agent/containerd";
  if (n == 3) return "/var/lib/k0s/containerd";
  return "/var/snap/microk8s/common/var/lib/containerd";
}

function pathOf(directory: string, rest: string): void {
  textClear(path);
  textTo(path);
  textString(directory);
  textString(rest);
}

function nameLength(at: usize, end: usize): i32 {
  let length = 0;
  while (at + length < end && load<u8>(at + length) != 0) length++;
  return length;
}

// Adds the directories in the one of `path` to `among`.
function lookIn(): void {
  const got = listAt(path.at, path.length, names, NAMES_BYTES);
  if (got > NAMES_BYTES || (got < 0 && !isAbsent(got))) isBlind = true;
  const end = names + max(isBlind ? 0 : got, 0);
  textTo(among);
  for (let at = names; at < end; ) {
    const length = nameLength(at, end);
    textBytes(path.at, path.length);
    textBytes(at, length);
    textByte(47);
    textByte(0);
    at += length + 1;
  }
  if (among.full) isBlind = true;
}

/** Looks which namespaces containerd has. To be called once for each run. */
export function runtimesLook(): void {
  isBlind = false;
  textClear(among);
  for (let n = 0; n < STATES; n++) {
    pathOf(stateOf(n), "/io.containerd.runtime.v2.task/");
    lookIn();
  }
  pathOf("/run/containerd/runc", "/");
  lookIn();
}

// Is there, or may there be, a directory of this container in the one of `path`?
function has(id: usize, bytes: i32): bool {
  textTo(path);
  textBytes(id, bytes);
  const found = inode(path.at, path.length);
  return found >= 0 || !isAbsent(found);
}

function hasTask(id: usize, bytes: i32): bool {
  const end = among.at + among.length;
  for (let at = among.at; at < end; ) {
    const length = nameLength(at, end);
    textClear(path);
    textTo(path);
    textBytes(at, length);
    if (has(id, bytes)) return true;
    at += length + 1;
  }
  return false;
}

function hasSandbox(directory: string, id: usize, bytes: i32): bool {
  pathOf(directory, "/io.containerd.grpc.v1.cri/sandboxes/");
  return has(id, bytes);
}

function isIn(directory: string, id: usize, bytes: i32): bool {
  pathOf(directory, "/");
  return has(id, bytes);
}

/** Does any runtime have a directory for this container? */
export function runtimeKnows(id: usize, bytes: i32): bool {
  if (isBlind || hasTask(id, bytes)) return true;
  for (let n = 0; n < STATES; n++) if (hasSandbox(stateOf(n), id, bytes)) return true;
  for (let n = 0; n < ROOTS; n++) if (hasSandbox(rootOf(n), id, bytes)) return true;
  return (
    isIn("/run/containers/storage/overlay-containers", id, bytes) ||
    isIn("/var/lib/containers/storage/overlay-containers", id, bytes) ||
    isIn("/var/lib/docker/containers", id, bytes)
  );
}

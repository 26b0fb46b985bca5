// Training: the calls that a node makes all day, for a compiler that wants to know what is usual
// (scripts/profile.mjs): pods come to a dual-stack network, are looked at and go again. With
// CNI_ARGS and annotations among the calls the program was no faster for those, and slower for
// these.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PODS = 100;
/** So many pods are there at a time. */
const LIVE = 40;
const CHECK_EVERY = 8;

/** Makes the calls with `program` on a state of their own. Throws what a call that fails says. */
export function train(program) {
  const dataDir = mkdtempSync(join(tmpdir(), "berth-training-"));
  const ranges = [[{ subnet: "10.128.0.0/14" }], [{ subnet: "fd00:be47::/64" }]];
  const ipam = { type: "berth", dataDir, ranges };
  const config = { cniVersion: "1.0.0", name: "training", type: "bridge", ipam };
  try {
    day((command, pod, more) => call(program, command, pod, { ...config, ...more }));
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

function day(make) {
  const results = new Map();
  for (let pod = 0; pod < PODS + LIVE; pod++) {
    if (pod < PODS) results.set(pod, JSON.parse(make("ADD", pod)));
    if (results.delete(pod - LIVE)) make("DEL", pod - LIVE);
    const [[oldest, prevResult] = []] = results;
    if (prevResult && pod % CHECK_EVERY === 0) make("CHECK", oldest, { prevResult });
  }
}

function call(program, command, pod, config) {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: `${pod}`.padStart(64, "0"),
    CNI_NETNS: `/var/run/netns/cni-${pod}`,
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
  };
  const done = spawnSync(program, [], { env, input: JSON.stringify(config), encoding: "utf8" });
  if (done.status === 0) return done.stdout;
  throw new Error(`${command} of the training: ${done.error?.message ?? done.stdout}`);
}

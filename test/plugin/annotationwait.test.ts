// An ADD that an annotation refuses, beside the lock and host-local's files: the answer is known
// before either, and nothing but the recorder is written.
import { expect, it } from "vitest";
import { call, Disk } from "../support/memoryhost.ts";

const EAGAIN = 11;

/** An ADD whose pod has this annotation; `lock` is what the host says of the lock. */
function adds(disk: Disk, address: string, options: object = {}, lock = 0) {
  const env = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "pod",
    CNI_IFNAME: "eth0",
    CNI_NETNS: "/x",
    CNI_PATH: "/x",
  };
  const config = {
    cniVersion: "1.1.0",
    name: "n",
    ipam: { type: "berth", dataDir: "/d", ranges: [[{ subnet: "10.1.0.0/16" }]], ...options },
    runtimeConfig: { "io.kubernetes.cri.pod-annotations": { "berth.dev/addresses": address } },
  };
  return call(disk, env, config, undefined, lock);
}

it("waits a second for the lock, not a minute, and answers the same without it", () => {
  const disk = new Disk();
  expect(adds(disk, "10.1.0.7")).toMatchObject({ status: 0, patience: 0 });
  const refused = adds(disk, "junk");
  expect(refused).toMatchObject({ status: 1, patience: 1000, json: { code: 110 } });
  expect(adds(disk, "junk", {}, -EAGAIN)).toMatchObject({ status: 1, json: refused.json });
});

it("takes nothing over from host-local and makes no state", () => {
  const disk = new Disk();
  for (const options of [{ adopt: true }, { mirror: true }]) {
    expect(adds(disk, "junk", options)).toMatchObject({ status: 1, json: { code: 110 } });
    expect([...disk.names.keys()]).toEqual([]);
  }
});

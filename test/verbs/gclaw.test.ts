// The law of `berth gc`: it never lets go what may live. Every sign of life by itself, in the first
// look, the second or both, with everything else that keeps an address, in all combinations; the
// machine is made up (support/machine.ts), the clocks are the test's.
import { describe, expect, test } from "vitest";
import { Machine } from "../support/machine.ts";
import { call, Disk } from "../support/memoryhost.ts";

const ID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NET = 5000;
const GRACE = 900;
const CONFIG = {
  cniVersion: "1.0.0",
  name: "net",
  ipam: { type: "berth", ranges: [[{ subnet: "10.1.2.0/24" }], [{ subnet: "fd00::/64" }]] },
};

function cni(disk: Disk, command: string, id = ID, ifname = "eth0") {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_IFNAME: ifname,
    CNI_NETNS: "/run/netns/pod",
    CNI_PATH: "/bin",
  };
  disk.argv = [];
  return call(disk, env, CONFIG);
}

function verb(disk: Disk, ...argv: string[]) {
  disk.argv = [...argv, "--network", "net", "--json"];
  return call(disk, {}, "");
}

function holds(disk: Disk): boolean {
  return cni(disk, "CHECK").status === 0;
}

const SANDBOXES = "io.containerd.grpc.v1.cri/sandboxes";

/** Signs of life: each puts one onto the machine. */
const SIGNS: Record<string, (machine: Machine) => void> = {
  nothing: () => {},
  "a process": (m) => m.processes.set(77, { net: NET, mnt: 1 }),
  "a thread of another process": (m) => m.processes.set(77, { net: 1, mnt: 1, threads: [2, NET] }),
  "a bind mount": (m) => m.mounts.set(1, [4, NET]),
  "a bind mount in another mount namespace": (m) => {
    m.processes.set(78, { net: 1, mnt: 9 });
    m.mounts.set(9, [NET]);
  },
  "a name in /run/netns": (m) => m.names.set("/run/netns", new Map([["cni-1", NET]])),
  "a name in /var/run/netns": (m) => m.names.set("/var/run/netns", new Map([["x", NET]])),
  "a name in /run/docker/netns": (m) => m.names.set("/run/docker/netns", new Map([["x", NET]])),
  "a task of containerd": (m) =>
    m.directories.add(`/run/containerd/io.containerd.runtime.v2.task/k8s.io/${ID}`),
  "a sandbox of containerd": (m) =>
    m.directories.add(`/run/containerd/io.containerd.grpc.v1.cri/sandboxes/${ID}`),
  "a kept sandbox of containerd": (m) =>
    m.directories.add(`/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${ID}`),
  "runc's directory of a container of containerd": (m) =>
    m.directories.add(`/run/containerd/runc/k8s.io/${ID}`),
  "a task of k3s's or RKE2's": (m) =>
    m.directories.add(`/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/${ID}`),
  "a task of k0s's": (m) =>
    m.directories.add(`/run/k0s/containerd/io.containerd.runtime.v2.task/k8s.io/${ID}`),
  "a task of MicroK8s's": (m) =>
    m.directories.add(
      `/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/k8s.io/${ID}`,
    ),
  "a sandbox of k3s's": (m) => m.directories.add(`/run/k3s/containerd/${SANDBOXES}/${ID}`),
  "a kept sandbox of k3s's": (m) =>
    m.directories.add(`/var/lib/rancher/k3s/agent/containerd/${SANDBOXES}/${ID}`),
  "a kept sandbox of RKE2's": (m) =>
    m.directories.add(`/var/lib/rancher/rke2/agent/containerd/${SANDBOXES}/${ID}`),
  "a kept sandbox of k0s's": (m) => m.directories.add(`/var/lib/k0s/containerd/${SANDBOXES}/${ID}`),
  "a kept sandbox of MicroK8s's": (m) =>
    m.directories.add(`/var/snap/microk8s/common/var/lib/containerd/${SANDBOXES}/${ID}`),
  "a container of CRI-O": (m) =>
    m.directories.add(`/run/containers/storage/overlay-containers/${ID}`),
  "a kept container of CRI-O": (m) =>
    m.directories.add(`/var/lib/containers/storage/overlay-containers/${ID}`),
  "a container of Docker": (m) => m.directories.add(`/var/lib/docker/containers/${ID}`),
};

/** What may not be readable: then nothing can be told. */
const DENIED: Record<string, (path: string) => boolean> = {
  "/proc": (path) => path === "/proc",
  "the threads of a process": (path) => path === "/proc/60/task",
  "a namespace of a process": (path) => path === "/proc/60/task/60/ns/net",
  "the mount namespace of a process": (path) => path === "/proc/60/ns/mnt",
  "the mounts of a process": (path) => path === "/proc/61/mountinfo",
  "its own mounts": (path) => path === "/proc/self/mountinfo",
  "/run/netns": (path) => path === "/run/netns",
  "its own PID namespace": (path) => path === "/proc/self/ns/pid",
};

/** A machine on which the pod has gone, but for one sign of life. */
function machineWith(sign: string): Machine {
  const machine = new Machine();
  machine.processes.set(60, { net: 1, mnt: 1 });
  machine.processes.set(61, { net: 1, mnt: 3 });
  SIGNS[sign]!(machine);
  return machine;
}

/** A disk on which the pod has been given its addresses, its namespace known or not. */
function nodeWith(known: boolean): Disk {
  const disk = new Disk();
  disk.machine = new Machine();
  if (known) disk.machine.names.set("/run/netns", new Map([["pod", NET]]));
  expect(cni(disk, "ADD").status).toBe(0);
  return disk;
}

function gc(disk: Disk, machine: Machine, ...more: string[]) {
  disk.machine = machine;
  return verb(disk, "gc", "--grace", `${GRACE}s`, ...more);
}

const MEANWHILE: Record<string, (disk: Disk) => void> = {
  nothing: () => {},
  "DEL and ADD again": (disk) => {
    disk.machine!.names.set("/run/netns", new Map([["pod", NET]]));
    expect(cni(disk, "DEL").status).toBe(0);
    expect(cni(disk, "ADD").status).toBe(0);
  },
  "berth.gc is lost": (disk) => disk.names.delete("berth.gc"),
  "berth.gc is damaged": (disk) => {
    const file = disk.names.get("berth.gc");
    if (file && file.cache.length > 64) file.cache.writeUInt32LE(1, 64); // seen long ago
  },
  "the wall clock jumps ten years ahead": (disk) => {
    disk.wall += 3.2e8;
  },
};

describe("berth gc", () => {
  for (const known of [true, false]) {
    for (const [meanwhile, change] of Object.entries(MEANWHILE)) {
      const how = `the namespace ${known ? "" : "un"}known, meanwhile: ${meanwhile}`;
      test(`frees only what shows no sign of life twice, ${how}`, () => {
        const start = nodeWith(known);
        for (const first of Object.keys(SIGNS)) {
          for (const second of Object.keys(SIGNS)) {
            if (first !== "nothing" && second !== "nothing" && first !== second) continue;
            for (const seconds of [0, GRACE - 1, GRACE, 10 * GRACE]) {
              const disk = start.clone();
              expect(gc(disk, machineWith(first)).status).toBe(0);
              expect(holds(disk)).toBe(true);
              disk.now += seconds;
              change(disk);
              expect(gc(disk, machineWith(second)).status).toBe(0);
              const wall = meanwhile.startsWith("the wall");
              const dead =
                known &&
                first === "nothing" &&
                second === "nothing" &&
                seconds >= GRACE &&
                (meanwhile === "nothing" || wall);
              const told = `${first} / ${second} / ${seconds} s`;
              expect([told, holds(disk)]).toEqual([told, !dead]);
            }
          }
        }
      });
    }
  }

  // EACCES, EIO, ENOMEM, ENFILE: whatever says neither that a thing is there nor that it isn't.
  test.each([-13, -5, -12, -23])(
    "frees nothing where a look ends with %i, and says it",
    (errno) => {
      for (const [what, denied] of Object.entries(DENIED)) {
        for (const when of ["first", "second"]) {
          const disk = nodeWith(true);
          const blind = machineWith("nothing");
          blind.denied = denied;
          blind.refusal = errno;
          const looks = [machineWith("nothing"), machineWith("nothing")];
          looks[when === "first" ? 0 : 1] = blind;
          const one = gc(disk, looks[0]!);
          disk.now += GRACE;
          const two = gc(disk, looks[1]!);
          const refused = when === "first" ? one : two;
          expect([what, refused.status]).toEqual([what, 1]);
          expect(refused.json.networks[0].error.msg).toMatch(/^nothing is freed: .*\/(proc|run)/);
          expect([what, holds(disk)]).toEqual([what, true]);
        }
      }
    },
  );

  test.each([-13, -5, -12, -23])("frees nothing where a runtime can't be asked: %i", (errno) => {
    for (const part of [
      "runtime.v2.task",
      "containerd/runc",
      "cri/sandboxes",
      "overlay-containers",
      "docker/cont",
    ]) {
      const disk = nodeWith(true);
      const blind = machineWith("nothing");
      blind.denied = (path) => path.includes(part);
      blind.refusal = errno;
      for (let n = 0; n < 3; n++) {
        expect(gc(disk, blind).status).toBe(0);
        disk.now += GRACE;
      }
      expect([part, holds(disk)]).toEqual([part, true]);
    }
  });

  test("frees nothing from another PID namespace than the plugin's, and says where to run it", () => {
    const disk = nodeWith(true);
    const inside = machineWith("nothing");
    inside.pidNamespace = 4026532999;
    for (let n = 0; n < 3; n++) {
      const refused = gc(disk, inside);
      expect(refused.status).toBe(1);
      expect(refused.json.networks[0].error.msg).toContain("PID namespace 4026532999");
      disk.now += GRACE;
    }
    expect(holds(disk)).toBe(true);
  });

  test("goes by the PID namespace of the boot's first ADD, not of a verb that opened before it", () => {
    const disk = nodeWith(true);
    disk.boot = "99999999-2222-3333-4444-555555555555";
    disk.now = 5000;
    const inside = machineWith("nothing");
    inside.pidNamespace = 4026532999;
    disk.machine = inside;
    expect(verb(disk, "reserve", "shop/web", "--for", "1h").status).toBe(0);
    expect(gc(disk, inside).json.networks[0].error.msg).toContain("PID namespace 4026532999");
    disk.machine = new Machine();
    disk.machine.names.set("/run/netns", new Map([["pod", NET]]));
    expect(cni(disk, "ADD").status).toBe(0);
    for (let n = 0; n < 3; n++) {
      expect(gc(disk, inside).json.networks[0].error.msg).toContain("PID namespace 4026532999");
      disk.now += GRACE;
    }
    expect(holds(disk)).toBe(true);
    expect(gc(disk, machineWith("nothing")).status).toBe(0);
  });

  test("a mount namespace that has the number of a network namespace by now is no sign of life", () => {
    const disk = nodeWith(true);
    const machine = machineWith("nothing");
    machine.processes.set(79, { net: 1, mnt: NET });
    expect(gc(disk, machine).json.networks[0]).toMatchObject({ live: 0, waiting: 1 });
    disk.now += GRACE;
    expect(gc(disk, machine).json.networks[0]).toMatchObject({ freed: 1 });
    for (const order of [60, 99]) {
      const both = nodeWith(true);
      const lives = machineWith("a process");
      lives.processes.set(order, { net: 1, mnt: NET });
      gc(both, lives);
      both.now += GRACE;
      gc(both, lives);
      expect(holds(both)).toBe(true);
    }
  });

  test("keeps containers that came after the first look, and frees the one that has gone", () => {
    const disk = nodeWith(true);
    expect(gc(disk, machineWith("nothing")).status).toBe(0);
    disk.now += GRACE;
    disk.machine!.names.set("/run/netns", new Map([["pod", NET + 1]]));
    expect(cni(disk, "ADD", "newer").status).toBe(0);
    const after = gc(disk, machineWith("nothing"));
    expect(after.json.networks[0]).toMatchObject({ due: 1, waiting: 1, freed: 1 });
    expect(holds(disk)).toBe(false);
    expect(cni(disk, "CHECK", "newer").status).toBe(0);
  });

  test("a dry run frees nothing, writes nothing, and is no sighting", () => {
    const disk = nodeWith(true);
    for (let n = 0; n < 3; n++) {
      expect(gc(disk, machineWith("nothing"), "--dry-run").status).toBe(0);
      expect(disk.names.has("berth.gc")).toBe(false);
      disk.now += GRACE;
    }
    expect(gc(disk, machineWith("nothing")).status).toBe(0);
    expect(holds(disk)).toBe(true);
  });

  test("another boot ends every sighting", () => {
    const disk = nodeWith(true);
    expect(gc(disk, machineWith("nothing")).status).toBe(0);
    disk.boot = "99999999-2222-3333-4444-555555555555";
    disk.now = 5000;
    disk.machine = new Machine();
    disk.machine.names.set("/run/netns", new Map([["pod", NET]]));
    expect(cni(disk, "ADD").status).toBe(0);
    disk.now += GRACE;
    expect(gc(disk, machineWith("nothing")).status).toBe(0);
    expect(holds(disk)).toBe(true);
  });

  test("a grace below a minute or without a unit that is known is refused", () => {
    const disk = nodeWith(true);
    for (const grace of ["59s", "1", "-5m", "soon", ""]) {
      disk.argv = ["gc", "--network", "net", "--grace", grace];
      expect([grace, call(disk, {}, "").status]).toEqual([grace, 2]);
    }
    for (const grace of ["60", "60s", "3600"]) {
      disk.argv = ["gc", "--network", "net", "--grace", grace, "--json"];
      expect([grace, call(disk, {}, "").status]).toEqual([grace, 0]);
    }
  });
});

// The kernel gives a namespace's number again: the pod's namespace has gone, and another one has its
// number by now. Only where that is shown to be a later container's does the earlier one go.
describe("berth gc, a namespace's number that came again", () => {
  const OWN = ["10.1.2.2", "fd00::2"];
  const LATER = ["10.1.2.3", "fd00::3"];

  /** The pod's addresses are OWN, those of a later container with the same number LATER. */
  function nodeOfTwo(later = "later", ifname = "eth0"): Disk {
    const disk = nodeWith(true);
    const made = cni(disk, "ADD", later, ifname);
    expect(made.json.ips.map((ip: { address: string }) => ip.address.split("/")[0])).toEqual(LATER);
    return disk;
  }

  function machineOf(addresses: readonly string[], change: (m: Machine) => void = () => {}) {
    const machine = machineWith("a process");
    machine.addresses.set(NET, ["127.0.0.1", "::1", ...addresses]);
    change(machine);
    return machine;
  }

  const holdsLater = (disk: Disk) => cni(disk, "CHECK", "later").status === 0;

  const MOUNTED = (m: Machine) => {
    m.mounts.set(1, [NET]);
    m.names.set("/run/netns", new Map([["cni-2", NET]]));
  };

  test.each([
    ["the later one's addresses", LATER, () => {}],
    ["the later one's, and is mounted, as a CRI does", LATER, MOUNTED],
    [
      "addresses that its own are parts of, too",
      [...LATER, "10.1.2.20", "110.1.2.2", "fd00::2:2"],
      () => {},
    ],
  ])("the namespace has %s: the earlier container goes, after a grace", (_, addresses, change) => {
    const disk = nodeOfTwo();
    const look = () => gc(disk, machineOf(addresses, change)).json.networks[0];
    expect(look()).toMatchObject({ live: 1, waiting: 1 });
    disk.now += GRACE - 1;
    expect(look()).toMatchObject({ live: 1, freed: 0 });
    disk.now += 1;
    expect(look()).toMatchObject({ live: 1, freed: 1 });
    expect([holds(disk), holdsLater(disk)]).toEqual([false, true]);
  });

  const STAYS: Record<string, (machine: Machine) => void> = {
    "its own address of IPv4 is there": (m) => m.addresses.get(NET)!.push(OWN[0]!),
    "its own address of IPv6 is there": (m) => m.addresses.get(NET)!.push(OWN[1]!),
    "only its own are there": (m) => m.addresses.set(NET, OWN),
    "none is there": (m) => m.addresses.delete(NET),
    "none of the later one's IPv4 is there": (m) => m.addresses.set(NET, [LATER[1]!, "10.1.2.30"]),
    "none of the later one's IPv6 is there": (m) => m.addresses.set(NET, [LATER[0]!, "fd00::3:3"]),
    "no thread is in it": (m) => {
      m.processes.delete(77);
      m.mounts.set(1, [NET]);
    },
    "its thread ends while we look": (m) => {
      const { inode } = m;
      m.inode = (path) => (path === "/proc/77/ns/net" ? -2 : inode.call(m, path));
    },
    "its thread's number goes to another": (m) => {
      const { inode } = m;
      m.inode = (path) => (path === "/proc/77/ns/net" ? 4321 : inode.call(m, path));
    },
    "IPv4 can't be read": (m) => {
      m.denied = (path) => path.endsWith("/net/fib_trie");
    },
    "IPv6 can't be read": (m) => {
      m.denied = (path) => path.endsWith("/net/if_inet6");
    },
    "there is more than a pod's": (m) => {
      for (let n = 0; n < 6000; n++) m.addresses.get(NET)!.push(`10.7.${n >> 8}.${n & 255}`);
    },
    "a runtime knows it": (m) => m.directories.add(`/var/lib/docker/containers/${ID}`),
  };

  test.each(Object.entries(STAYS))("it stays: %s", (_, change) => {
    for (const when of ["first", "second", "both"]) {
      const disk = nodeOfTwo();
      gc(disk, machineOf(LATER, when === "second" ? undefined : change));
      disk.now += GRACE;
      gc(disk, machineOf(LATER, when === "first" ? undefined : change));
      expect([when, holds(disk), holdsLater(disk)]).toEqual([when, true, true]);
    }
  });

  test("it stays: the later allocation is the same container's, on another interface", () => {
    const disk = nodeOfTwo(ID, "eth1");
    for (let n = 0; n < 3; n++) {
      expect(gc(disk, machineOf(LATER)).json.networks[0]).toMatchObject({ live: 2, waiting: 0 });
      disk.now += GRACE;
    }
    expect(holds(disk)).toBe(true);
  });

  test("it stays: the later container has gone before the second look", () => {
    const disk = nodeOfTwo();
    gc(disk, machineOf(LATER));
    expect(cni(disk, "DEL", "later").status).toBe(0);
    disk.now += GRACE;
    gc(disk, machineOf(LATER));
    expect(holds(disk)).toBe(true);
  });

  test("the later one stays, whatever the namespace shows", () => {
    for (const change of Object.values(STAYS)) {
      const disk = nodeOfTwo();
      for (let n = 0; n < 3; n++) {
        gc(disk, machineOf(OWN, change));
        disk.now += GRACE;
      }
      expect([holds(disk), holdsLater(disk)]).toEqual([true, true]);
    }
  });
});

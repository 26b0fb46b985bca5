// What an operator keeps and lets go, on files in memory: a power cut takes nothing of it back,
// every record of a name counts, not only the newest, and what goes goes as by DEL.
import { expect, it } from "vitest";
import { Machine } from "../support/machine.ts";
import { call, Disk } from "../support/memoryhost.ts";

const IPAM = { type: "berth", ranges: [[{ subnet: "10.1.0.0/25" }], [{ subnet: "fd00:1::/64" }]] };

function node(more: object) {
  const disk = new Disk();
  const config = { cniVersion: "1.1.0", name: "net", ipam: { ...IPAM, ...more } };
  disk.machine = new Machine();
  const cni = (command: string, id: string, pod: string, lock = 0) => {
    disk.machine!.names.set("/run/netns", new Map([["n", 5000]]));
    const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod}`;
    const env = {
      CNI_CONTAINERID: id,
      CNI_IFNAME: "eth0",
      CNI_NETNS: "/run/netns/n",
      CNI_ARGS: args,
    };
    const done = call(
      disk,
      { ...env, CNI_COMMAND: command, CNI_PATH: "/x" },
      config,
      undefined,
      lock,
    );
    expect([command, id, done.status]).toEqual([command, id, 0]);
    return done.json?.ips.map(({ address }: { address: string }) => address.split("/")[0]);
  };
  const verb = (...words: string[]) => {
    disk.argv = [...words, "--network", "net", "--json"];
    const { status, json } = call(disk, {}, "");
    disk.argv = [];
    return { status, ...json.networks[0] };
  };
  /** Power goes, and with it every page that wasn't synced. */
  const cut = () => disk.cut((n) => n - 1);
  return { disk, cni, verb, cut };
}

const ALL = { reserve: { for: "24h", pods: "all" } };

it("a power cut brings back no reservation that an operator has released", () => {
  for (const word of ["shop/web-0", "10.1.0.2"]) {
    const { cni, verb, cut } = node(ALL);
    cni("ADD", "a", "web-0");
    cni("DEL", "a", "web-0");
    expect(verb("explain", "10.1.0.2").state).toBe("reserved");
    expect(verb("release", word).released).toHaveLength(2);
    cut();
    expect(cni("ADD", "b", "web-1")).toEqual(["10.1.0.3", "fd00:1::3"]);
    expect(verb("explain", "10.1.0.2").state).toBe("free");
  }
});

it("a power cut makes no reservation of a named container that an operator has released", () => {
  const { cni, verb, cut } = node(ALL);
  cni("ADD", "a", "web-0");
  expect(verb("release", "--container", "a").released).toHaveLength(2);
  cut();
  cni("ADD", "b", "web-1");
  expect(verb("explain", "10.1.0.2").state).toBe("free");
});

it("a reservation that an operator has made is there after a power cut", () => {
  const { cni, verb, cut } = node({});
  cni("ADD", "a", "web-1");
  const { reserved } = verb("reserve", "shop/web-0", "--for", "2h");
  cut();
  expect(cni("ADD", "b", "web-0")).toEqual(reserved);
});

it("reserve refuses a name of which an older container lives, whatever its newest record is", () => {
  const { disk, cni, verb } = node({ cooldown: 600 });
  cni("ADD", "old", "web-0");
  cni("ADD", "new", "web-0");
  cni("DEL", "new", "web-0");
  const refused = verb("reserve", "shop/web-0", "--for", "2h");
  expect([refused.status, refused.error?.msg]).toEqual([
    1,
    "there are addresses held by or reserved for shop/web-0",
  ]);
  cni("DEL", "old", "web-0");
  disk.now += 1;
  expect(verb("reserve", "shop/web-0", "--for", "2h").reserved).toHaveLength(2);
});

it("reserve names the address that can't be kept, and why", () => {
  const { cni, verb } = node({});
  cni("ADD", "a", "web-1");
  const told = (addresses: string) => {
    const said = verb("reserve", "shop/web-0", "--for", "1h", "--addresses", addresses);
    return [said.status, said.error?.msg];
  };
  const no = "can't be reserved for shop/web-0: ";
  expect(told("10.1.0.9,10.9.9.9")).toEqual([
    1,
    `${no}10.9.9.9 lies in no range set of the network`,
  ]);
  const two = "two of --addresses lie in one range set, which gives one";
  expect(told("10.1.0.9,10.1.0.10")).toEqual([1, no + two]);
  expect(told("10.1.0.2")).toEqual([1, `${no}10.1.0.2 isn't free (berth explain tells why)`]);
});

it("release lets go every record of a name, however many and long they are", () => {
  const { cni, verb } = node({});
  const count = 40;
  for (let n = 0; n < count; n++) {
    const id = `c${n}`.padEnd(4096, "x");
    cni("ADD", id, "web-0");
  }
  expect(verb("release", "shop/web-0").released).toHaveLength(2 * count);
  expect(verb("show").held).toBe(0);
  expect(verb("check").faults).toEqual([]);
});

/** Two looks, a grace apart, at a machine on which none of these pods is any more. */
function gcTwice({ disk, verb }: ReturnType<typeof node>): number[] {
  disk.machine = new Machine();
  const freed = [1, 2].map(() => {
    const { freed: count } = verb("gc");
    disk.now += 900;
    return count;
  });
  return freed;
}

it("gc lets go as a DEL does: what has no name to be kept for cools down", () => {
  const one = node({ cooldown: 3600, reserve: { for: "24h" } });
  one.cni("ADD", "a", "web-0");
  expect(gcTwice(one)).toEqual([0, 1]);
  expect(one.verb("explain", "10.1.0.2").state).toBe("cooling");
});

it("gc keeps no more names of a namespace than perNamespace says", () => {
  const one = node({ reserve: { for: "24h", pods: "all", perNamespace: 2 } });
  for (let n = 0; n < 5; n++) one.cni("ADD", `c${n}`, `web-${n}`);
  expect(gcTwice(one)).toEqual([0, 5]);
  const states = [2, 3, 4, 5, 6].map((n) => one.verb("explain", `10.1.0.${n}`).state);
  expect(states.sort()).toEqual(["free", "free", "free", "reserved", "reserved"]);
});

it("a DEL note that a verb finds is done as the DEL would have been", () => {
  const { disk, cni, verb } = node({ cooldown: 3600 });
  cni("ADD", "a", "web-0");
  cni("ADD", "b", "web-1");
  cni("DEL", "a", "web-0", -11); // the lock isn't given
  expect([...disk.names.keys()].some((name) => name.startsWith("del-"))).toBe(true);
  verb("release", "10.1.0.3");
  expect(verb("explain", "10.1.0.2").state).toBe("cooling");
});

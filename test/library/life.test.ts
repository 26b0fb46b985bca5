// An address's life in the library, on clocks of the test's own: each promise of docs/LIFE.md that
// the library shares with the plugin, once. (The plugin's: test/plugin/life*.test.ts; the verbs':
// test/verbs/life.test.ts.)
import { afterAll, describe, expect, it } from "vitest";
import { type Ipam, openIpamAround } from "../../src/ipam/ipam.ts";
import { codes, crashed, removeSpaces, space } from "./ipamspace.ts";

afterAll(removeSpaces);

const SUMMER = 1_780_000_000;
const NAME = "shop/web-0";
const POOLS = ["pods", "six"];

/** A machine with two clocks, and a directory on it that is opened again in each boot. */
class World {
  readonly #path = space();
  /** Seconds of CLOCK_BOOTTIME and of CLOCK_REALTIME. */
  boot = 5000;
  wall = SUMMER;
  #boots = 1;
  ipam: Ipam;

  constructor(cooldown: number) {
    this.ipam = this.#open(this.#path);
    this.ipam.pool("10.0.0.0/29", { name: "pods", cooldown });
    this.ipam.pool("fd00::/64", { name: "six", cooldown });
  }

  #open(path: string): Ipam {
    const clock = () => this.boot;
    const wall = () => this.wall;
    const boot = `11111111-2222-3333-4444-${String(this.#boots).padStart(12, "0")}`;
    return openIpamAround(path, {}, { clock, wall, boot });
  }

  pass(seconds: number): void {
    this.boot += seconds;
    this.wall += seconds;
  }

  /** The machine is down for so long; `crash`: the process had no time to close. */
  async reboot(seconds: number, crash: boolean): Promise<void> {
    await this.ipam.flush();
    const left = crash ? crashed(this.#path) : this.#path;
    this.ipam.close();
    this.boot = 30;
    this.wall += seconds;
    this.#boots++;
    this.ipam = this.#open(left);
  }

  give(owner: string, name?: string): string {
    const whose = name === undefined ? { owner } : { owner, name };
    return this.ipam.allocate({ ...whose, pools: POOLS }).addresses.join(" ");
  }

  state(address: string): string {
    return this.ipam.explain(address).state;
  }
}

const PROMISES: [title: string, cooldown: number, play: (w: World) => void | Promise<void>][] = [
  [
    "a name comes back to both its addresses within the time, and nobody else gets them",
    0,
    (w) => {
      expect(w.give("a", NAME)).toBe("10.0.0.0 fd00::");
      w.ipam.release("a", { reserveFor: 3600 });
      w.pass(3599);
      expect(w.give("b", "shop/web-1")).toBe("10.0.0.1 fd00::1");
      expect(w.give("c", NAME)).toBe("10.0.0.0 fd00::");
    },
  ],
  [
    "after the time they are free without anybody having to call anything",
    0,
    (w) => {
      w.give("a", NAME);
      w.ipam.release("a", { reserveFor: 3600 });
      w.pass(3600);
      expect([w.state("10.0.0.0"), w.state("fd00::")]).toEqual(["free", "free"]);
      expect(w.ipam.ofName(NAME).reservations).toEqual([]);
      expect(w.ipam.stats()).toMatchObject({ reservations: 0, taken4: 0, taken6: 0 });
      const asked = { owner: "b", pools: POOLS, addresses: ["10.0.0.0", "fd00::"] };
      expect(w.ipam.allocate(asked).addresses).toEqual(["10.0.0.0", "fd00::"]);
    },
  ],
  [
    "a wall clock that jumps either way ends nothing early and nothing late",
    60,
    (w) => {
      w.give("a", NAME);
      w.ipam.release("a", { reserveFor: 3600 });
      w.give("b");
      w.ipam.release("b");
      for (const jump of [10 * 365 * 86_400, -20 * 365 * 86_400, 10 * 365 * 86_400]) {
        w.wall += jump;
        expect([w.state("10.0.0.0"), w.state("10.0.0.1")]).toEqual(["reserved", "cooling"]);
      }
      w.pass(59);
      expect(w.state("10.0.0.1")).toBe("cooling");
      w.boot += 1;
      expect(w.state("10.0.0.1")).toBe("free");
      w.boot += 3540;
      expect(w.state("10.0.0.0")).toBe("free");
    },
  ],
  [
    "a new web-0 beside the old one gets other addresses; a late release takes nothing of its",
    0,
    (w) => {
      w.give("old", NAME);
      expect(w.give("new", NAME)).toBe("10.0.0.1 fd00::1");
      w.ipam.release("old");
      expect(codes(() => w.ipam.release("old"))[0]).toBe("notAllocated");
      expect(w.ipam.find({ owner: "new" })?.addresses).toEqual(["10.0.0.1", "fd00::1"]);
    },
  ],
  [
    "a cool-down never stands between a name and its own address",
    600,
    (w) => {
      w.give("a", NAME);
      w.ipam.release("a");
      const asked = { pools: POOLS, addresses: ["10.0.0.0", "fd00::"] };
      const other = { ...asked, owner: "b", name: "shop/web-1" };
      expect(codes(() => w.ipam.allocate(other))).toEqual(["cooling", "10.0.0.0"]);
      const own = { ...asked, owner: "c", name: NAME };
      expect(w.ipam.allocate(own).addresses).toEqual(["10.0.0.0", "fd00::"]);
    },
  ],
  [
    "a reservation that an operator ends is free at once, one for ever never ends",
    0,
    (w) => {
      w.ipam.reserve(NAME, { pools: POOLS, ttl: 600 });
      w.ipam.reserve("shop/db-0", { pools: POOLS, ttl: Number.POSITIVE_INFINITY });
      w.ipam.unreserve(NAME);
      expect(w.state("10.0.0.0")).toBe("free");
      w.pass(4_000_000_000);
      expect(w.state("10.0.0.1")).toBe("reserved");
    },
  ],
];

describe("an address's life", () => {
  it.each(PROMISES)("%s", async (_, cooldown, play) => {
    const w = new World(cooldown);
    await play(w);
    expect(w.ipam.check()).toEqual([]);
    w.ipam.close();
  });
});

/** What the wall clock does between the last call and the first one of the next boot. */
const REBOOTS: [title: string, down: number, jump: number, left: number][] = [
  ["600 s", 600, 0, 2999],
  ["600 s, and the wall clock was set back a month before", 600, -2_592_000, 2999],
  ["600 s, and the wall clock was set forward a year before", 600, 31_536_000, 2999],
  ["a time that the wall clock says was negative", -86_400, 0, 3600],
  ["longer than it was to last", 4000, 0, 0],
];

describe.each([false, true])("over a reboot, after a crash: %s", (crash) => {
  it.each(REBOOTS)(
    "a reservation goes on with the time that it had left: down for %s",
    async (_, down, jump, left) => {
      const w = new World(3600);
      w.give("a", NAME);
      w.ipam.release("a", { reserveFor: 3600 });
      w.give("b");
      w.ipam.release("b");
      w.wall += jump;
      // A call that changes something sees that the clocks have drifted apart, once a second.
      w.pass(1);
      w.give("node");
      await w.reboot(down, crash);
      const states = () => [w.state("10.0.0.0"), w.state("10.0.0.1")];
      if (left > 0) {
        w.pass(left - 31);
        expect(states()).toEqual(["reserved", "cooling"]);
        w.pass(31);
      }
      expect(states()).toEqual(["free", "free"]);
      expect(w.ipam.check()).toEqual([]);
      w.ipam.close();
    },
  );

  it("a wall clock that isn't set, before or after, ends nothing early", async () => {
    for (const [before, after] of [
      [1e9, SUMMER],
      [SUMMER, 1e9],
      [1e9, 1e9],
    ] as const) {
      const w = new World(0);
      w.wall = before;
      w.ipam.reserve(NAME, { pools: POOLS, ttl: 3600 });
      w.give("a");
      await w.reboot(after - before, crash);
      w.pass(3500);
      expect([before, after, w.state("10.0.0.0")]).toEqual([before, after, "reserved"]);
      w.pass(101);
      expect(w.state("10.0.0.0")).toBe("free");
      w.ipam.close();
    }
  });

  it("nodes and other owners stay, containers lapse, and the name gets its own address", async () => {
    const w = new World(0);
    for (const kind of ["container", "node", "other"] as const)
      w.ipam.allocate({ owner: kind, kind, name: `n/${kind}`, pools: POOLS });
    w.ipam.reserve(NAME, { pools: POOLS, ttl: 7200 });
    await w.reboot(60, crash);
    expect([...w.ipam].map(({ owner }) => owner)).toEqual(["node", "other"]);
    expect(w.state("10.0.0.0")).toBe("free");
    expect(w.give("web", NAME)).toBe("10.0.0.3 fd00::3");
    expect(w.ipam.check()).toEqual([]);
    w.ipam.close();
  });
});

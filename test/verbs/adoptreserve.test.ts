// What adopt --from-cache knows of the reservation of a name: the same as the record of the ADD,
// whether the container leaves by its DEL, by one that brings no config, or by a reboot; on both
// hosts.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import type { Told } from "./support.ts";

const KEY = "io.kubernetes.cri.pod-annotations";
const WEB = "shop/web-0";
const HERE = "10.9.0.5";
const FIXED = { "berth.dev/addresses": `${HERE},fd00:9::5` };
const HOURS = { "berth.dev/reserve-for": "2h" };

/** A pod, and how the network treats it. */
interface Play {
  pod: string;
  annotations?: object;
  reserve?: object;
  /** The config lets the plugin see annotations (default: yes). */
  sees?: boolean;
  /** The kept config, if it isn't the list that libcni keeps. */
  kept?: (list: string) => string;
}

const ORDINAL = { for: "1h", pods: "ordinal" };
const PLAYS: [title: string, minutes: number, play: Play][] = [
  ["an ordinal name", 60, { pod: WEB, reserve: ORDINAL }],
  ["another name", 0, { pod: "shop/api-x2x4z", reserve: ORDINAL }],
  ["any name", 60, { pod: "shop/api-x2x4z", reserve: { for: "1h", pods: "all" } }],
  ["an annotation's time", 120, { pod: "shop/api", annotations: HOURS, reserve: { for: "1h" } }],
  ["fixed addresses", 60, { pod: "shop/api", annotations: FIXED, reserve: { for: "1h" } }],
  ["both", 120, { pod: "shop/api", annotations: { ...HOURS, ...FIXED }, reserve: {} }],
  ["no reserve", 0, { pod: WEB, annotations: { ...HOURS, ...FIXED } }],
  [
    "annotations that the plugin may not see",
    0,
    { pod: "shop/api", annotations: HOURS, reserve: {}, sees: false },
  ],
  [
    "the ordinal of such a pod",
    60,
    { pod: WEB, annotations: HOURS, reserve: ORDINAL, sees: false },
  ],
  [
    "empty annotations",
    0,
    {
      pod: "shop/api",
      annotations: { "berth.dev/reserve-for": " ", "berth.dev/addresses": null },
      reserve: {},
    },
  ],
];

/** A node with one pod; `adopts`: its state was lost and taken over from the runtime's results. */
class Scene {
  readonly w: World;
  readonly list: { cniVersion: string; name: string; plugins: Told[] };
  readonly config: object;
  readonly play: Play;

  constructor(w: World, play: Play) {
    this.w = w;
    this.play = play;
    const ranges = [[{ subnet: "10.9.0.0/24" }], [{ subnet: "fd00:9::/64" }]];
    const reserve = play.reserve === undefined ? {} : { reserve: play.reserve };
    const ipam = { type: "berth", ranges, dataDir: w.dir, ...reserve };
    const sees = play.sees ?? true;
    const capabilities = { portMappings: true, ...(sees ? { [KEY]: true } : {}) };
    const plugins = [{ type: "loopback" }, { type: "bridge", ipam, capabilities }] as Told[];
    this.list = { cniVersion: "1.0.0", name: "net", plugins };
    this.config = { cniVersion: "1.0.0", name: "net", ...plugins[1] };
  }

  async run(adopts: boolean): Promise<void> {
    const { pod, annotations, sees } = this.play;
    const runtimeConfig = { [KEY]: annotations };
    const config = sees === false ? this.config : { ...this.config, runtimeConfig };
    const added = await this.w.cni("ADD", "web", config, pod);
    expect(added.status).toBe(0);
    if (!adopts) return;
    const [space, name] = pod.split("/");
    const kept = (this.play.kept ?? ((list) => list))(JSON.stringify(this.list));
    const cache = path.join(this.w.dir, "results");
    mkdirSync(cache);
    const result = {
      kind: "cniCacheV1",
      containerId: "web",
      config: Buffer.from(kept).toString("base64"),
      ifName: "eth0",
      networkName: "net",
      cniArgs: [
        ["K8S_POD_NAMESPACE", space],
        ["K8S_POD_NAME", name],
      ],
      capabilityArgs: { [KEY]: annotations },
      result: added.json,
    };
    writeFileSync(path.join(cache, "net-web-eth0"), JSON.stringify(result));
    rmSync(path.join(this.w.dir, "net"), { recursive: true });
    const words = ["--from", cache, "--data-dir", this.w.dir, "--network", "net"];
    const said = await this.w.verb(["adopt", "--from-cache", ...words, "--json"]);
    expect(said.json.networks[0]).toMatchObject({ addresses: 2, names: 1 });
  }

  /** For how many minutes the pod's addresses are reserved. */
  async minutes(): Promise<number> {
    const show = ["show", "--json", "--data-dir", this.w.dir];
    const { addresses } = (await this.w.verb(show)).json.networks[0] as { addresses: Told[] };
    const kept = addresses.filter((a) => a.state === "reserved" && a.name === this.play.pod);
    const times = kept.map((a) => Date.parse(a.until as string) - Date.parse(a.since as string));
    expect([0, 2]).toContain(kept.length);
    return Math.round((times[0] ?? 0) / 60_000);
  }
}

const LEAVES: [how: string, leave: (s: Scene) => Promise<unknown>][] = [
  ["its DEL", (s) => s.w.cni("DEL", "web", s.config, s.play.pod)],
  [
    "a DEL with a broken config",
    (s) =>
      s.w.cni(
        "DEL",
        "web",
        { ...s.config, ipam: { type: "berth", dataDir: s.w.dir, reserve: 7 } },
        s.play.pod,
      ),
  ],
  [
    "a reboot",
    (s) => {
      s.w.reboot(10);
      return s.w.cni("ADD", "next", s.config, "shop/next");
    },
  ],
];

describe.each(clockHosts)("$name: a name that was adopted is kept as an ADD's", ({ world }) => {
  let node: World;
  beforeAll(buildClock);
  afterEach(() => node.end());

  describe.each(LEAVES)("after %s", (_, leave) => {
    test.each(PLAYS)("%s", async (_title, minutes, play) => {
      for (const adopts of [false, true]) {
        node?.end();
        node = world();
        const scene = new Scene(node, play);
        await scene.run(adopts);
        await leave(scene);
        expect([adopts, await scene.minutes()]).toEqual([adopts, minutes]);
      }
    });
  });

  const lists: [title: string, kept: (list: string) => string][] = [
    ["nothing", () => ""],
    ["no JSON", (list) => list.slice(1)],
    ["a cut list", (list) => list.slice(0, -1)],
    ["a number", () => "7"],
    ["plugins that are none", () => '{"plugins":[1,"a",null,[],{"ipam":7},{"capabilities":[]}]}'],
    ["a reserve that makes no sense", (list) => list.replace('"1h"', '"1 hour"')],
  ];
  test.each(lists)("where the kept config is %s the name alone is taken", async (_title, kept) => {
    node = world();
    const scene = new Scene(node, { pod: WEB, annotations: HOURS, reserve: ORDINAL, kept });
    await scene.run(true);
    node.reboot(10);
    await node.cni("ADD", "next", scene.config, "shop/next");
    expect(await scene.minutes()).toBe(0);
  });

  test("one plugin's config is read as a list of one", async () => {
    node = world();
    const kept = (list: string) => JSON.stringify(JSON.parse(list).plugins[1]);
    const scene = new Scene(node, { pod: "shop/api", annotations: HOURS, reserve: {}, kept });
    await scene.run(true);
    await node.cni("DEL", "web", scene.config, "shop/api");
    expect(await scene.minutes()).toBe(120);
  });
});

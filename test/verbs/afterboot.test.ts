// Verbs at a state of the boot before: those that change every network rebuild each as if it were
// the only one, and explain doesn't foretell what the rebuild will change.
import { afterEach, beforeAll, expect, test } from "vitest";
import { buildClock, clockHosts, type World } from "../support/clock.ts";
import { needsCompiler } from "../support/needs.ts";
import type { Told } from "./support.ts";

/** Each is an event or two of the ring, and 16 words of a rebuild. */
const PODS = 300;

let node: World;
beforeAll(buildClock, 120_000);
afterEach(() => node?.end());

// On the native host: the calls that fill two rings take minutes on the other one.
const native = clockHosts.find((host) => host.name === "native");
const { missing, why } = needsCompiler();

test.skipIf(missing)(
  `gc of two networks with many events, before any ADD of this boot${why}`,
  { timeout: 60_000 },
  async () => {
    node = native!.world();
    const config = (name: string) => ({
      cniVersion: "1.1.0",
      name,
      ipam: { type: "berth", dataDir: node.dir, ranges: [[{ subnet: "10.9.0.0/24" }]] },
    });
    for (const name of ["one", "two"])
      for (let i = 0; i < PODS; i++)
        for (const verb of ["ADD", "DEL"])
          expect((await node.cni(verb, `pod-${i}`, config(name))).status).toBe(0);
    node.reboot(5);
    // A machine that doesn't let its namespaces be seen answers 50; none of them is damaged (102).
    const gc = await node.verb(["gc", "--json", "--data-dir", node.dir]);
    const networks = gc.json.networks as Told[];
    expect(networks.map((one) => one.network)).toEqual(["one", "two"]);
    for (const { error } of networks) expect([undefined, 50]).toContain((error as Told)?.code);
    expect((await node.verb(["check", "--data-dir", node.dir])).status).toBe(0);
  },
);

test.skipIf(missing)(`explain foretells nothing from another boot${why}`, async () => {
  node = native!.world();
  const ipam = { type: "berth", dataDir: node.dir, ranges: [[{ subnet: "10.9.0.0/24" }]] };
  const config = { cniVersion: "1.0.0", name: "net", ipam: { ...ipam, reserve: { pods: "all" } } };
  for (const [id, pod] of [["a", "shop/web-0"], ["b"]] as const)
    expect((await node.cni("ADD", id, config, pod)).status).toBe(0);
  const explain = (what: string, ...more: string[]) =>
    node.verb(["explain", what, "--data-dir", node.dir, ...more]);
  expect((await explain("shop/web-0")).text).toContain(
    "An ADD of this name would get:\n  10.9.0.4",
  );
  node.reboot(5);
  for (const what of ["shop/web-0", "10.9.0.2", "10.9.0.3"]) {
    const { text } = await explain(what);
    expect(text).toContain("This state is of another boot");
    expect(text).not.toContain("would get");
    expect(text).not.toMatch(/ $|^Name: *$/m);
  }
  const json = (await explain("shop/web-0", "--json")).json.networks[0];
  expect(json.addWouldGive).toEqual([]);
  expect((await node.cni("ADD", "c", config, "shop/web-0")).json.ips[0].address).toBe(
    "10.9.0.2/24",
  );
});

test.skipIf(missing)(`export says that its files are of another boot${why}`, async () => {
  node = native!.world();
  const ipam = { type: "berth", dataDir: node.dir, ranges: [[{ subnet: "10.9.0.0/24" }]] };
  await node.cni("ADD", "a", { cniVersion: "1.0.0", name: "net", ipam });
  const told = async (...more: string[]) =>
    node.verb(["export", "--host-local", `${node.dir}/out`, "--data-dir", node.dir, ...more]);
  expect((await told()).text).not.toContain("another boot");
  expect((await told("--json")).json.networks[0].otherBoot).toBe(undefined);
  node.reboot(5);
  expect((await told()).text).toContain("This state is of another boot");
  expect((await told("--json")).json.networks[0].otherBoot).toBe(true);
});

// npm run pictures [-- DIR]: the docs' pictures of `berth map`, docs/images/map.svg and map.txt, of
// a demo network that is the same each time: 150 pods come, a third of them go, ten names have
// reservations. Everything goes through build/bin/berth (or berth-node), as on a node.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./native.mjs";

const out = process.argv[2] ?? join(root, "docs/images");
const native = join(root, "build/bin/berth");
const program = existsSync(native) ? native : join(root, "build/bin/berth-node");
const dataDir = mkdtempSync(join(tmpdir(), "berth-pictures-"));
const config = {
  cniVersion: "1.0.0",
  name: "demo",
  ipam: {
    type: "berth",
    dataDir,
    cooldown: "24h",
    ranges: [
      [{ subnet: "10.1.2.0/24", exclude: ["10.1.2.64/27", "10.1.2.200"] }],
      [{ subnet: "fd00:1:2::/64" }],
    ],
  },
};

/** Runs the program; throws what it said if it fails. */
function berth(args, env = {}, input = "") {
  const PATH = process.env.PATH;
  const done = spawnSync(program, args, { env: { PATH, ...env }, input });
  if (done.status !== 0) throw new Error(`berth ${args}: ${done.stdout}${done.stderr}`);
  return `${done.stdout}`;
}

function call(command, id) {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_NETNS: `/run/netns/${id}`,
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
  };
  berth([], env, JSON.stringify(config));
}

// The same numbers each time (a linear congruential generator).
let state = 1;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

try {
  for (let i = 0; i < 150; i++) call("ADD", `pod-${i}`);
  for (let i = 0; i < 150; i++) if (random() < 1 / 3) call("DEL", `pod-${i}`);
  const { openIpam } = await import("../build/js/src/index.js");
  const ipam = openIpam(join(dataDir, config.name));
  const pools = [ipam.pool("10.1.2.0/24"), ipam.pool("fd00:1:2::/64")];
  for (let i = 0; i < 10; i++) {
    const addresses = [`10.1.2.${210 + i}`, `fd00:1:2::${(210 + i).toString(16)}`];
    ipam.reserve(`shop/web-${i}`, { pools, addresses, ttl: 7 * 86_400 });
  }
  ipam.close();
  mkdirSync(out, { recursive: true });
  const where = ["--data-dir", dataDir];
  writeFileSync(join(out, "map.svg"), berth(["map", "--svg", "--set", "0", ...where]));
  writeFileSync(join(out, "map.txt"), berth(["map", "--plain", ...where]));
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}

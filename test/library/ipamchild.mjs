// A process that works on an Ipam until it is killed (ipamcrash.test.ts). It tells on stdout, line
// by line, what it was promised: `+owner address ...` and `-owner` only after a flush that covers
// them; before an operation it says `?owner`. It runs the built library.

import { writeSync } from "node:fs";
import { openIpam } from "../../build/js/src/ipam/ipam.js";

const [path, lock, seed, flushes] = process.argv.slice(2);
let state = Number(seed);
function random(n) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) % n;
}
const say = (text) => writeSync(1, `${text}\n`);

const ipam = openIpam(path, { lock, sync: random(2) === 0 ? "always" : "never" });
const pools = [
  ipam.pool("10.0.0.0/22", { cooldown: 1 }),
  ipam.pool("fd00::/64", { policy: "random" }),
];
await ipam.flush();
const held = new Set([...ipam].map((one) => one.owner));
say("ready");
for (;;) {
  const done = [];
  for (let n = 1 + random(30); n > 0; n--) {
    const owner = `o${random(400)}`.padEnd([1, 60, 200][random(3)], "x");
    say(`?${owner}`);
    if (held.delete(owner)) {
      ipam.release(owner);
      done.push(`-${owner}`);
    } else {
      const which = [[0], [1], [0, 1]][random(3)].map((i) => pools[i]);
      const { addresses } = ipam.allocate({ owner, pools: which, name: `ns/${owner.slice(0, 9)}` });
      held.add(owner);
      done.push(`+${owner} ${addresses.join(" ")}`);
    }
  }
  if (flushes === "no") continue;
  await ipam.flush();
  say(done.join("\n"));
}

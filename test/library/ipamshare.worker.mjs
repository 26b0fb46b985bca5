// A thread of ipamshare.test.ts: allocates and releases on a shared Ipam until it has done its
// rounds, or until it is terminated.
import { parentPort, workerData } from "node:worker_threads";

const { attachIpam } = await import(workerData.index);
const ipam = attachIpam(workerData.token);
const { rounds, number } = workerData;
parentPort.postMessage("ready");
const seen = [];
for (let i = 0; rounds === 0 || i < rounds; i++) {
  const owner = `w${number}-${i}`;
  const { addresses } = ipam.allocate({ owner, pools: ["10.0.0.0/16", "fd00::/64"] });
  seen.push(...addresses);
  if (i % 3 === 0) ipam.release(owner);
  if (i % 50 === 0) await ipam.flush();
}
ipam.close();
parentPort.postMessage({ seen });

// A thread of share.test.ts and of scripts/storm.mjs: works on a shared pool until it is told how
// much, or until it is terminated in the middle of a call.
import { parentPort, workerData } from "node:worker_threads";

const { Pool } = await import(workerData.index);
const pool = Pool.attach(workerData.token);
const { rounds, batch, marks, wide } = workerData;
// One byte for each slot: who holds it writes its own number there and finds 0 or fails.
const owners = marks ? new Int32Array(marks) : undefined;
const me = workerData.number;
const slots = [];
let clashes = 0;

function take() {
  const slot = pool.take();
  if (owners && Atomics.exchange(owners, Number(slot), me) !== 0) clashes++;
  slots.push(slot);
}

function give() {
  const slot = slots.shift();
  if (owners && Atomics.exchange(owners, Number(slot), 0) !== me) clashes++;
  pool.give(slot);
}

parentPort.postMessage("ready");
for (let i = 0; rounds === 0 || i < rounds; i++) {
  for (let k = 0; k < batch; k++) take();
  // Some stay a little: the two threads' slots mix.
  while (slots.length > (i % 7) * (wide ? 3 : 1)) give();
}
while (slots.length > 0) give();
parentPort.postMessage({ clashes });

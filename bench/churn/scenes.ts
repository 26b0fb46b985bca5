// Scenes: what happens to the pods of a node, in a time of its own (seconds), as calls of a pool.
//
//   rolling update   a tenth of the pods at a time: the new ones come, then the old ones go; 5 s a
//                    step
//   drain            all go, one each 100 ms; 30 s later as many come back, one each 100 ms
//   restart storm    the node restarts: all go at once, all come back at once, a second later
//
// Every scene is played ROUNDS times, a minute apart, on a pool of at least twice the pods.

export const SCENES = ["rolling update", "drain", "restart storm"] as const;
export type Scene = (typeof SCENES)[number];

/** What a scene does with the pods. `wait` moves the clock. */
export interface Stage {
  /** A pod comes. */
  come(): void;
  /** The pod that came first goes. */
  go(): void;
  wait(seconds: number): void;
}

export const ROUNDS = 10;

function rolling(stage: Stage, pods: number): void {
  const step = Math.ceil(pods / 10);
  for (let done = 0; done < pods; done += step) {
    const many = Math.min(step, pods - done);
    for (let i = 0; i < many; i++) stage.come();
    stage.wait(5);
    for (let i = 0; i < many; i++) stage.go();
  }
}

function spaced(pods: number, work: () => void, wait: () => void): void {
  for (let i = 0; i < pods; i++) {
    work();
    wait();
  }
}

function drain(stage: Stage, pods: number): void {
  const wait = () => stage.wait(0.1);
  spaced(pods, () => stage.go(), wait);
  stage.wait(30);
  spaced(pods, () => stage.come(), wait);
}

function storm(stage: Stage, pods: number): void {
  for (let i = 0; i < pods; i++) stage.go();
  stage.wait(1);
  for (let i = 0; i < pods; i++) stage.come();
}

/** Plays a scene on a stage that has `pods` pods. */
export function play(scene: Scene, stage: Stage, pods: number): void {
  const one = { "rolling update": rolling, drain, "restart storm": storm }[scene];
  for (let round = 0; round < ROUNDS; round++) {
    one(stage, pods);
    stage.wait(60);
  }
}

// A core that is used again. A memory goes back when the garbage collector looks, and nothing tells
// that how large it is: who reads every second, or opens for one call, would hold an image for each
// time. So what closes leaves its core here, and what opens next reads into that.
//
// Held weakly: what nobody uses again is freed. One of each mode, since a mode stays in a core.
import { type Around, Core } from "./core.ts";

export class SpareCore {
  #last: WeakRef<Core> | undefined;

  /** The core that was left here, else a new one. On a test's clock always a new one. */
  take(around: Around): Core {
    const last = isUsual(around) ? this.#last?.deref() : undefined;
    if (last) this.#last = undefined;
    return last ?? new Core(around);
  }

  /** Leaves a core that nobody asks any more, and that hasn't trapped. Its files are closed. */
  leave(core: Core, around: Around): void {
    if (isUsual(around)) this.#last = new WeakRef(core);
  }
}

function isUsual(around: Around): boolean {
  return Object.keys(around).length === 0;
}

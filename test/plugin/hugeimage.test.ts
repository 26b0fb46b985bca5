// An image that is as large as it may be: a sparse file whose header says so.
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { WINDOW_BASE, WINDOW_END } from "../../assembly/numbers.ts";
import { need } from "../support/needs.ts";
import { berths } from "./support/binaries.ts";
import { Caller } from "./support/caller.ts";
import { pluginOf } from "./support/plugin.ts";
import { folder, homeOf, network, removeAll } from "./support/space.ts";

afterAll(removeAll);

const native = berths.find((berth) => berth.kind === "native");
const { missing, why } = need(native, "the native plugin: a C compiler");

it.skipIf(missing)(
  `[native] an image near 1 GiB grows to its window's end, not past it${why}`,
  async () => {
    // Fault B4: growth by an eighth reached past the window, and the call trapped.
    const caller = Caller.start(1);
    const plugin = pluginOf(caller, native!);
    const config = network(folder(), [[{ subnet: "10.1.0.0/16" }]]);
    const state = join(homeOf(config), "berth.state");
    await plugin.given(config, "a");
    const bytes = 960 * 1024 * 1024;
    const header = Buffer.alloc(72);
    readFileSync(state).copy(header, 0, 128, 200);
    // Length of the image; end of the arena's claimed part, and of the arena (image/header.ts).
    header.writeBigUInt64LE(BigInt(bytes), 0);
    header.writeUInt32LE(bytes - 49_152, 64);
    header.writeUInt32LE(bytes, 68);
    const file = openSync(state, "r+");
    writeSync(file, header, 0, 72, 128);
    closeSync(file);
    truncateSync(state, bytes);
    await plugin.given(config, "b");
    expect(statSync(state).size).toBeGreaterThan(bytes);
    expect(statSync(state).size).toBeLessThanOrEqual(WINDOW_END - WINDOW_BASE);
    await plugin.given(config, "c");
    await plugin.gone(config, "b");
    expect((await plugin.check(config, "c")).ok).toBe(true);
    await caller.close();
  },
);

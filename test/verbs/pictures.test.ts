// The docs' pictures are what `npm run pictures` makes of today's program.

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { root } from "../../scripts/native.mjs";
import { folder, removeAll } from "../plugin/support/space.ts";

afterAll(removeAll);

it("the pictures in docs/images are those that the program draws", { timeout: 60_000 }, () => {
  const out = folder();
  const done = spawnSync(process.execPath, [path.join(root, "scripts/pictures.mjs"), out]);
  expect([done.status, `${done.stderr}`]).toEqual([0, ""]);
  for (const name of ["map.svg", "map.txt"]) {
    const drawn = fs.readFileSync(path.join(out, name), "utf8");
    expect(fs.readFileSync(path.join(root, "docs/images", name), "utf8")).toBe(drawn);
  }
  const page = fs.readFileSync(path.join(root, "docs/OPERATING.md"), "utf8");
  const cells = fs
    .readFileSync(path.join(root, "docs/images/map.txt"), "utf8")
    .split("\n")
    .slice(7, 23);
  expect(page).toContain(cells.map((line) => `    ${line}`).join("\n"));
});

/**
 * An image made on the spot: busybox and nothing else, as the docker-archive tar that
 * `ctr images import` reads. No registry is asked. It serves as the pause image of pods too.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./process.ts";
import { commandPath } from "./requirements.ts";

/** The name that the image has after its import. */
export const IMAGE = "berth.test/busybox:e2e";

const ARCHITECTURES: Record<string, string> = { x64: "amd64", arm64: "arm64" };

/** Writes the archive into `dir` and answers its path. */
export async function makeImage(dir: string): Promise<string> {
  const root = join(dir, "rootfs");
  const bin = join(root, "bin");
  for (const name of ["bin", "dev", "proc", "sys", "tmp"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(commandPath("busybox")!, join(bin, "busybox"));
  for (const name of ["sh", "ip", "ping", "sleep"]) symlinkSync("busybox", join(bin, name));
  const layer = join(dir, "layer.tar");
  await run(["tar", "-C", root, "-cf", layer, "."]);
  const digest = createHash("sha256").update(readFileSync(layer)).digest("hex");
  const config = {
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: "linux",
    // A pod's first process has nothing to do but to be there; `ctr` names its own command.
    config: { Cmd: ["/bin/sleep", "86400"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
  };
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  const manifest = [{ Config: "config.json", RepoTags: [IMAGE], Layers: ["layer.tar"] }];
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(manifest));
  const archive = join(dir, "image.tar");
  await run(["tar", "-C", dir, "-cf", archive, "manifest.json", "config.json", "layer.tar"]);
  return archive;
}

// `berth install`: what it copies and writes, what it leaves alone.

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { berths, binaries } from "../plugin/support/binaries.ts";
import { folder, removeAll } from "../plugin/support/space.ts";
import { need, needsRoot } from "../support/needs.ts";
import { berth, lines } from "./support.ts";

afterAll(removeAll);

const native = binaries.find((binary) => binary.kind === "native");
const SUBNETS = "10.244.1.0/24,fd00:1::/64";

// The native executable is what both hosts install.
const { missing, why } = need(native, "the native plugin: a C compiler");
describe.skipIf(missing).each(berths)(`$name: install${why}`, (binary) => {
  let bin: string;
  let conf: string;
  let file: string;
  let list: string;
  beforeEach(() => {
    const dir = folder();
    bin = path.join(dir, "opt/cni/bin");
    conf = path.join(dir, "etc");
    file = path.join(bin, "berth");
    list = path.join(conf, "10-podnet.conflist");
  });

  const install = (...more: string[]) => berth(binary, "install", "--bin-dir", bin, ...more);
  const both = (...more: string[]) =>
    install("--conf-dir", conf, "--conflist", "podnet", "--subnet", SUBNETS, ...more);
  const mode = (name: string) => fs.statSync(name).mode & 0o777;

  it("copies the native executable, which then works, and is installed again without change", () => {
    expect(lines(install().out)).toEqual([`wrote: ${file}`]);
    expect(fs.readFileSync(file).equals(fs.readFileSync(native!.path))).toBe(true);
    expect(mode(file)).toBe(0o755);
    expect(fs.readdirSync(bin)).toEqual(["berth"]);
    const before = fs.statSync(file).ino;
    expect(lines(install().out)).toEqual([`unchanged: ${file}`]);
    expect(fs.statSync(file).ino).toBe(before);
    const other = path.join(path.dirname(bin), "second");
    const again = spawnSync(file, ["install", "--bin-dir", other], { env: {} });
    expect([again.status, `${again.stderr}`]).toEqual([0, ""]);
    expect(fs.readFileSync(path.join(other, "berth")).equals(fs.readFileSync(file))).toBe(true);
  });

  const asRoot = needsRoot();
  it.skipIf(asRoot.missing)(`says why a file can't be looked at${asRoot.why}`, () => {
    install();
    fs.chmodSync(file, 0o700);
    const dir = path.dirname(path.dirname(path.dirname(bin)));
    fs.chmodSync(dir, 0o755);
    const program = path.join(dir, "program");
    fs.copyFileSync(native!.path, program);
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    const said = spawnSync("setpriv", [...nobody, program, "install", "--bin-dir", bin]);
    expect([said.status, `${said.stderr}`]).toEqual([
      1,
      expect.stringContaining(`can't read ${file}: permission denied`),
    ]);
  });

  it("writes a conflist that libcni's rules and berth's own take", () => {
    expect(both().status).toBe(0);
    expect(mode(list)).toBe(0o644);
    const said = JSON.parse(fs.readFileSync(list, "utf8"));
    expect(said).toMatchObject({ cniVersion: "1.0.0", name: "podnet" });
    const [bridge] = said.plugins;
    expect(bridge.ipam.ranges).toEqual([
      [{ subnet: "10.244.1.0/24" }],
      [{ subnet: "fd00:1::/64" }],
    ]);
    const config = { cniVersion: said.cniVersion, name: said.name, ...bridge };
    config.ipam.dataDir = path.join(conf, "state");
    const env = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "a",
      CNI_NETNS: "/run/netns/a",
      CNI_IFNAME: "eth0",
      CNI_PATH: bin,
    };
    const added = spawnSync(file, [], { env, input: JSON.stringify(config) });
    expect(JSON.parse(`${added.stdout}`).ips.map((ip: { address: string }) => ip.address)).toEqual([
      "10.244.1.2/24",
      "fd00:1::2/64",
    ]);
  });

  it("replaces what berth made: another release's executable, its own conflist", () => {
    both();
    fs.appendFileSync(file, "a later release");
    expect(lines(both("--bridge", "br0").out)).toEqual([`wrote: ${file}`, `wrote: ${list}`]);
    expect(fs.readFileSync(file).equals(fs.readFileSync(native!.path))).toBe(true);
    expect(JSON.parse(fs.readFileSync(list, "utf8")).plugins[0].bridge).toBe("br0");
  });

  it("leaves alone what it didn't write, names the file, and writes nothing else", () => {
    const foreign: [string, (name: string) => void][] = [
      [file, (name) => fs.writeFileSync(name, "#!/bin/sh\n")],
      [file, (name) => fs.writeFileSync(name, "")],
      [file, (name) => fs.symlinkSync(native!.path, name)],
      [file, (name) => fs.mkdirSync(name)],
      [list, (name) => fs.writeFileSync(name, '{"name": "podnet"}')],
      [list, (name) => fs.writeFileSync(name, "")],
      [list, (name) => fs.symlinkSync("/etc/hostname", name)],
    ];
    for (const [name, make] of foreign) {
      fs.rmSync(bin, { recursive: true, force: true });
      fs.rmSync(conf, { recursive: true, force: true });
      fs.mkdirSync(path.dirname(name), { recursive: true });
      make(name);
      const said = both();
      expect([said.status, said.out]).toEqual([1, ""]);
      expect(said.err).toContain(name);
      const there = [bin, conf].flatMap((dir) => (fs.existsSync(dir) ? fs.readdirSync(dir) : []));
      expect(there).toEqual([path.basename(name)]);
      expect(JSON.parse(both("--json").out).code).toBe(120);
    }
  });

  it("takes a conflist that somebody has changed for somebody's own", () => {
    both();
    const text = fs.readFileSync(list, "utf8");
    for (const other of [
      text.replace("cni0", "cni1"),
      `${text} `,
      text.replace(/[0-9a-f]{16}/, "0".repeat(16)),
    ]) {
      fs.writeFileSync(list, other);
      expect(both("--bridge", "br0").status).toBe(1);
      expect(fs.readFileSync(list, "utf8")).toBe(other);
    }
  });

  it("says with --dry-run what it would do, and does nothing", () => {
    const said = both("--dry-run");
    expect(lines(said.out)).toEqual([`would write: ${file}`, `would write: ${list}`]);
    expect([fs.existsSync(bin), fs.existsSync(conf)]).toEqual([false, false]);
    expect(JSON.parse(both("--dry-run", "--json").out).files[0]).toEqual({
      file,
      done: "would be written",
    });
  });

  it("refuses subnets that no plugin takes, and options that mean nothing", () => {
    for (const subnets of [
      "10.0.0.1/24",
      "10.0.0.0/31",
      "10.0.0.0",
      "",
      "10.0.0.0/24,10.0.0.128/25",
    ])
      expect(install("--conflist", "podnet", "--subnet", subnets).status).toBe(2);
    expect(install("--conflist", "../x", "--subnet", SUBNETS).status).toBe(2);
    expect(install("--conflist", "podnet").status).toBe(2);
    expect(install("--subnet", SUBNETS).status).toBe(2);
    expect(fs.existsSync(bin)).toBe(false);
  });

  it("removes the half-made file where the directory can't take it", () => {
    const wrapped = spawnSync(
      "/bin/sh",
      ["-c", 'ulimit -f 8; exec "$@"', "sh", binary.path, "install", "--bin-dir", bin],
      {
        env: { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` },
      },
    );
    expect(wrapped.status).toBe(1);
    expect(`${wrapped.stderr}`).toContain(file);
    expect(fs.readdirSync(bin)).toEqual([]);
  });
});

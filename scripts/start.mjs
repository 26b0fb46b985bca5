// npm start: from a clean clone to addresses given. Installs and builds what is missing, runs the
// plugin on examples/dual-stack.conf as a container runtime would, and shows what it answers.
//
// Runs before anything is installed, so it uses nothing but Node. The state lies in a temporary
// directory that is removed on every way out. Exits 1 if a call failed or an answer was wrong.
//
// BERTH=FILE runs another plugin and builds nothing; HOST_LOCAL=FILE is measured beside it.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { installIfMissing } from "./install.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (text = "") => console.log(text);

/** Rounds of ADD and DEL that are timed: native programs, and those that start Node. */
const ROUNDS = { native: 100, node: 10 };

/** Runs a program; answers its status, output and time, or throws if it can't be started. */
function run(path, args, { env = process.env, input, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const begin = process.hrtime.bigint();
    const out = show ? "inherit" : "pipe";
    const child = spawn(path, args, { cwd: root, env, stdio: ["pipe", out, out] });
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (some) => (stdout += some));
    child.stderr?.on("data", (some) => (stderr += some));
    child.stdin.on("error", () => {}); // it may end without reading
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        status: code ?? signal,
        stdout,
        stderr,
        ms: Number(process.hrtime.bigint() - begin) / 1e6,
      }),
    );
  });
}

/** Does this program start here and end with 0? */
async function works(path, ...args) {
  const done = await run(path, args).catch(() => ({ status: 1 }));
  return done.status === 0;
}

async function must(path, args) {
  const done = await run(path, args);
  if (done.status === 0) return;
  process.stderr.write(done.stdout + done.stderr);
  throw new Error(`${[path, ...args].join(" ")} ended with ${done.status}`);
}

/** For spawn.c only: the build looks for its own. */
async function findCompiler() {
  for (const name of [process.env.CC, "cc", "gcc", "clang"])
    if (name && (await works(name, "--version"))) return name;
  return undefined;
}

/** Installs and builds as far as that is needed; answers the plugin to run. */
async function prepare() {
  if (process.env.BERTH) return process.env.BERTH;
  installIfMissing();
  const native = join(root, "build/bin/berth");
  const node = join(root, "build/bin/berth-node");
  if (!existsSync(node)) say("building: npm run build");
  await must(process.execPath, ["scripts/build.mjs"]); // leaves alone what is up to date
  if (existsSync(native)) return native;
  say("There is no native plugin without a C compiler: this is build/bin/berth-node, which does");
  say("the same, but takes the time that Node needs to start.");
  return node;
}

/** The environment of one plugin call, as a runtime sets it, and nothing else. */
const callEnv = (command, pod) => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: pod,
  CNI_IFNAME: "eth0",
  CNI_NETNS: `/var/run/netns/${pod}`,
  CNI_PATH: "/opt/cni/bin",
  PATH: process.env.PATH ?? "",
});

/** The example's config with the state in `dataDir`. */
function configText(dataDir, type = "berth") {
  const config = JSON.parse(readFileSync(join(root, "examples/dual-stack.conf"), "utf8"));
  config.ipam = { ...config.ipam, type, dataDir };
  return JSON.stringify(config);
}

const padded = (addresses) =>
  addresses
    .map((address) => address.padEnd(16))
    .join("  ")
    .trimEnd();

/** Three pods come, one goes, another comes; what is held is asked of the plugin by CHECK. */
async function show(plugin, config) {
  const held = new Map();
  const given = new Set();
  let answer = "";
  const call = (command, pod) => run(plugin, [], { env: callEnv(command, pod), input: config });
  const line = (command, pod, text) => say(`  ${command.padEnd(5)} ${pod}   ${text}`);
  const fail = (command, pod, done) => {
    throw new Error(`${command} of ${pod} ended with ${done.status}: ${done.stdout}${done.stderr}`);
  };
  const steps = ["ADD pod-a", "ADD pod-b", "ADD pod-c", "DEL pod-b", "ADD pod-d"];
  for (const [command, pod] of steps.map((step) => step.split(" "))) {
    const done = await call(command, pod);
    if (done.status !== 0) fail(command, pod, done);
    if (command === "DEL") {
      line(command, pod, "its addresses are free again");
      held.delete(pod);
      continue;
    }
    answer = done.stdout;
    const addresses = JSON.parse(answer).ips.map((ip) => ip.address);
    if (addresses.length !== 2) throw new Error(`ADD of ${pod} gave ${addresses.length} addresses`);
    for (const address of addresses) {
      if (given.has(address)) throw new Error(`${address} was given twice`);
      given.add(address);
    }
    held.set(pod, addresses);
    line(command, pod, padded(addresses));
  }
  for (const pod of ["pod-a", "pod-b", "pod-c", "pod-d"]) {
    const done = await call("CHECK", pod);
    if ((done.status === 0) !== held.has(pod)) fail("CHECK", pod, done);
  }
  say();
  say("Held now, as a CHECK of each pod confirms:");
  for (const [pod, addresses] of held) say(`  ${pod}   ${padded(addresses)}`);
  return answer;
}

/** The JSON of a result with a line for each key and each list entry. */
function folded(answer) {
  const value = (one) =>
    Array.isArray(one)
      ? `[\n    ${one.map((entry) => JSON.stringify(entry)).join(",\n    ")} ]`
      : JSON.stringify(one);
  const entries = Object.entries(JSON.parse(answer));
  return `{ ${entries.map(([key, one]) => `"${key}": ${value(one)}`).join(",\n  ")} }`;
}

function findHostLocal() {
  const places = [
    process.env.HOST_LOCAL,
    "/opt/cni/bin/host-local",
    "/usr/lib/cni/host-local",
    join(root, "build/peers/host-local"),
  ];
  return places.find((path) => path && existsSync(path));
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Median time of an ADD in ms for each program, taking turns: A B A B. */
async function timeCalls(programs, rounds, compiler, temporary) {
  const steps = Array.from({ length: rounds }, () =>
    programs.flatMap((program, at) =>
      ["ADD", "DEL"].map((command) => ({
        ...program,
        at,
        command,
        env: callEnv(command, "pod-z"),
      })),
    ),
  ).flat();
  const times = programs.map(() => []);
  const spawner = join(temporary, "spawn");
  const source = join(root, "bench/plugin/spawn.c");
  if (compiler && (await works(compiler, "-O2", "-pthread", "-o", spawner, source))) {
    const plan = join(temporary, "plan");
    const lines = programs.flatMap(({ path, input }) => [`program\t${path}`, `input\t${input}`]);
    for (const { at, env } of steps) {
      const fields = Object.entries(env).map(([key, value]) => `${key}=${value}`);
      lines.push(["step", at, at, ...fields].join("\t"));
    }
    writeFileSync(plan, `${lines.join("\n")}\n`);
    await must(spawner, ["run", plan, `${plan}.answers`]);
    const answers = readFileSync(`${plan}.answers`, "utf8").split("\n");
    for (const [k, { at, command }] of steps.entries()) {
      const [ns, status] = answers[k].split("\t").map(Number);
      if (status !== 0) throw new Error(`a timed ${command} failed: ${answers[k]}`);
      if (command === "ADD") times[at].push(ns / 1e6);
    }
    return { medians: times.map(median), how: "" };
  }
  for (const { path, input, at, command, env } of steps) {
    const done = await run(path, [], { env, input: readFileSync(input) });
    if (done.status !== 0) throw new Error(`a timed ${command} failed: ${done.stdout}`);
    if (command === "ADD") times[at].push(done.ms);
  }
  return { medians: times.map(median), how: ", started by Node, which adds about 1 ms" };
}

async function showTimes(plugin, compiler, temporary) {
  const hostLocal = findHostLocal();
  const programs = [{ name: "berth", path: plugin }];
  if (hostLocal) programs.push({ name: "host-local", path: hostLocal });
  for (const program of programs) {
    program.input = join(temporary, `${program.name}.json`);
    writeFileSync(
      program.input,
      configText(join(temporary, `${program.name}-timed`), program.name),
    );
  }
  const rounds = plugin.endsWith("-node") ? ROUNDS.node : ROUNDS.native;
  const { medians, how } = await timeCalls(programs, rounds, compiler, temporary);
  say(`Time of an ADD, whole process, nothing else held, median of ${rounds}${how}:`);
  for (const [at, { name, path }] of programs.entries()) {
    const ratio = medians[at] / medians[0];
    const beside = at === 0 ? "" : `, ${ratio.toFixed(ratio < 1 ? 2 : 1)} times as long`;
    const place = relative(root, path).startsWith("..") ? path : relative(root, path);
    say(`  ${name.padEnd(10)}  ${medians[at].toFixed(2).padStart(6)} ms   ${place}${beside}`);
  }
  if (!hostLocal) say("  host-local isn't installed (Debian: containernetworking-plugins)");
}

async function main(temporary) {
  const compiler = await findCompiler();
  const plugin = await prepare();
  const config = configText(join(temporary, "state"));
  const { ranges } = JSON.parse(config).ipam;
  say("Berth gives every pod one address from each range set of a network. This is its plugin,");
  say("called as a container runtime calls it, on examples/dual-stack.conf:");
  say(`  ${ranges.map(([range]) => range.subnet).join("  ")}`);
  say();
  const answer = await show(plugin, config);
  say();
  say("The request for pod-d (the config goes to stdin) and its answer:");
  const { PATH: _, ...request } = callEnv("ADD", "pod-d");
  for (const [name, text] of Object.entries(request)) say(`  ${name}=${text}`);
  say(folded(answer).replace(/^/gm, "  "));
  say();
  await showTimes(plugin, compiler, temporary);
  say();
  say("More: examples/README.md puts it on a node, npm run bench:plugin measures all of it.");
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 20)) {
  console.error(`npm start: needs Node 20.20 or newer, this is ${process.versions.node}`);
  process.exit(1);
}
const temporary = mkdtempSync(join(tmpdir(), "berth-start-"));
process.once("exit", () => rmSync(temporary, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
try {
  await main(temporary);
} catch (error) {
  console.error(`npm start: ${error.message}`);
  process.exitCode = 1;
}

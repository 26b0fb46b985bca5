// The process that runs plugin calls for the tests: fixtures/caller.c, compiled on first use into
// build/test (without a C compiler: caller.mjs). A Caller may stand in a mount namespace of its own
// (`inside`), so that every call that it makes sees a small or read-only file system.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findCompiler } from "../../../scripts/native.mjs";

/** The project's top folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

/** One execution of a program. */
export interface Request {
  argv: string[];
  env: Record<string, string>;
  stdin: string | Uint8Array;
  /** Killed after this many milliseconds, and the answer says so (default 10,000). */
  timeoutMs?: number;
  /** SIGKILL this many microseconds after the spawn. */
  killUs?: number;
  /** Told the process id once it runs. */
  started?: (pid: number) => void;
}

/** What came of it. */
export interface Answer {
  /** Exit status, -1 if it was ended by a signal. */
  exit: number;
  signal: number;
  /** Spawn to reaped, in microseconds. */
  us: number;
  timedOut: boolean;
  out: string;
  err: string;
}

function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The command line of the caller, compiled if caller.c is newer than its program. */
function callerCommand(): string[] {
  const source = path.join(root, "test/plugin/fixtures/caller.c");
  const program = path.join(root, "build/test/caller");
  const compiler = findCompiler();
  if (!compiler) return [process.execPath, source.replace(/c$/, "mjs")];
  if (modified(program) < modified(source)) {
    mkdirSync(path.dirname(program), { recursive: true });
    const fresh = `${program}.${process.pid}`;
    const options = [...compiler.flags, "-O2", "-o", fresh, source];
    execFileSync(compiler.command, options, { stdio: "inherit" });
    renameSync(fresh, program);
    rmSync(fresh, { force: true });
  }
  return [program];
}

interface Waiting {
  answer: (a: Answer) => void;
  refuse: (e: Error) => void;
  started: ((pid: number) => void) | undefined;
}

/** Runs calls, at most `jobs` at a time. */
export class Caller {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #held: Buffer = Buffer.alloc(0);
  #chunks: Buffer[] = [];
  #wanted = 1;
  #ended: Error | null = null;

  private constructor(argv: string[]) {
    this.#process = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.stdout!.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#process.stdin!.on("error", () => {});
    this.#process.on("error", (e) => this.#end(e));
    this.#process.on("close", (code) => this.#end(new Error(`the caller ended: ${code}`)));
  }

  /** A caller in the mount namespace of the tests. */
  static start(jobs: number): Caller {
    return new Caller([...callerCommand(), String(jobs)]);
  }

  /** A caller in a mount namespace of its own, after the shell commands `setUp` ran in it. */
  static inside(jobs: number, setUp: string): Caller {
    const command = [...callerCommand(), String(jobs)];
    const script = `set -e; ${setUp}\nexec "$@"`;
    const apart = ["unshare", "-m", "--propagation", "private"];
    return new Caller([...apart, "sh", "-c", script, "sh", ...command]);
  }

  /** Process id, e.g. for /proc/PID/root, which is what this caller sees. */
  get pid(): number {
    return this.#process.pid!;
  }

  /** Queues one execution. */
  call(r: Request): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended);
    const seq = this.#next++;
    const texts = [...r.argv, ...Object.entries(r.env).map(([k, v]) => `${k}=${v}`)];
    if (texts.some((t) => t.includes("\0"))) throw new Error("NUL in an argument or a variable");
    const text = Buffer.from(texts.map((t) => `${t}\0`).join(""));
    const stdin = typeof r.stdin === "string" ? Buffer.from(r.stdin) : r.stdin;
    const numbers = [
      seq,
      r.timeoutMs ?? 30_000,
      r.killUs === undefined ? -1 : Math.round(r.killUs),
      r.argv.length,
      texts.length - r.argv.length,
      text.length,
      stdin.length,
      r.started ? 1 : 0,
    ];
    const head = Buffer.from(`R ${numbers.join(" ")}\n`);
    this.#process.stdin!.write(Buffer.concat([head, text, stdin]));
    return new Promise((answer, refuse) => {
      this.#waiting.set(seq, { answer, refuse, started: r.started });
    });
  }

  /** Runs a shell command where this caller stands; throws what it says if it fails. */
  async shell(command: string): Promise<string> {
    const env = { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin" };
    const a = await this.call({ argv: ["sh", "-c", command], env, stdin: "" });
    if (a.exit !== 0) throw new Error(`${command}: ${a.out}${a.err}`);
    return a.out;
  }

  /** Ends it, with what it still runs. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise((done) => this.#process.once("close", done));
    this.#process.stdin!.end();
    await closed;
  }

  #end(why: Error): void {
    this.#ended ??= why;
    for (const w of this.#waiting.values()) w.refuse(this.#ended);
    this.#waiting.clear();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    const have = this.#chunks.reduce((n, c) => n + c.length, this.#held.length);
    if (have < this.#wanted) return;
    this.#held = Buffer.concat([this.#held, ...this.#chunks]);
    this.#chunks = [];
    let at = 0;
    for (;;) {
      const end = this.#held.indexOf(10, at);
      this.#wanted = 1;
      if (end < 0) break;
      const [kind, ...words] = this.#held.toString("latin1", at, end).split(" ");
      const [seq, second, third, us, late, outLen = 0, errLen = 0] = words.map(Number);
      const waiting = this.#waiting.get(seq!)!;
      if (kind === "S") {
        waiting.started?.(second!);
        at = end + 1;
        continue;
      }
      const body = end + 1;
      if (this.#held.length < body + outLen + errLen) {
        this.#wanted = body + outLen + errLen;
        break;
      }
      at = body + outLen + errLen;
      this.#waiting.delete(seq!);
      waiting.answer({
        exit: second!,
        signal: third!,
        us: us!,
        timedOut: late === 1,
        out: this.#held.toString("utf8", body, body + outLen),
        err: this.#held.toString("utf8", body + outLen, at),
      });
    }
    this.#held = this.#held.subarray(at);
    this.#wanted = Math.max(1, this.#wanted - at);
  }
}

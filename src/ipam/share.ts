// Sharing an Ipam with worker threads: they ask, the thread that opened it answers. The image has
// one writer; what workers share is a mailbox in a SharedArrayBuffer.
//
//   0     bell: counts requests i32 | closed i32 | tag of the opener's thread i32 | -
//   64    64 boxes of BOX bytes: | state i32 | tag of the thread i32 | bytes i32 | - | JSON, UTF-8
//   |
//
//   state   0 idle   1 request   2 answer   3 error       tag   0 nobody's
//
// A worker writes its request, rings the bell and waits; the opener's event loop wakes up, works,
// answers. So a request is done whole or not at all, whenever its worker ends: there is no
// half-done call and no lock to free. The box of a thread that is gone is given to the next one;
// who waits for an opener whose thread is gone is told so.
// Cost: 20 to 60 us a call, beside the 100 to 200 of an fdatasync.
import { IpamError, shown } from "../errors.ts";
import { lostToken, threadLives, threadTag } from "../share.ts";
import type { Ipam } from "./ipam.ts";
import type {
  AllocateRequest,
  Allocation,
  FindBy,
  IpamExplanation,
  IpamPoolOptions,
  IpamStats,
  ReleaseOptions,
  ReserveRequest,
} from "./words.ts";

const BOXES = 64;
const BOX = 65_536;
const FIRST = 64;
const HEAD = 16;
const BELL = 0;
const CLOSED = 1;
const OPENER = 2;
const [IDLE, REQUEST, ANSWER, ERROR] = [0, 1, 2, 3];
/** Of an error's message (characters): a request's value may be as long as a box. */
const MESSAGE_MAX = 2000;
/** How long a worker waits for an answer: its opener may be busy, or gone. */
const PATIENCE_MS = 60_000;
/** How often it looks meanwhile whether the opener's thread still runs. */
const SLICE_MS = 250;

/** A shared Ipam, as it is sent to a worker (postMessage, workerData). */
export interface IpamToken {
  berth: "ipam";
  path: string;
  mailbox: SharedArrayBuffer;
}

/** What a request may name, and how its answer travels. */
const METHODS = [
  "allocate",
  "release",
  "reserve",
  "unreserve",
  "find",
  "explain",
  "stats",
  "pool",
  "flush",
] as const;
type Method = (typeof METHODS)[number];

type WaitAsync = (
  words: Int32Array,
  at: number,
  value: number,
  ms?: number,
) => { async: boolean; value: Promise<string> | string };
const { waitAsync } = Atomics as unknown as { waitAsync: WaitAsync };

// Dates and bigints don't survive JSON by themselves.
function pack(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, given) {
    const raw = this[key];
    if (raw instanceof Date) return { date: raw.getTime() };
    if (typeof raw === "bigint") return { big: String(raw) };
    return raw === Number.POSITIVE_INFINITY ? { endless: true } : given;
  });
}

/** A request as a text. Throws "invalid" for what no message carries: it lies in itself, say. */
function letter(method: Method, args: unknown[]): string {
  try {
    return pack({ method, args });
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new IpamError("invalid", `what ${method} is told can't be sent: ${why}`, args);
  }
}

function unpack(text: string): unknown {
  return JSON.parse(text, (_, value) => {
    if (value === null || typeof value !== "object") return value;
    if (typeof value.date === "number") return new Date(value.date);
    if (typeof value.big === "string") return BigInt(value.big);
    return value.endless === true ? Number.POSITIVE_INFINITY : value;
  });
}

/** One thread's letters in the mailbox. */
class Box {
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #at: number;

  constructor(mailbox: SharedArrayBuffer, index: number) {
    const from = FIRST + index * BOX;
    this.words = new Int32Array(mailbox);
    this.#bytes = new Uint8Array(mailbox, from + HEAD, BOX - HEAD);
    this.#at = from / 4;
  }

  get state(): number {
    return Atomics.load(this.words, this.#at);
  }

  set state(value: number) {
    Atomics.store(this.words, this.#at, value);
    Atomics.notify(this.words, this.#at);
  }

  /**
   * Takes the box if it is nobody's, or (`gone`) that of a thread that has ended; not before its
   * last request is answered. The tag decides: two threads can't both have replaced it.
   */
  claim(tag: number, gone: boolean): boolean {
    const at = this.#at + 1;
    const before = Atomics.load(this.words, at);
    if (before !== 0 && !(gone && !threadLives(before))) return false;
    if (Atomics.compareExchange(this.words, at, before, tag) !== before) return false;
    if (this.state === REQUEST) {
      Atomics.store(this.words, at, before);
      return false;
    }
    Atomics.store(this.words, this.#at, IDLE!);
    return true;
  }

  /** Gives the box up; a request in it is answered before somebody else gets it. */
  release(): void {
    Atomics.store(this.words, this.#at + 1, 0);
  }

  /** Takes a request back that nobody has answered. */
  withdraw(): boolean {
    return Atomics.compareExchange(this.words, this.#at, REQUEST!, IDLE!) === REQUEST;
  }

  put(text: string): void {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > this.#bytes.length)
      throw new IpamError(
        "tooLarge",
        `${bytes.length} bytes are more than a call takes`,
        bytes.length,
      );
    this.#bytes.set(bytes);
    this.words[this.#at + 2] = bytes.length;
  }

  get(): unknown {
    const length = this.words[this.#at + 2]!;
    // A copy: decoders refuse shared memory.
    return unpack(new TextDecoder().decode(this.#bytes.slice(0, length)));
  }

  ring(): void {
    Atomics.add(this.words, BELL, 1);
    Atomics.notify(this.words, BELL);
  }

  /** Waits a slice while the state is REQUEST; false: the time was up. */
  wait(): boolean {
    return Atomics.wait(this.words, this.#at, REQUEST!, SLICE_MS) !== "timed-out";
  }

  async waitAsync(): Promise<boolean> {
    const outcome = await waitAsync(this.words, this.#at, REQUEST!, SLICE_MS).value;
    return outcome !== "timed-out";
  }
}

const boxesOf = (mailbox: SharedArrayBuffer) =>
  Array.from({ length: BOXES }, (_, index) => new Box(mailbox, index));

async function answer(ipam: Ipam, box: Box, busy: Set<Box>): Promise<void> {
  let state = ANSWER!;
  busy.add(box);
  try {
    const { method, args } = box.get() as { method: Method; args: never[] };
    if (!METHODS.includes(method))
      throw new IpamError("invalid", `${shown(method)} isn't a call of an Ipam`, method);
    const call = ipam[method] as (...args: never[]) => unknown;
    // An argument that was left out travels as null.
    const value = await call.apply(ipam, args.map((one) => one ?? undefined) as never[]);
    box.put(pack(method === "pool" ? (value as { prefix: string }).prefix : (value ?? null)));
  } catch (error) {
    const { message, code, value } = error as Partial<IpamError>;
    const short = typeof value === "string" && value.length <= MESSAGE_MAX;
    const whole = short || typeof value === "number" ? value : null;
    const text = String(message).slice(0, MESSAGE_MAX);
    box.put(pack({ message: text, code: code ?? "io", value: whole }));
    state = ERROR!;
  }
  // Before the state: its thread may ask again at once.
  busy.delete(box);
  box.state = state;
}

async function serve(ipam: Ipam, mailbox: SharedArrayBuffer): Promise<void> {
  const words = new Int32Array(mailbox);
  const boxes = boxesOf(mailbox);
  const busy = new Set<Box>();
  while (!ipam.closed) {
    const heard = Atomics.load(words, BELL);
    for (const box of boxes) {
      if (box.state === REQUEST && !busy.has(box)) void answer(ipam, box, busy);
    }
    await waitAsync(words, BELL, heard, 250).value;
  }
  Atomics.store(words, CLOSED, 1);
  for (const box of boxes)
    if (box.state === REQUEST && !busy.has(box)) await answer(ipam, box, busy);
}

const shared = new WeakMap<Ipam, IpamToken>();

function closedError(path: string): IpamError {
  return new IpamError("closed", `the Ipam of ${path} is closed`, path);
}

// Asks the kernel: for who waits, not for each call.
function isClosed(words: Int32Array): boolean {
  const opener = Atomics.load(words, OPENER);
  return Atomics.load(words, CLOSED) === 1 || (opener !== 0 && !threadLives(opener));
}

/**
 * What a worker needs to use this Ipam: send it with postMessage or as workerData and call
 * attachIpam there. Up to 64 workers. The opener's event loop must turn to answer them. Throws
 * "closed", "invalid".
 */
export function shareIpam(ipam: Ipam): IpamToken {
  if (typeof ipam?.allocate !== "function" || typeof ipam.path !== "string")
    throw new IpamError("invalid", `${shown(ipam)} is no Ipam that openIpam answered`, ipam);
  if (ipam.closed) throw closedError(ipam.path);
  const known = shared.get(ipam);
  if (known) return known;
  const mailbox = new SharedArrayBuffer(FIRST + BOXES * BOX);
  Atomics.store(new Int32Array(mailbox), OPENER, threadTag());
  const token: IpamToken = { berth: "ipam", path: ipam.path, mailbox };
  shared.set(ipam, token);
  void serve(ipam, mailbox);
  return token;
}

/**
 * Calls on an Ipam that another thread has opened. They wait for their answer, and throw besides
 * what the Ipam throws "locked" (none within 60 s), "tooLarge" (a request over 64 KiB), "closed"
 * (here, or the opener ended), "invalid" (in the opener's own thread all but flush).
 */
export class AttachedIpam implements Disposable {
  readonly path: string;
  // In the opener's own thread: waiting there would keep it from answering.
  readonly #own: boolean;
  #box: Box | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** Use attachIpam. */
  constructor(token: IpamToken, box: Box, own: boolean) {
    this.path = token.path;
    this.#own = own;
    this.#box = box;
  }

  #request(method: Method, args: unknown[]): Box {
    const box = this.#box;
    if (!box || Atomics.load(box.words, CLOSED) === 1) throw closedError(this.path);
    // A flush whose answer is there, but hasn't been read, isn't done either.
    if (box.state !== IDLE)
      throw new IpamError("locked", "a flush of this thread isn't done yet: await it", method);
    box.put(letter(method, args));
    box.state = REQUEST!;
    box.ring();
    // Closed meanwhile: the opener has looked through the boxes perhaps before this was in one.
    if (Atomics.load(box.words, CLOSED) === 1 && box.withdraw()) throw closedError(this.path);
    return box;
  }

  #result(box: Box): unknown {
    const { state } = box;
    if (state !== ANSWER && state !== ERROR) {
      this.close();
      if (isClosed(box.words)) throw closedError(this.path);
      throw new IpamError(
        "locked",
        `no answer from the opener of ${this.path} for 60 s`,
        this.path,
      );
    }
    const value = box.get();
    box.state = IDLE!;
    if (state === ANSWER) return value ?? undefined;
    const error = value as { code: IpamError["code"]; message: string; value: unknown };
    throw new IpamError(error.code, error.message, error.value);
  }

  #ask(method: Method, ...args: unknown[]): unknown {
    if (this.#own)
      throw new IpamError("invalid", "this thread has opened the Ipam: it can't wait here", method);
    const box = this.#request(method, args);
    let left = PATIENCE_MS;
    while (!box.wait() && left > SLICE_MS && !isClosed(box.words)) left -= SLICE_MS;
    return this.#result(box);
  }

  /** As Ipam.pool; answers the pool's prefix, by which requests name it. */
  pool(prefix: string, options?: IpamPoolOptions): string {
    return this.#ask("pool", prefix, options) as string;
  }

  /** As Ipam.allocate; pools are named by prefix or name. */
  allocate(request: AllocateRequest & { pools: readonly string[] }): Allocation {
    return this.#ask("allocate", request) as Allocation;
  }

  /** As Ipam.release. */
  release(owner: string, options?: ReleaseOptions): void {
    this.#ask("release", owner, options);
  }

  /** As Ipam.reserve. */
  reserve(name: string, request: ReserveRequest & { pools: readonly string[] }): string[] {
    return this.#ask("reserve", name, request) as string[];
  }

  /** As Ipam.unreserve. */
  unreserve(name: string): void {
    this.#ask("unreserve", name);
  }

  /** As Ipam.find. */
  find(by: FindBy): Allocation | undefined {
    return this.#ask("find", by) as Allocation | undefined;
  }

  /** As Ipam.explain. */
  explain(address: string): IpamExplanation {
    return this.#ask("explain", address) as IpamExplanation;
  }

  /** As Ipam.stats. */
  stats(): IpamStats {
    return this.#ask("stats") as IpamStats;
  }

  /** As Ipam.flush: this thread makes no other call until it is done. */
  flush(): Promise<void> {
    const turn = this.#turn.then(async () => {
      const box = this.#request("flush", []);
      // A pending waitAsync alone doesn't keep a thread alive.
      const awake = setInterval(() => {}, PATIENCE_MS);
      let left = PATIENCE_MS;
      while (!(await box.waitAsync()) && left > SLICE_MS && !isClosed(box.words)) left -= SLICE_MS;
      clearInterval(awake);
      if (this.#box !== box) throw closedError(this.path);
      this.#result(box);
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Ends the use in this thread; the Ipam stays open. */
  close(): void {
    this.#box?.release();
    this.#box = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The Ipam that another thread has shared. Throws "invalid", "closed", "noSpace" (64 workers). */
export function attachIpam(token: IpamToken): AttachedIpam {
  if (token?.berth !== "ipam")
    throw new IpamError("invalid", "this is not what shareIpam gave", token);
  if (!(token.mailbox instanceof SharedArrayBuffer)) throw lostToken(token);
  const boxes = boxesOf(token.mailbox);
  const words = new Int32Array(token.mailbox);
  const tag = threadTag();
  const own = Atomics.load(words, OPENER) === tag;
  if (isClosed(words)) throw closedError(token.path);
  for (const gone of [false, true]) {
    const mine = boxes.find((box) => box.claim(tag, gone));
    if (mine) return new AttachedIpam(token, mine, own);
  }
  throw new IpamError("noSpace", `${BOXES} threads use this Ipam already: end one`, BOXES);
}

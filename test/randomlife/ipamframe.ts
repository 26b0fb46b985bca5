// An Ipam on files in memory beside its golden model (ipamstate.ts): opening, closing, kills, power
// cuts, and what is found afterwards.
import { type IpamCode, IpamError } from "../../src/errors.ts";
import { type Ipam, openIpamAround } from "../../src/ipam/ipam.ts";
import { readIpamAround } from "../../src/ipam/reader.ts";
import { Disk } from "../support/memorydisk.ts";
import { randomFrom } from "../support/world.ts";
import { State } from "./ipamentry.ts";
import { IpamHost } from "./ipamhost.ts";
import { dumpOf } from "./ipamlook.ts";
import { type Doubt, Fault, History } from "./ipamstate.ts";
import type { Down, ownerOf } from "./ipamsteps.ts";

type Crash = "kill" | "reboot" | "cut";

/** What is the same in all of a life. */
export interface Scene {
  /** An empty directory, for the lock. */
  directory: string;
  sync: "always" | "never";
  reboot: "release" | "keep";
  /** The log can't get longer than it is at first. */
  narrow: boolean;
}

/** Where a log's header has its generation. */
const LOG_GENERATION = 32;
/** Seconds after which nobody can take a time that is over for one that isn't. */
const FORGOTTEN = 300;

/** What is awake has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Files, who has them open, and the model. */
export class IpamFrame {
  readonly disk = new Disk();
  readonly history = new History();
  protected readonly scene: Scene;
  /** What the fake clock of performance.now says. */
  ms = 0;
  protected ipam: Ipam | undefined;
  protected host: IpamHost | undefined;
  /** What has happened since the files were open last. */
  protected crash: Crash | undefined;
  protected doubt: Doubt | undefined;
  protected down: Down | undefined;
  protected broken = false;
  /** What the opening has found, and the log's generation then. */
  protected mark = { number: 0, generation: 0n };
  /** A sync has failed: the states behind this one were voided. */
  protected voided: number | undefined;
  /** What a flush's end was found to be. */
  protected late: unknown;
  /** Owners whose DEL notes wait, by the notes' names. */
  protected readonly notes = new Map<string, ReturnType<typeof ownerOf>>();
  protected jumped = 0;
  protected boots = 0;

  constructor(scene: Scene) {
    this.scene = scene;
    this.disk.wall = 1.78e9;
  }

  /** How often what was found after a kill, a reboot, a power cut was one that may be. */
  readonly met = { kill: 0, reboot: 0, cut: 0 };

  protected open(lock: "exclusive" | "per-call"): void {
    if (this.ipam) return;
    const host = new IpamHost(this.disk, this.scene.narrow, () => this.history.last);
    this.host = host;
    const { directory, sync, reboot } = this.scene;
    try {
      this.ipam = openIpamAround(directory, { lock, sync, reboot, lockTimeout: 0 }, host.around);
    } catch (error) {
      if (!host.isDead) {
        this.expect(error, []);
        host.end();
        this.host = undefined;
        this.crash ??= "kill";
      }
      return;
    }
    this.resolve();
  }

  /** A handle that takes the lock for each call opens the files, and finds what was left. */
  protected reopen(): void {
    try {
      this.ipam?.stats();
      if (this.crash && this.ipam) this.resolve();
      else this.renote();
    } catch (error) {
      this.expect(error, []);
      this.broken = true;
    }
  }

  /** What the files hold for whoever opens them now. */
  protected found(): State {
    const more = new Set([...this.history.addresses()].map(([address]) => address));
    if (this.ipam?.lock === "exclusive") return dumpOf(this.ipam, this.disk.now, more);
    const host = new IpamHost(this.disk);
    try {
      const copy = readIpamAround(this.scene.directory, host.around);
      const found = dumpOf(copy, this.disk.now, more);
      copy.close();
      return found;
    } catch (error) {
      if (error instanceof IpamError && error.code === "notFound") return new State();
      throw error;
    } finally {
      host.end();
    }
  }

  // The files have been opened: is there what may be?
  protected resolve(): void {
    const crash = this.crash;
    const noted = new Set([...this.notes.values()].map(({ owner }) => owner));
    if (!crash) this.renote();
    const found = this.found();
    const when = {
      now: this.disk.now,
      slack: crash && crash !== "kill" ? this.history.slack : undefined,
    };
    if (crash === "kill" && this.voided !== undefined) this.history.drop(this.voided);
    this.voided = undefined;
    if (!crash) this.history.isNow(found, when);
    else if (crash === "cut" && this.isDurable)
      this.history.afterCut(found, when, this.doubt, noted);
    else if (crash === "cut") this.history.afterLoss(found, this.doubt);
    else this.history.afterKill(found, when, this.doubt, noted);
    if (crash === "reboot") this.history.begin(found);
    if (crash) this.met[crash]++;
    this.crash = undefined;
    this.doubt = undefined;
    for (const name of this.notes.keys()) if (!this.disk.names.has(name)) this.notes.delete(name);
    this.mark = { number: this.history.last, generation: this.generation };
  }

  /** Generation of the log that is in use. */
  protected get generation(): bigint {
    return this.disk.names.get("berth.log")?.cache.readBigUInt64LE(LOG_GENERATION) ?? 0n;
  }

  // Notes that are gone have been done.
  protected renote(): void {
    for (const [name, owner] of this.notes) {
      if (this.disk.names.has(name)) continue;
      this.notes.delete(name);
      const state = this.history.now.clone();
      state.release(owner);
      this.put(state);
      this.history.keep(this.history.last, this.isDurable);
    }
  }

  protected async close(): Promise<void> {
    const [ipam, host] = [this.ipam, this.host];
    if (!ipam || !host) return;
    const { last } = this.history;
    try {
      ipam.close();
      if (this.broken) this.crash = "kill";
      else if (ipam.lock === "exclusive") this.history.keep(last, this.isDurable);
    } catch (error) {
      if (host.isDead) return; // the step's end sees it
      this.expect(error, []);
      this.crash = "kill";
    }
    await this.gone(host);
  }

  protected async gone(host: IpamHost): Promise<void> {
    this.ipam = undefined;
    this.host = undefined;
    this.broken = false;
    this.down = undefined;
    host.end();
    await turn();
  }

  /** Lets go of everything, whatever becomes of the files. */
  async end(): Promise<void> {
    if (!this.host) return;
    this.host.isDead = true;
    this.down = undefined;
    await this.die();
  }

  protected async die(): Promise<void> {
    const down = this.down;
    try {
      this.ipam?.close();
    } catch {}
    this.crash ??= "kill";
    await this.gone(this.host!);
    this.down = down;
    if (down) this.shut();
  }

  // The machine goes down and comes up again.
  protected shut(): void {
    const { disk, history } = this;
    const { cut, seconds, now, back } = this.down!;
    this.down = undefined;
    const real = disk.wall + disk.now;
    if (cut === undefined) disk.flush();
    else disk.tear(randomFrom(cut));
    disk.boot = `cccccccc-dddd-eeee-ffff-${String(++this.boots).padStart(12, "0")}`;
    const shift = now - (disk.now + seconds);
    disk.now = now;
    disk.wall = real + seconds - back - now;
    this.jumped = 0;
    history.each((state) => state.reboot(this.scene.reboot === "keep", shift));
    if (cut !== undefined) this.crash = "cut";
    else if (this.crash !== "cut") this.crash = "reboot";
  }

  protected get isDurable(): boolean {
    return this.scene.sync === "always";
  }

  /** What is there now is what the model says. */
  look(): void {
    if (!this.ipam || this.broken) return;
    this.history.isNow(this.found(), { now: this.disk.now, slack: undefined });
  }

  // A reader beside the opener: it sees one of the states that a kill may leave.
  protected copy(): void {
    const host = new IpamHost(this.disk);
    const more = new Set([...this.history.addresses()].map(([address]) => address));
    const copy = readIpamAround(this.scene.directory, host.around);
    const found = dumpOf(copy, this.disk.now, more);
    copy.close();
    host.end();
    this.history.isOne(found, { now: this.disk.now, slack: undefined });
  }

  protected locked(): void {
    if (this.ipam?.lock !== "exclusive") return;
    const host = new IpamHost(this.disk);
    try {
      openIpamAround(this.scene.directory, { lockTimeout: 0 }, host.around);
    } catch (error) {
      if (error instanceof IpamError && error.code === "locked") return;
      throw error;
    } finally {
      host.end();
    }
    throw new Fault("two have the directory open");
  }

  /** Throws unless the error is one of these, or due to what befell the process. */
  protected expect(error: unknown, codes: readonly IpamCode[], doubt?: Doubt): void {
    const host = this.host;
    if (host?.isDead) {
      if (this.ipam?.lock !== "exclusive") this.doubt = doubt;
      return;
    }
    if (!(error instanceof IpamError)) throw error;
    const { code } = error;
    if (codes.includes(code)) return;
    const isFailed = host?.hasFailed || this.broken;
    const isFull = this.disk.full && (code === "noSpace" || code === "io");
    if (!isFull && !(isFailed && ["io", "noSpace", "damaged"].includes(code)))
      throw new Fault(`${code}: ${error.message}`);
    if (code === "noSpace") return;
    if (this.ipam?.lock === "exclusive") this.broken = true;
  }

  /** A call has changed this. */
  protected put(state: State): void {
    for (const [address, { until }] of state.entries)
      if (until < this.disk.now - FORGOTTEN) state.entries.delete(address);
    // A commit that sees times asks both clocks, once in a second.
    if (this.disk.now > this.jumped && state.hasTimes) state.slack = 0;
    this.history.push(state);
    if (this.ipam?.lock === "per-call") this.history.keep(this.history.last, this.isDurable);
  }

  /** Asks whoever sees the files as they are now. */
  protected peek(work: (view: Pick<Ipam, "explain" | "find" | "ofName">) => void): void {
    if (this.ipam?.lock === "exclusive") {
      work(this.ipam);
      return;
    }
    const host = new IpamHost(this.disk);
    const copy = readIpamAround(this.scene.directory, host.around);
    work(copy);
    copy.close();
    host.end();
  }
}

// Plays the steps of an Ipam's life: openIpam and the plugin on files in memory on one side, the
// golden model on the other.
import type { Ipam } from "../../src/ipam/ipam.ts";
import { turn } from "./ipamframe.ts";
import type { IpamHost } from "./ipamhost.ts";
import { IpamPlugin } from "./ipamplugin.ts";
import type { Step, Trouble } from "./ipamsteps.ts";

/** A life. */
export class IpamLife extends IpamPlugin {
  /** This befalls the process that is there. */
  strike(trouble: Trouble | undefined): void {
    if (!trouble || !this.host || this.host.isStruck) return;
    this.host.strike(trouble);
    this.down = trouble.down;
  }

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case "open":
        this.open(step.lock);
        break;
      case "close":
        this.strike(step.trouble);
        await this.close();
        break;
      case "kill":
        if (this.host) this.host.isDead = true;
        break;
      case "trouble":
        this.strike(step.trouble);
        break;
      case "down":
        if (this.host) this.host.isDead = true;
        this.down = step.down;
        if (!this.host) this.shut();
        break;
      case "time":
        this.disk.now += step.seconds;
        break;
      case "wall":
        this.disk.wall += step.seconds;
        this.history.each((state) => {
          state.slack += Math.max(0, step.seconds);
        });
        this.jumped = this.disk.now;
        break;
      case "full":
        this.disk.full = step.on;
        break;
      case "add":
        await this.add(step);
        break;
      case "del":
        await this.del(step);
        break;
      default:
        if (this.ipam && this.host) await this.work(step, this.ipam, this.host);
    }
    await turn();
    if (this.late) throw this.late;
    if (this.host?.isDead) await this.die();
    else if (this.broken) await this.close();
  }

  protected async work(step: Step, ipam: Ipam, host: IpamHost): Promise<void> {
    // A handle that opens for each call does what notes ask for before it does its own.
    if (ipam.lock === "per-call" && this.notes.size > 0) {
      this.reopen();
      if (this.notes.size > 0) return;
    }
    switch (step.do) {
      case "pool":
        this.pool(step, ipam);
        return;
      case "allocate":
        this.allocate(step, ipam);
        return;
      case "release":
        this.release(step, ipam);
        return;
      case "reserve":
        this.reserve(step, ipam);
        return;
      case "unreserve":
        this.unreserve(step, ipam);
        return;
      case "flush":
        this.flush(step, ipam, host);
        return;
      case "settle":
        this.ms += step.ms;
        // Of a sync that a later one has overtaken no caller hears.
        if (step.fails && host.syncs > 0) this.broken = true;
        host.settle(step.n, step.fails);
        return;
      case "look":
        this.look();
        return;
      case "copy":
        this.copy();
        return;
      case "locked":
        this.locked();
        return;
      case "churn":
        this.strike(step.trouble);
        this.churn(step, ipam, host);
        return;
    }
  }
}

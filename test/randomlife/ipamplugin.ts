// The plugin's calls on the files of an Ipam's life, while nobody has them open for good; a DEL comes
// at any time and leaves a note then.
import { call } from "../support/memoryhost.ts";
import { IpamCalls } from "./ipamcalls.ts";
import { type Doubt, Fault } from "./ipamstate.ts";
import { nameOf, ownerOf, POOLS, type Step, type Trouble } from "./ipamsteps.ts";

type Of<K extends Step["do"]> = Extract<Step, { do: K }>;

const LOCKED = -11;

/** A frame that the plugin calls, too. */
export class IpamPlugin extends IpamCalls {
  protected config(): object {
    const { sync, reboot } = this.scene;
    const ranges = [POOLS[0]!, POOLS[2]!].map(({ prefix }) => [{ subnet: prefix }]);
    return { cniVersion: "1.1.0", name: "net", ipam: { type: "berth", sync, reboot, ranges } };
  }

  /** Has nobody opened the files since they were left? Then a STATUS does; is it known now? */
  protected isKnown(): boolean {
    if (!this.crash) return true;
    const env = { CNI_COMMAND: "STATUS", CNI_PATH: "/x" };
    const { status, json } = call(this.disk, env, this.config());
    const isOpened = status === 0 || /no IP addresses available/.test(json?.msg);
    if (!isOpened && !this.disk.full) throw new Fault(`STATUS: ${json?.msg}`);
    if (isOpened) this.resolve();
    return isOpened;
  }

  protected call(verb: "ADD" | "DEL", who: number, trouble?: Trouble, name?: number, lock = 0) {
    const env = {
      CNI_COMMAND: verb,
      CNI_PATH: "/x",
      CNI_NETNS: "/x",
      CNI_CONTAINERID: ownerOf(who).owner,
      CNI_IFNAME: "eth0",
      ...(name === undefined
        ? {}
        : { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=pod-${name}` }),
    };
    const { left, errno } = trouble ?? {};
    const plan = left === undefined ? undefined : { at: left, ...(errno ? { errno } : {}) };
    const outcome = call(this.disk, env, this.config(), plan, lock);
    if (!trouble?.errno && /damaged|internal fault/.test(outcome.json?.msg ?? ""))
      throw new Fault(`${verb}: ${outcome.json.msg}`);
    return outcome;
  }

  // The plugin was killed, maybe by the end of the power.
  protected stopped(trouble: Trouble | undefined, doubt: Doubt): void {
    this.crash = "kill";
    this.doubt = doubt;
    if (trouble?.down) {
      this.down = trouble.down;
      if (this.host) this.host.isDead = true;
      else this.shut();
    } else this.reopen();
  }

  protected add({ who, name, trouble }: Of<"add">): void {
    if (this.ipam?.lock === "exclusive" || !this.isKnown()) return;
    const owner = ownerOf(who);
    const text = name === undefined ? undefined : nameOf(name);
    const outcome = this.call("ADD", who, trouble, name);
    const before = this.history.now;
    const had = before.heldBy(owner);
    const named = text ? before.reservedFor(text, this.disk.now) : [];
    if (outcome.killed) {
      this.stopped(trouble, (found) => {
        const whole = found.heldBy(owner);
        if (whole.length === 1 && had.length === 0 && this.isDurable)
          throw new Fault("a killed ADD has left one of two addresses");
        return new Set([...had, ...whole, ...named]);
      });
      return;
    }
    this.renote();
    if (outcome.status !== 0) {
      const isDue = had.length > 0 || trouble?.errno || this.disk.full;
      const { msg } = outcome.json;
      if (!isDue && !/no IP addresses available/.test(msg)) throw new Fault(`ADD: ${msg}`);
      return;
    }
    const now = this.history.now;
    const given = outcome.json.ips.map(({ address }: { address: string }) => address.split("/")[0]);
    if (now.heldBy(owner).length > 0) throw new Fault(`a second ADD is given ${given}`);
    for (const address of given) this.mayGive(address, text, now);
    this.after(now, [...given, ...named], text);
    this.history.keep(this.history.last, this.isDurable);
  }

  protected del({ who, trouble }: Of<"del">): void {
    const owner = ownerOf(who);
    const isLocked = this.ipam?.lock === "exclusive";
    if (!isLocked && !this.isKnown()) return;
    const names = new Set(this.disk.names.keys());
    const outcome = this.call(
      "DEL",
      who,
      isLocked ? undefined : trouble,
      undefined,
      isLocked ? LOCKED : 0,
    );
    for (const name of this.disk.names.keys())
      if (name.startsWith("del-") && !names.has(name)) this.notes.set(name, owner);
    const before = this.history.now;
    const held = before.heldBy(owner);
    if (outcome.killed) {
      this.stopped(trouble, () => new Set(held));
      return;
    }
    if (outcome.status !== 0 && !trouble?.errno) throw new Fault(`DEL: ${outcome.json?.msg}`);
    if (isLocked) return;
    this.renote();
    const isNoted = [...this.notes.values()].some((one) => one.owner === owner.owner);
    if (outcome.status !== 0 || isNoted || held.length === 0) return;
    this.after(this.history.now, held, undefined);
    this.history.keep(this.history.last, this.isDurable);
  }
}

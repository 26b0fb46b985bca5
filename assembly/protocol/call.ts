// The call: everything that one execution of the plugin was told, checked and decoded. It is filled
// before the lock is taken (environment, stdin) and only read afterwards.
//
//   import { call } from "./call";      call.command, call.containerId.at, call.sets ...
//
// `call` is one record in scratch, made by callBegin. Spans are never null; an empty one has 0
// bytes.
import { scratchTake } from "../scratch";

export const CMD_NONE: i32 = 0;
export const CMD_ADD: i32 = 1;
export const CMD_DEL: i32 = 2;
export const CMD_CHECK: i32 = 3;
export const CMD_GC: i32 = 4;
export const CMD_STATUS: i32 = 5;
export const CMD_VERSION: i32 = 6;
/** A command that we don't know; it is refused after the config is read. */
export const CMD_OTHER: i32 = 7;

/** Values of `specVersion`: positions in the list of CNI versions. */
export const SPEC_0_1_0: i32 = 0;
export const SPEC_0_2_0: i32 = 1;
export const SPEC_0_3_0: i32 = 2;
export const SPEC_0_3_1: i32 = 3;
export const SPEC_0_4_0: i32 = 4;
export const SPEC_1_0_0: i32 = 5;
export const SPEC_1_1_0: i32 = 6;
export const SPEC_COUNT: i32 = 7;

export { POLICY_FIRST, POLICY_NEXT, POLICY_RANDOM } from "../pool/pool";

export const SYNC_NAMED: i32 = 0;
export const SYNC_ALWAYS: i32 = 1;
export const SYNC_NEVER: i32 = 2;

export const REBOOT_RELEASE: i32 = 0;
export const REBOOT_KEEP: i32 = 1;

export const STATUS_READY: i32 = 0;
export const STATUS_UNAVAILABLE: i32 = 1;

/** Values of `mode`: which of the CNI project's IPAM plugins the network follows. */
export const MODE_HOST_LOCAL: i32 = 0;
export const MODE_STATIC: i32 = 1;

/** A decoded text: bytes with a length, in scratch or in the buffer of stdin. No final NUL. */
@unmanaged
export class Span {
  at: usize;
  bytes: i32;
}

/** One container and interface that GC must keep. */
@unmanaged
export class Attachment {
  idAt: usize;
  idBytes: i32;
  ifnameAt: usize;
  ifnameBytes: i32;
}

/** One address of prevResult; gwFamily 0 = it has no gateway that can be read. */
@unmanaged
export class Previous {
  hi: u64;
  lo: u64;
  gwHi: u64;
  gwLo: u64;
  family: i32;
  gwFamily: i32;
}

@unmanaged
export class Call {
  command: i32;
  /** SPEC_0_1_0 .. SPEC_1_1_0 */
  specVersion: i32;
  /** CNI_COMMAND as it came. */
  commandText: Span;
  /** The texts of these are valid for ADD, DEL, CHECK only. */
  containerId: Span;
  netns: Span;
  /** Inode number of the network namespace at `netns`; 0 = unknown. */
  netnsInode: u32;
  ifname: Span;
  /** CNI_ARGS as it came. */
  args: Span;
  /** K8S_POD_NAMESPACE and K8S_POD_NAME of CNI_ARGS; empty if absent. */
  podNamespace: Span;
  podName: Span;
  /** Name of the network. */
  network: Span;
  /** dataDir and the name of the network: what `host.enter` gets. */
  directory: Span;
  /** Path of resolvConf; empty: none. */
  resolvConf: Span;
  mode: i32;
  /**
   * `setCount` of RangeSet, in the order runtimeConfig.ipRanges, ipam.subnet, ipam.ranges; in mode
   * static one for each address.
   */
  sets: usize;
  setCount: i32;
  /** `wantedCount` of Wanted: fixed ones, CNI_ARGS, args.cni.ips, runtimeConfig.ips. */
  wanted: usize;
  wantedCount: i32;
  /** `routeCount` of Route. */
  routes: usize;
  routeCount: i32;
  /** An annotation of the pod names its address (ADD). */
  podFixed: bool;
  /** An annotation can't be followed (ADD): all that is left to do is to write that down. */
  refused: bool;
  /** Seconds that annotation berth.dev/reserve-for says (ADD); 0 = it isn't there. */
  podReserveFor: u32;
  /** RESERVE_ ...: is there `reserve` in the config, or can't that be said? */
  reserve: i32;
  /** `reserve`: seconds, 0 = nothing is reserved; PODS_ ...; bounds, 0 = none. */
  reserveFor: u32;
  reservePods: i32;
  reserveMax: u32;
  reservePerNamespace: u32;
  policy: i32;
  /** Seconds; 0 = none. */
  cooldown: u32;
  sync: i32;
  reboot: i32;
  statusWhenFull: i32;
  /** host-local's files in our directory: taken over once, or kept up with every call. */
  adopt: bool;
  mirror: bool;
  /** A trial: another plugin has answered; its dataDir and the network's name. */
  shadow: bool;
  foreign: Span;
  /** GC: `attachmentCount` of Attachment; not present: no list was sent, keep everything. */
  attachments: usize;
  attachmentCount: i32;
  attachmentsPresent: bool;
  /** CHECK: `prevCount` of Previous; not present = no prevResult with a list of ips. */
  prevPresent: bool;
  prevs: usize;
  prevCount: i32;
}

export let call: Call = changetype<Call>(0);

/** An empty span. */
export function spanTake(): Span {
  return changetype<Span>(scratchTake(offsetof<Span>()));
}

/** Lets `span` name these bytes. */
export function spanSet(span: Span, at: usize, bytes: i32): void {
  span.at = at;
  span.bytes = bytes;
}

/** Makes an empty call. To be done before anything reads `call`. */
export function callBegin(): void {
  const at = scratchTake(offsetof<Call>());
  memory.fill(at, 0, offsetof<Call>());
  call = changetype<Call>(at);
  call.commandText = emptySpan();
  call.containerId = emptySpan();
  call.netns = emptySpan();
  call.ifname = emptySpan();
  call.args = emptySpan();
  call.podNamespace = emptySpan();
  call.podName = emptySpan();
  call.network = emptySpan();
  call.directory = emptySpan();
  call.resolvConf = emptySpan();
  call.foreign = emptySpan();
}

// Scratch may have been used and rewound before: a long-lived host makes many calls.
function emptySpan(): Span {
  const span = spanTake();
  spanSet(span, 0, 0);
  return span;
}

/** The text of a CNI version by its index. */
export function specText(index: i32): string {
  switch (index) {
    case SPEC_0_1_0:
      return "0.1.0";
    case SPEC_0_2_0:
      return "0.2.0";
    case SPEC_0_3_0:
      return "0.3.0";
    case SPEC_0_3_1:
      return "0.3.1";
    case SPEC_0_4_0:
      return "0.4.0";
    case SPEC_1_0_0:
      return "1.0.0";
    default:
      return "1.1.0";
  }
}

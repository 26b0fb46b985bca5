// Which names keep their addresses: the rule of `reserve`. A name is namespace/name of a pod.
//
//   annotated   the pod says so: an annotation names its time or its addresses (the default)
//   ordinal     and names that end in -<number>, as those of a StatefulSet do; but not in five
//               digits drawn from 2, 4 to 9 (the random end of a Deployment's pod can look so:
//               Kubernetes draws it from bcdfghjklmnpqrstvwxz2456789), and not in the node's own
//               name (a static pod is called after its node)
//   all         every pod

/** Values of `reserve.pods`. */
export const PODS_ANNOTATED: i32 = 0;
export const PODS_ORDINAL: i32 = 1;
export const PODS_ALL: i32 = 2;

const DASH: u8 = 45;
const DOT: u8 = 46;
const SLASH: u8 = 47;
/** Characters of the random end of a name. */
const RANDOM_END: u32 = 5;

/** What a config says about reserving. Texts are bytes in memory. */
@unmanaged
export class ReserveRule {
  /** Seconds; 0 = nothing is reserved. */
  time: u32;
  /** Longest time in seconds; 0 = no bound. */
  most: u32;
  /** Reservations of one namespace; 0 = no bound. */
  perNamespace: u32;
  pods: i32;
  /** Name of the node; 0 bytes = unknown. */
  node: usize;
  nodeBytes: u32;
}

function isDigit(c: u8): bool {
  return c >= 48 && c <= 57;
}

function lower(c: u8): u8 {
  return c >= 65 && c <= 90 ? c + 32 : c;
}

// Does the name end in a dash and the first `bytes` of the node's name?
function endsInNode(at: usize, nameBytes: u32, node: usize, bytes: u32): bool {
  if (bytes == 0 || nameBytes < bytes + 2 || load<u8>(at + nameBytes - bytes - 1) != DASH) {
    return false;
  }
  for (let i: u32 = 0; i < bytes; i++) {
    const own = load<u8>(at + nameBytes - bytes + i);
    if (lower(own) != lower(load<u8>(node + i))) return false;
  }
  return true;
}

// A node may be called by its whole host name or by the first part of it.
function isStatic(rule: ReserveRule, at: usize, bytes: u32): bool {
  if (endsInNode(at, bytes, rule.node, rule.nodeBytes)) return true;
  let first: u32 = 0;
  while (first < rule.nodeBytes && load<u8>(rule.node + first) != DOT) first++;
  return endsInNode(at, bytes, rule.node, first);
}

// Does the name end in -<number>, and is that the ordinal of a StatefulSet's pod?
function isOrdinal(rule: ReserveRule, at: usize, bytes: u32): bool {
  let digits: u32 = 0;
  let drawn: u32 = 0;
  while (digits < bytes && isDigit(load<u8>(at + bytes - digits - 1))) {
    const c = load<u8>(at + bytes - digits - 1);
    if (c == 50 || c >= 52) drawn++;
    digits++;
  }
  if (digits == 0 || bytes < digits + 2 || load<u8>(at + bytes - digits - 1) != DASH) return false;
  if (digits == RANDOM_END && drawn == RANDOM_END) return false;
  return !isStatic(rule, at, bytes);
}

/**
 * Seconds for which a name is reserved when it is let go, 0 = not at all. `fixed`: an annotation
 * named its addresses; `asked`: the seconds that an annotation says, 0 = none does.
 */
export function reserveTime(
  rule: ReserveRule,
  name: usize,
  bytes: u32,
  fixed: bool,
  asked: u32,
): u32 {
  if (rule.time == 0 || bytes == 0) return 0;
  let slash: u32 = 0;
  while (slash < bytes && load<u8>(name + slash) != SLASH) slash++;
  const from = slash < bytes ? slash + 1 : 0;
  const may =
    asked != 0 ||
    fixed ||
    rule.pods == PODS_ALL ||
    (rule.pods == PODS_ORDINAL && isOrdinal(rule, name + from, bytes - from));
  if (!may) return 0;
  const time = asked != 0 ? asked : rule.time;
  return rule.most != 0 ? min<u32>(time, rule.most) : time;
}

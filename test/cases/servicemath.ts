// Suite "service-math": figures of ranges, the library's range functions.
import {
  addOffset,
  lastAddress,
  usableAddresses,
  walkAddresses,
} from "../../src/cluster/servicerange.ts";
import {
  type Answer,
  attempt,
  masked,
  type Operation,
  type Player,
  textOf,
  Unknown,
} from "./answer.ts";

function offsetOf(operation: Operation): bigint {
  return BigInt(operation.offset as number | string);
}

function play(operation: Operation): Answer {
  switch (operation.op) {
    case "usable":
      return { value: usableAddresses(masked(textOf(operation, "cidr"))) };
    case "addOffset": {
      const ip = addOffset(textOf(operation, "ip"), offsetOf(operation));
      return { ip, value: ip, given: [ip] };
    }
    case "lastAddress": {
      const ip = lastAddress(masked(textOf(operation, "cidr")));
      return { ip, value: ip, given: [ip] };
    }
    case "walk": {
      const { first, last } = operation as Operation & { first: string; last: string };
      const ips = [...walkAddresses(first, last, offsetOf(operation))];
      const repeats = new Set(ips).size < ips.length;
      return { ips, value: ips, count: ips.length, given: ips, repeats };
    }
    default:
      throw new Unknown(operation.op);
  }
}

/** A player of one case. */
export function serviceMath(): Player {
  return { play: (operation) => attempt(() => play(operation)), close: () => {} };
}

// Errors that several verbs share: what to say when the directory or the state of a network can't
// be used. Each begins an error; the caller prints it.
import { call } from "./call";
import {
  ERROR_DAMAGED,
  ERROR_PLUGIN,
  errorBegin,
  errorBytes,
  errorDetails,
  errorErrno,
  errorText,
} from "./errors";

/** `<what><directory>: <words>`, e.g. mkdir /var/lib/cni/berth/net: permission denied. */
export function failDirectory(code: i32, what: string, negative: i32): void {
  errorBegin(code);
  errorText(what);
  errorBytes(call.directory.at, call.directory.bytes);
  errorText(": ");
  errorErrno(negative);
}

/** CHECK: the container holds nothing here. Upstream's text, since people search for it. */
export function failNotFound(): void {
  errorBegin(ERROR_PLUGIN);
  errorText("host-local: Failed to find address added by container ");
  errorBytes(call.containerId.at, call.containerId.bytes);
}

/**
 * The state can't prove what is held, so nothing is given from it. `what` names the structure
 * (empty: a fault of memory). The ways out go to `details`.
 */
export function damageText(what: string): void {
  errorBegin(ERROR_DAMAGED);
  errorText("state of network ");
  errorBytes(call.network.at, call.network.bytes);
  errorText(" in ");
  errorBytes(call.directory.at, call.directory.bytes);
  errorText(" can't be used: berth.state is damaged (");
  if (what.length > 0) errorText(what);
  else errorText("memory fault");
  errorText("); no address is given, the files are left as they are");
  errorDetails();
  errorText('ways out: "berth adopt --from-cache --network ');
  errorBytes(call.network.at, call.network.bytes);
  whereText();
  errorText('" sets it aside and builds a new one from the results that the runtime keeps; ');
  errorText("or stop all containers of this network on this node (drain it), and ");
  errorText('"berth reset --network ');
  errorBytes(call.network.at, call.network.bytes);
  whereText();
  errorText(
    '" sets it aside, so that the next container begins afresh; keep these files for a report',
  );
}

// The directory, as a verb's option.
function whereText(): void {
  const parent = call.directory.bytes - call.network.bytes - 1;
  if (parent <= 0) return;
  errorText(" --data-dir ");
  errorBytes(call.directory.at, parent);
}

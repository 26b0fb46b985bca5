// Help of the verbs by which an operator asks and changes: history, explain, release, reserve,
// reset.
import { helpReader, helpWriter } from "./help";
import { say } from "./print";

/** history */
export function helpHistory(): void {
  helpReader(
    "Tells what the recorder keeps of an address, a pod (namespace/name) or a container.\n",
    "",
    "  berth history 10.1.2.7\n  berth history default/web-0\n  berth history --json\n",
  );
}

/** explain */
export function helpExplain(): void {
  say(
    "Tells who has an address and since when, why it can't be given, and when it will be free;\n",
  );
  say(
    "of a pod (namespace/name) what it has, and what an ADD would give it; of a container's id\n",
  );
  helpReader(
    "(its first 12 characters will do) what it has.\n",
    "",
    "  berth explain 10.1.2.7\n  berth explain default/web-0 --json\n",
  );
}

/** release */
export function helpRelease(): void {
  say("Lets go the record of an address, or every record of a pod (namespace/name). Addresses\n");
  say(
    "that were held cool down as after a DEL. It asks nothing, and tells no running container.\n",
  );
  helpWriter(
    "",
    `  --container ID     what a container holds: its whole id, as berth show tells it
  --ifname NAME      ... here (default eth0)`,
    '  berth release 10.1.2.7\n  berth release --container "$ID" --network podnet\n',
  );
}

/** reserve */
export function helpReserve(): void {
  helpWriter(
    "Keeps addresses for a pod (namespace/name): its next ADD gets them.\n",
    "  --for TIME         how long: seconds, or like 36h\n  --addresses A,B    which ones",
    "  berth reserve default/web-0 --for 24h\n  berth reserve a/b --for 1h --addresses 10.1.2.7\n",
  );
}

/** reset */
export function helpReset(): void {
  helpWriter(
    "Sets a damaged state aside under another name; the next ADD begins afresh.\n",
    "  --force            whatever lies there: a sound state, one of a newer release, too",
    "  berth reset --network podnet\n",
  );
}

// Help: what each verb says about itself. The texts are all that is here; registry.ts knows which
// verb takes which options.
import { say } from "./print";

/** A verb's own options, then those that every verb on a network takes. */
function optionsOf(own: string): void {
  say("Options:\n");
  if (own.length > 0) {
    say(own);
    say("\n");
  }
  say("  --network NAME     one network (default: all, or the only one)\n");
  say("  --data-dir DIR     where the networks are (default /var/lib/cni/berth)\n");
  say("  --json             JSON instead of text\n");
}

/** ... and those of verbs that only look. */
function copied(): void {
  say("  --state FILE       a copied berth.state; its log is the berth.log beside it,\n");
  say("  --log FILE         or this one\n");
}

/** Options and examples of a verb that only looks. */
export function helpReader(what: string, options: string, examples: string): void {
  say(what);
  say("\nIt takes no lock and changes nothing of the state.\n\n");
  optionsOf(options);
  copied();
  say("\nExamples:\n");
  say(examples);
}

/** Options and examples of a verb that changes a network. */
export function helpWriter(what: string, options: string, examples: string): void {
  say(what);
  say("\nIt waits for the lock of the network as a call of the plugin does.\n\n");
  optionsOf(options);
  say("\nExamples:\n");
  say(examples);
}

/** Options and examples of `show`. */
export function helpShow(): void {
  helpReader(
    "Shows every address that is held, reserved or cooling, in order.\n",
    "  --only STATE       held, reserved or cooling",
    "  berth show\n  berth show --network podnet --only reserved --json\n",
  );
}

/** Options and examples of `check`. */
export function helpCheck(): void {
  helpReader(
    "Walks every structure of the state and tells each fault; exit status 1 if there is one.\n",
    "",
    "  berth check\n  berth check --state /root/copy/berth.state\n",
  );
}

/** Options and examples of `shadow`. */
export function helpShadow(): void {
  helpReader(
    "Tells what a trial (shadow) has shown; exit status 1 if an answer differed.\n",
    "",
    "  berth shadow\n  berth shadow --data-dir /run/berth-trial --json\n",
  );
}

/** Options and examples of `metrics`. */
export function helpMetrics(): void {
  helpReader(
    "Prints what all networks hold in Prometheus' text format.\n",
    "  --output FILE      writes a file (0644, renamed into place) instead of stdout",
    "  berth metrics\n  berth metrics --output /var/lib/node_exporter/berth.prom\n",
  );
}

/** Options and examples of `forecast`. */
export function helpForecast(): void {
  helpReader(
    "Tells what each range set has left, which reservations expire next, what cools.\n",
    "  --next N           reservations that are listed one by one (default 10)",
    "  berth forecast\n  berth forecast --network podnet --next 50 --json\n",
  );
}

/** Options and examples of `map`. */
export function helpMap(): void {
  helpReader(
    "Draws each range along a Hilbert curve: a prefix is a square or half of one.\n",
    `  --set N            only this range set (they are counted from 0)
  --whole            all of a large range, not only the part in use
  --color, --plain   colours or letters (default: colours on a terminal)
  --svg              an SVG document, for one network`,
    "  berth map\n  berth map --network podnet --svg >map.svg\n",
  );
}

/** Options and examples of `adopt`, which has directories of its own. */
export function helpAdopt(): void {
  say("Takes over what host-local holds, in place: DIR/<network>/. With --from-cache what the\n");
  say("runtime's cached results say: for a state that is damaged, which is set aside first.\n");
  say("Exit status 1 if an address is held by somebody else here.\n\nOptions:\n");
  say("  --from DIR         host-local's dataDir (default /var/lib/cni/networks); with\n");
  say("                     --from-cache libcni's cache (default /var/lib/cni/results)\n");
  say("  --from-cache       the runtime's results instead of host-local's files\n");
  say("  --dry-run          only tells what would be taken over\n");
  say("  --network NAME     the network (default: the only one there)\n");
  say("  --data-dir DIR     where Berth's state lies (default: that of --from; with\n");
  say("                     --from-cache /var/lib/cni/berth)\n");
  say("  --json             JSON instead of text\n\nExamples:\n");
  say("  berth adopt --network podnet --dry-run\n");
  say("  berth adopt --from-cache --network podnet\n");
}

/** Options and examples of `export`. */
export function helpExport(): void {
  say("Writes DIR/<network>/ for host-local; exit status 1 if a file there names another.\n");
  helpReader(
    "Of a copied state (--state) --network says which network's it is.\n",
    "  --host-local DIR   host-local's dataDir",
    "  berth export --host-local /var/lib/cni/networks --network podnet\n",
  );
}

/** Options and examples of `install`, which needs no network. */
export function helpInstall(): void {
  say("Copies this executable into a directory for CNI plugins as berth, and writes a network's\n");
  say("config. What it didn't write itself it leaves alone, and says so. Done again, it changes\n");
  say("nothing; a newer release replaces an older one.\n\nOptions:\n");
  say("  --bin-dir DIR      where runtimes look for plugins (default /opt/cni/bin)\n");
  say("  --conflist NAME    also writes 10-NAME.conflist: a bridge, with berth for addresses\n");
  say("  --subnet LIST      its subnets, with commas: 10.244.1.0/24,fd00:1::/64\n");
  say("  --bridge NAME      its bridge (default cni0)\n");
  say("  --conf-dir DIR     where runtimes look for networks (default /etc/cni/net.d)\n");
  say("  --data-dir DIR     where the network's state will be (default /var/lib/cni/berth)\n");
  say("  --dry-run          says what it would do\n");
  say("  --json             JSON instead of text\n\nExamples:\n  berth install --dry-run\n");
  say("  berth install --conflist podnet --subnet 10.244.1.0/24,fd00:1::/64\n");
}

/** What stands below the list of verbs. */
export function helpEnd(): void {
  say("\nberth help VERB, or berth VERB --help, tells its options and examples. Without a verb,\n");
  say("and with CNI_COMMAND in the environment, this program is the CNI plugin.\n\n");
  say("Exit status: 0 done, 1 an error, a fault, or nothing found, 2 the arguments are wrong.\n");
}

/** `berth gc`: it reads with --dry-run and changes without. */
export function helpGc(): void {
  say(
    "Lets go what containers hold whose network namespace is gone and that no runtime knows any\n",
  );
  say(
    "more, if the look before, at least the grace ago, has found the same. Without --network it\n",
  );
  say("does so for each network.\n\n");
  optionsOf(`  --dry-run          tells, writes nothing, takes no lock
  --grace TIME       from the first look to the end: 60s and more (default 15m)
  --install-timer    writes berth-gc.service and berth-gc.timer, every five minutes
  --unit-dir DIR     where they go (default /etc/systemd/system)
  --program PATH     what they run (default /opt/cni/bin/berth)`);
  say("\nExamples:\n");
  say("  berth gc --dry-run\n  berth gc --network podnet --grace 1h\n");
}

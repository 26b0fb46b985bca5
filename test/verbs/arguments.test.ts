// What a verb says of arguments that it can't take: which one, why, and what would be right; and
// that it does nothing then. On both hosts; no network is needed for it.

import fs from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { berths } from "../plugin/support/binaries.ts";
import { folder, removeAll } from "../plugin/support/space.ts";
import { berth, lines } from "./support.ts";

afterAll(removeAll);

const LIST = ["--conflist", "podnet", "--subnet"];

/** Arguments, and the first line that is wanted on stderr, without "berth VERB: ". */
const WRONG: [string, string][] = [
  ["show --only free", '--only "free": use held, reserved or cooling'],
  ["show --only=", '--only "": use held, reserved or cooling'],
  ["show podnet", '"podnet" is one word too many: this verb takes options only'],
  ["show --log x", "--state FILE is missing: --log names the log of a copied state"],
  ["history a b", '"b" is one word too many: this verb takes one word and options'],
  ["reserve 10.1.0.2 --for 1h", "NAME is missing: this is an address, which goes behind --addr"],
  ["explain ", "the word behind the verb is empty"],
  ["release ", "the word behind the verb is empty"],
  ["history ", "the word behind the verb is empty"],
  [
    "explain",
    "what to explain is missing: an address, a name (namespace/name), or a container's id",
  ],
  ["explain 10.1.0.2 10.1.0.3", '"10.1.0.3" is one word too many'],
  ["release", "what to release is missing: an address, a name (namespace/name), or --container"],
  ["release a/b --container c", "--container can't stand with an address or a name: say one thing"],
  ["release a/b --ifname net1", "--container ID is missing: --ifname says which of its interfaces"],
  ["reserve", "NAME is missing: whose addresses these are to be, as namespace/name"],
  ["reserve a/b", "--for TIME is missing: how long to keep them, as 15m or 24h"],
  ["reserve a/b --for soon", '--for "soon": use a time from 1s to 100 years, as 90s, 15m or 24h'],
  ["reserve a/b --for 7d", '--for "7d": use a time from 1s to 100 years'],
  [
    "reserve a/b --for 1h --addresses 10.1.0.2,10.1.0.300,::1",
    '--addresses "10.1.0.300": that is no',
  ],
  ["reserve a/b --for 1h --addresses 10.1.0.2,", '--addresses "": that is no address'],
  [
    `reserve a/b --for 1h --addresses ${"::1,".repeat(8)}::9`,
    '--addresses "::9": that is the ninth',
  ],
  ["gc --grace 59s", '--grace "59s": use a time from 60s on, as 90s, 15m or 1h'],
  ["gc --grace long", '--grace "long": use a time from 60s on'],
  ["gc --install-timer --dry-run", "--dry-run can't stand with --install-timer"],
  ["gc --unit-dir /x", "--install-timer is missing: --unit-dir and --program are for its units"],
  ["gc --program /x --dry-run", "--install-timer is missing"],
  ["export", "--host-local DIR is missing: host-local's dataDir, to which the files go"],
  ["export --host-local=", '--host-local "": use host-local\'s dataDir'],
  ["metrics --output=", '--output "": use the path of the file'],
  ["metrics --json --output x", "--output can't stand with --json: what it writes is Prometheus'"],
  ["forecast --next many", '--next "many": use a number from 0 to 1000'],
  ["forecast --next 1001", '--next "1001": use a number from 0 to 1000'],
  ["map --color --plain", "--plain can't stand with --color: letters or colours, say which"],
  ["map --svg --plain", "--plain can't stand with --svg: the answer is one SVG document"],
  ["map --svg --color", "--color can't stand with --svg"],
  ["map --svg --json", "--json can't stand with --svg"],
  ["map --set x", '--set "x": use the number of a range set, from 0 to 31'],
  ["map --set 32", '--set "32": use the number of a range set, from 0 to 31'],
  ["install --bridge b", "--conflist NAME is missing: --subnet, --bridge, --conf-dir and --data"],
  [
    "install --conflist podnet",
    "--subnet LIST is missing: the conflist's subnets, as 10.244.1.0/24",
  ],
  [
    "install --conflist ../x --subnet 10.0.0.0/24",
    '--conflist "../x": use a name of letters, digits',
  ],
  [`install ${LIST.join(" ")} 10.0.0.0`, '--subnet "10.0.0.0": that is no subnet: use a list as'],
  [`install ${LIST.join(" ")} 10.0.0.1/24`, '--subnet "10.0.0.1/24": there are bits behind the'],
  [
    `install ${LIST.join(" ")} 10.0.0.0/31`,
    '--subnet "10.0.0.0/31": too small: use one of 4 addresses',
  ],
  [`install ${LIST.join(" ")} 10.0.0.0/24,10.0.0.128/25`, '--subnet "10.0.0.128/25": it overlaps'],
  [
    `install ${LIST.join(" ")} 10.0.0.0/24 --bridge 0123456789abcdef`,
    '--bridge "0123456789abcdef":',
  ],
  ["install --network net", "--network can't stand with install: that is for no single network"],
  ["gc --install-timer --network net", "--network can't stand with --install-timer"],
  [
    "gc --install-timer --state x",
    "--state can't stand with --install-timer: only verbs that look",
  ],
  ["adopt --state x", "--state can't stand with adopt: only verbs that look take a copied state"],
  ["check --fast", "unknown option --fast"],
  ["check -f", "unknown option -f"],
  ["check --json=1", "this option takes no value: --json"],
  ["show --only", "a value is missing behind --only"],
  [
    "metrics --output --json",
    "a value is missing behind --output: --json looks like an option (as the value it is --output=--",
  ],
  ["metrics --output -h", "a value is missing behind --output: -h looks like an option (as the"],
  ["show --network --", "a value is missing behind --network: -- looks like an option"],
  ["reserve web-0 --for 1h", '"web-0" is no pod\'s name: use namespace/name, as default/web-0'],
  ["reserve /web-0 --for 1h", '"/web-0" is no pod\'s name'],
  ["reserve shop/ --for 1h", '"shop/" is no pod\'s name'],
  ["reserve a/b --for -5", "a value is missing behind --for: -5 looks like an option"],
  ["show --network a --network a", "this option is there twice, say it once: --network"],
  ["gc --grace 5m --grace=6m", "this option is there twice, say it once: --grace"],
  ["release --container=", '--container "": a value is missing, or the option is left out'],
  ["release --container c --ifname=", '--ifname "": a value is missing'],
  ["adopt --from=", '--from "": a value is missing'],
  ["install --bin-dir=", "this option is there twice, say it once: --bin-dir"],
  [`install ${LIST.join(" ")} 10.0.0.0/24 --conf-dir=`, '--conf-dir "": a value is missing'],
  [
    "install --dry-run",
    "--conflist NAME is missing: --subnet, --bridge, --conf-dir and --data-dir",
  ],
  ["show --state x", "--data-dir can't stand with --state: a copied state is looked at alone"],
  ["show --state x --network n", "--network can't stand with --state: a copied state is looked"],
  ["export --host-local d --state x", "--network NAME is missing: a copied state doesn't tell"],
  ["map --json --plain", "--plain can't stand with --json: the answer is no text"],
  ["map --json --color", "--color can't stand with --json"],
  ["gc --dryrun", "unknown option --dryrun: use --dry-run"],
  ["show --netwrok=n", "unknown option --netwrok: use --network"],
  ["release --contianer=c", "unknown option --contianer: use --container"],
  ["map --colour", "unknown option --colour: use --color"],
];

describe.each(berths)("$name: arguments", (binary) => {
  it("are refused with exit status 2, by name, with what is wrong and what would be right", () => {
    const dir = folder();
    for (const [text, line] of WRONG) {
      const more = text.startsWith("install") ? ["--bin-dir", path.join(dir, "bin")] : [];
      const [first, ...rest] = text.split(" ");
      const said = berth(binary, first!, "--data-dir", dir, ...more, ...rest);
      const [error, usage] = lines(said.err);
      expect([text, said.status, said.out]).toEqual([text, 2, ""]);
      expect(error).toContain(`berth ${first}: ${line}`);
      expect(usage).toMatch(new RegExp(`^berth ${first}: usage: berth ${first} .*--help`));
    }
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it("an empty value is refused where the default would be taken for it", () => {
    for (const args of [
      ["show", "--data-dir="],
      ["show", "--data-dir", ""],
      ["check", "--state="],
      ["install", "--dry-run", "--bin-dir="],
    ]) {
      const said = berth(binary, ...args);
      const option = args.find((one) => /^--(data|state|bin)/.test(one))!.replace("=", "");
      expect([args, said.status, said.out]).toEqual([args, 2, ""]);
      expect(said.err).toContain(`${option} "": a value is missing, or the option is left out`);
    }
  });

  it("what is written behind = may look like an option, and a flag may be given twice", () => {
    const dir = folder();
    fs.mkdirSync(path.join(dir, "--x"));
    const said = berth(binary, "show", "--json", "--json", `--data-dir=${path.join(dir, "--x")}`);
    expect([said.status, JSON.parse(said.out).code]).toEqual([1, 106]);
    const home = process.cwd();
    try {
      process.chdir(dir);
      expect(berth(binary, "show", "--data-dir=--x").err).toContain("no network in --x");
    } finally {
      process.chdir(home);
    }
  });

  it("a verb that there isn't is told with the nearest", () => {
    const told = (verb: string) => berth(binary, verb).err;
    expect(told("shwo")).toContain('there is no verb "shwo": use show; berth --help lists them');
    expect(told("foo")).toContain('there is no verb "foo": berth --help lists them');
    expect(told("m".repeat(4000))).toContain("berth --help lists them");
  });

  it("a name of a network that can be none is told with what would be right", () => {
    for (const verb of [["show"], ["gc"], ["adopt"], ["release", "a/b"]]) {
      const said = berth(binary, ...verb, "--network", "../x");
      expect([verb, said.status]).toEqual([verb, 2]);
      expect(said.err).toContain('--network "../x": use a name of letters, digits and _ . -');
    }
  });
});

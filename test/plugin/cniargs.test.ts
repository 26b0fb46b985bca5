// CNI_ARGS in odd forms: what is refused, in the words of host-local (v1.9.1 was asked each of these),
// and what isn't.
import { describe, expect, it } from "vitest";
import { call, Disk } from "../support/memoryhost.ts";

const config = {
  cniVersion: "1.0.0",
  name: "net",
  ipam: { type: "berth", dataDir: "/data", ranges: [[{ subnet: "10.0.0.0/24" }]] },
};

function add(args: string) {
  const env = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "pod",
    CNI_NETNS: "/proc/1/ns/none",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/",
    CNI_ARGS: args,
  };
  const { status, json } = call(new Disk(), env, config);
  return status === 0 ? json.ips[0].address : `${json.code} ${json.msg}`;
}

describe("CNI_ARGS", () => {
  it.each([
    ["A", '999 ARGS: invalid pair "A"'],
    ["IgnoreUnknown=1;", '999 ARGS: invalid pair ""'],
    ["A=b=c;IgnoreUnknown=1", '999 ARGS: invalid pair "A=b=c"'],
    ["IgnoreUnknown=0;B=b;A=a", '999 ARGS: unknown args ["B=b" "A=a"]'],
    ["ip=10.0.0.9", '999 ARGS: unknown args ["ip=10.0.0.9"]'],
    [
      "IgnoreUnknown=Yes",
      '999 ARGS: error parsing value of pair "IgnoreUnknown=Yes": ' +
        "boolean unmarshal error: invalid input yes",
    ],
    [
      "IP=10.0.0.9;IgnoreUnknown= TrUe",
      '999 ARGS: error parsing value of pair "IgnoreUnknown= TrUe": ' +
        "boolean unmarshal error: invalid input  true",
    ],
    [
      "IP=10.0.0.A",
      '999 ARGS: error parsing value of pair "IP=10.0.0.A": invalid IP address 10.0.0.A',
    ],
    [
      "IgnoreUnknown=1;CommonArgs=x",
      "999 ARGS: cannot unmarshal into field 'CommonArgs' - type '*types.CommonArgs' " +
        "does not implement encoding.TextUnmarshaler",
    ],
  ])("%j is refused in upstream's words", (args, words) => {
    expect(add(args)).toBe(words);
  });

  it.each([
    ["", "10.0.0.2/24"],
    ["IP=", "10.0.0.2/24"],
    ["IgnoreUnknown=tRuE;A=", "10.0.0.2/24"],
    ["IgnoreUnknown=0;IgnoreUnknown=1;A=b", "10.0.0.2/24"],
    ["IP=10.0.0.9;IP=::ffff:10.0.0.7/32", "10.0.0.7/24"],
  ])("%j is followed", (args, address) => {
    expect(add(args)).toBe(address);
  });
});

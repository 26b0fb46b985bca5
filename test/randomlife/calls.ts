// What a step hands to the plugin: environment and config; and what it says, as the model reads it.

import { bare, parse } from "../plugin/support/address.ts";
import type { Outcome } from "../support/memoryhost.ts";
import { narrow, OURS, POOL, RESERVE_FOR, settle, settleStatic } from "./fixed.ts";
import type { Answer, Ask, Wanted } from "./model.ts";
import { staticVariant, type Variant } from "./network.ts";
import { ownerOf, type Step, wantedOf } from "./steps.ts";

type Of<K extends Step["do"]> = Extract<Step, { do: K }>;

/** An address as text. */
export function wanted(ip: string): Wanted {
  const { v6, value } = parse(bare(ip))!;
  return { family: v6 ? 6 : 4, value };
}

/** The container's variables of a step. */
export function environment(step: Of<"add"> | Of<"del"> | Of<"check">): Record<string, string> {
  const env: Record<string, string> = {
    CNI_CONTAINERID: step.id,
    CNI_IFNAME: step.ifname,
    CNI_NETNS: "netns" in step ? `/run/netns/n${step.netns}` : "/x",
  };
  const args = ["IgnoreUnknown=1"];
  const [space, pod] = "pod" in step ? step.pod.split("/") : [];
  if (pod) args.push(`K8S_POD_NAMESPACE=${space}`, `K8S_POD_NAME=${pod}`);
  const ip = step.do === "add" ? step.ips.find(([source]) => source === "CNI_ARGS") : undefined;
  if (ip) args.push(`IP=${ip[1]}`);
  return { ...env, CNI_ARGS: args.join(";") };
}

/** The config under which a step is called. */
export function variantOf(step: Step, config: Variant): Variant {
  if (step.do !== "add" || !step.statics) return config;
  return staticVariant(config, step.statics.map(wanted));
}

function annotationsOf({ fix, asked, pool }: Of<"add">): Record<string, string> | undefined {
  if (!fix && !asked && !pool) return undefined;
  const notes: Record<string, string> = { "example.org/other": "[" };
  if (fix) notes[fix.by] = fix.by === OURS ? fix.addresses.join() : JSON.stringify(fix.addresses);
  if (asked) notes[RESERVE_FOR] = asked.text;
  if (pool) notes[POOL] = pool.join();
  return notes;
}

/** What an ADD asks for, or why its annotations are refused. `config` is that of `variantOf`. */
export function askOf(step: Of<"add">, config: Variant): Ask | RegExp {
  const { ifname, pod: name, fix } = step;
  const said = { fixed: fix !== undefined, asked: step.asked?.seconds ?? 0 };
  const max = config.reserve?.max ?? 0;
  if (max > 0 && said.asked > max) return /: .* is longer than this network allows: /;
  const list = step.statics
    ? settleStatic(config)
    : settle(config, fix?.addresses.map(wanted) ?? []);
  if (list instanceof RegExp) return list;
  const [narrowed, still] = narrow(config, step.pool ?? []);
  for (const { fixed } of list) {
    if (fixed) fixed.set = narrowed.sets.find(({ index }) => index === fixed.set.index)!;
  }
  const isFixed = (one: Wanted) =>
    list.some(({ family, value }) => family === one.family && value === one.value);
  const others = wantedOf(step.ips).map(wanted);
  const all = [...list, ...others.filter((one) => !isFixed(one))];
  return { owner: ownerOf(step), ifname, name, wanted: all, config: narrowed, still, said };
}

/** The config of a step as the runtime hands it over. */
export function configOf(step: Step, { json }: Variant): object {
  if (step.do === "gc")
    return {
      ...json,
      [step.key]: step.keep.map(({ id, ifname }) => ({ containerID: id, ifname })),
    };
  if (step.do === "check" && step.previous)
    return {
      ...json,
      prevResult: {
        cniVersion: "1.1.0",
        ips: step.previous.map((ip) => ({ address: `${ip}/${ip.includes(":") ? 64 : 26}` })),
      },
    };
  if (step.do === "del" && step.fault === "bare")
    return { cniVersion: json.cniVersion, name: json.name };
  if (step.do === "del" && step.fault === "broken")
    return { ...json, ipam: { ...json.ipam, ranges: "none" } };
  if (step.do !== "add") return json;
  const ips = (source: string) => step.ips.filter(([s]) => s === source).map(([, ip]) => ip);
  const notes = annotationsOf(step);
  const annotations = notes ? { "io.kubernetes.cri.pod-annotations": notes } : {};
  const runtimeConfig = { ips: ips("runtime"), ...annotations };
  return { ...json, args: { cni: { ips: ips("args") } }, runtimeConfig };
}

/** An outcome as the model reads it. */
export function answerOf({ status, json }: Pick<Outcome, "status" | "json">): Answer {
  const ips = ((json?.ips ?? []) as { address: string; gateway: string }[]).map((one) => ({
    ...wanted(one.address),
    length: Number(one.address.split("/")[1]),
    gateway: one.gateway,
  }));
  return { ok: status === 0, code: json?.code ?? 0, msg: json?.msg ?? "", ips };
}

// Arguments of the commands that only Node runs (plan, bench): options as node:util reads them.
// What the verbs refuse (assembly/verbs/ask.ts) is refused here, in the same words.
import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearest } from "../keys.ts";

/** The arguments are wrong: the message says which, and what would be right. Exit status 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What parseArgs answers for these options. */
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>
>;

interface Token {
  name: string;
  rawName: string;
  value: string | undefined;
  inlineValue: boolean | undefined;
}

function check({ name, rawName, value, inlineValue }: Token, options: Options): void {
  if (!Object.hasOwn(options, name)) {
    const near = nearest(name, Object.keys(options));
    throw new UsageError(`unknown option ${rawName}${near === undefined ? "" : `: use --${near}`}`);
  }
  if (options[name]!.type === "boolean") {
    if (value === undefined) return;
    throw new UsageError(`this option takes no value: ${rawName}`);
  }
  const missing = `a value is missing behind ${rawName}`;
  if (value === undefined) throw new UsageError(missing);
  if (value === "")
    throw new UsageError(`${rawName} "": a value is missing, or the option is left out`);
  if (inlineValue || value === "-" || !value.startsWith("-")) return;
  const right = `as the value it is ${rawName}=${value}`;
  throw new UsageError(`${missing}: ${value} looks like an option (${right})`);
}

/**
 * Options and words; `given` names the options that were written. Throws UsageError for what
 * isn't an option, for a value that is missing, empty, too much, or there twice.
 */
export function readArguments<const T extends Options>(
  args: string[],
  options: T,
): Parsed<T> & { given: Set<string> } {
  const config: { args: string[]; options: T; allowPositionals: true } = {
    args,
    options,
    allowPositionals: true,
  };
  const given = new Set<string>();
  for (const token of parseArgs({ ...config, strict: false, tokens: true }).tokens) {
    if (token.kind !== "option") continue;
    check(token, options);
    const { type, multiple = false } = options[token.name]!;
    if (given.has(token.name) && type === "string" && !multiple)
      throw new UsageError(`this option is there twice, say it once: ${token.rawName}`);
    given.add(token.name);
  }
  return { ...parseArgs(config), given };
}

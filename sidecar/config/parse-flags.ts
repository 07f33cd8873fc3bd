import type { Problem } from "../kernel/config-types.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { Flag } from "./flag.ts";
import { isSwitch, isSwitchWord, readFlagValue } from "./flag-values.ts";
import { type FlagName, type FlagValues, flags } from "./flags.ts";

export interface ParsedFlags {
  readonly values: FlagValues;
  /** Flags that stand on the command line. */
  readonly given: ReadonlySet<FlagName>;
  readonly problems: readonly Problem[];
}

/**
 * Reads a command line without the program's own name. One or two dashes, `--flag value` and `--flag=value` are
 * equal. A flag that takes a list may be repeated; of any other, the last one wins. Unknown flags are warnings, so
 * that the flags of a newer release do not stop an older sidecar; wrong values are errors. Nothing is thrown.
 */
export function parseFlags(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ParsedFlags {
  const { texts, problems } = splitArguments(argv);
  const values: Record<string, unknown> = {};
  for (const [name, flag] of flagEntries) {
    const given = texts.get(name);
    const read = readFlag(name, flag, given, env);
    values[name] = read.value;
    problems.push(...read.problems);
  }
  // The table gives each flag the type that its value is read as.
  return { values: values as unknown as FlagValues, given: new Set(texts.keys()), problems };
}

const flagEntries = Object.entries(flags) as [FlagName, Flag][];
const flagNames = Object.keys(flags);

interface Split {
  /** Texts given per flag, in order. */
  readonly texts: Map<FlagName, string[]>;
  readonly problems: Problem[];
}

function splitArguments(argv: readonly string[]): Split {
  const split: Split = { texts: new Map(), problems: [] };
  let index = 0;
  while (index < argv.length) index += takeArgument(split, argv, index);
  return split;
}

/** Takes the argument at `index` and its value; returns how many arguments that were. */
function takeArgument({ texts, problems }: Split, argv: readonly string[], index: number): number {
  const argument = argv[index] ?? "";
  const next = argv[index + 1];
  const match = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(argument);
  if (match === null) {
    // Container images that name the program in their arguments leave it in front.
    const isProgram = index === 0 && /(^|\/)(daprd|mechad)$/.test(argument);
    if (!isProgram && argument !== "--") problems.push(unexpected(argument));
    return 1;
  }
  const [, name = "", inline] = match;
  if (!isFlagName(name)) {
    problems.push(unknown(name));
    return inline === undefined && next !== undefined && !next.startsWith("-") ? 2 : 1;
  }
  const give = (text: string) => texts.set(name, [...(texts.get(name) ?? []), text]);
  if (inline !== undefined) {
    give(inline);
    return 1;
  }
  if (isSwitch(flags[name])) {
    const spoken = next !== undefined && isSwitchWord(next);
    give(spoken ? next : "true");
    return spoken ? 2 : 1;
  }
  if (next === undefined || startsKnownFlag(next)) {
    problems.push(withoutValue(name, flags[name]));
    return 1;
  }
  give(next);
  return 2;
}

function readFlag(name: FlagName, flag: Flag, given: readonly string[] | undefined, env: Env) {
  const problems: Problem[] = [];
  const fromEnv = flag.env && env[flag.env] !== "" ? env[flag.env] : undefined;
  const text = given === undefined ? (fromEnv ?? flag.default) : flag.type === "list" ? given.join(",") : given.at(-1);
  if (given !== undefined && flag.deprecated) {
    problems.push({ severity: "warning", flag: name, message: "is deprecated", hint: `use ${flag.deprecated}` });
  }
  let reading = readFlagValue(flag, text);
  if (!reading.ok) {
    const message = `${JSON.stringify(text)} is not ${reading.expected}`;
    problems.push({ severity: "error", flag: name, message, hint: reading.hint });
    reading = readFlagValue(flag, flag.default);
  }
  return { value: reading.ok ? reading.value : undefined, problems };
}

type Env = Readonly<Record<string, string | undefined>>;

function isFlagName(name: string): name is FlagName {
  return Object.hasOwn(flags, name);
}

function startsKnownFlag(argument: string): boolean {
  const name = /^--?([^-=][^=]*)/.exec(argument)?.[1];
  return name !== undefined && isFlagName(name);
}

function unknown(name: string): Problem {
  const hint =
    didYouMean(
      `--${name}`,
      flagNames.map((known) => `--${known}`),
    ) ?? "see --help for the flags of this release";
  return { severity: "warning", flag: name, message: "is unknown and has no effect", hint };
}

function unexpected(argument: string): Problem {
  const flag = flagNames.find((name) => name === argument);
  const hint = flag
    ? `did you mean "--${flag}"?`
    : "every argument belongs to a flag; put quotes around values with spaces";
  return { severity: "warning", message: `unexpected argument ${JSON.stringify(argument)}`, hint };
}

function withoutValue(name: FlagName, flag: Flag): Problem {
  const port = flag.type === "port" || flag.type === "optional-port";
  const example = flag.values?.[0] ?? flag.default ?? (port ? "8080" : "<value>");
  return { severity: "error", flag: name, message: "has no value", hint: `write --${name} ${example}` };
}

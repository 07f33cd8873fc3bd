import { type Command, Option } from "commander";
import type { Flag } from "../../config/flag.ts";
import { isSwitch, isSwitchWord } from "../../config/flag-values.ts";
import { flags } from "../../config/flags.ts";

/** Flags that make no sense for a sidecar beside an app. */
const leftOut = new Set(["wait", "version", "build-info", "help"]);

const shortNames: Readonly<Record<string, string>> = {
  "app-id": "-a",
  "app-port": "-p",
  "app-protocol": "-P",
  "dapr-http-port": "-H",
  "dapr-grpc-port": "-G",
  "dapr-internal-grpc-port": "-I",
  "metrics-port": "-M",
  "resources-path": "-d",
  "unix-domain-socket": "-u",
  config: "-c",
};

/** Second names, for what is written most often. */
const otherNames: Readonly<Record<string, string>> = { "http-port": "dapr-http-port", "grpc-port": "dapr-grpc-port" };

/** The flags everybody needs are listed first and apart from the others. */
const common = new Set([
  "app-id",
  "app-port",
  "app-protocol",
  "dapr-http-port",
  "dapr-grpc-port",
  "resources-path",
  "config",
  "log-level",
]);

const entries = Object.entries(flags) as [string, Flag][];

/**
 * Adds every flag of the sidecar to a command. The returned map holds the flags that were given, by name, once the
 * command line is parsed.
 */
export function addSidecarOptions(command: Command): ReadonlyMap<string, readonly string[]> {
  const given = new Map<string, readonly string[]>();
  const take = (name: string, flag: Flag) => (value: string) => {
    given.set(name, flag.type === "list" ? [...(given.get(name) ?? []), value] : [value]);
    return value;
  };
  for (const [name, flag] of entries) {
    if (leftOut.has(name)) continue;
    const short = shortNames[name] ? `${shortNames[name]}, ` : "";
    const option = new Option(`${short}--${name} ${placeholderOf(flag)}`, aboutFlag(name, flag)).argParser(
      take(name, flag),
    );
    option.helpGroup(common.has(name) ? "Options:" : `Sidecar, ${flag.group}:`);
    if (flag.deprecated || flag.unused) option.hideHelp();
    command.addOption(option);
  }
  for (const [other, name] of Object.entries(otherNames)) {
    const flag = flags[name as keyof typeof flags];
    command.addOption(new Option(`--${other} <port>`).argParser(take(name, flag)).hideHelp());
  }
  return given;
}

/**
 * Writes switches out as `--switch=true`: what follows a bare one is the next word of the command line, not its value.
 * Stops where the app's command begins.
 */
export function spellOutSwitches(args: readonly string[], options: readonly Option[]): string[] {
  const spelt: string[] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--" || !arg.startsWith("-")) break;
    const option = options.find(({ long, short }) => arg === long || arg === short);
    const next = args[at + 1];
    if (option?.optional) {
      const spoken = next !== undefined && isSwitchWord(next);
      spelt.push(`${option.long}=${spoken ? next : "true"}`);
      if (spoken) at++;
    } else {
      spelt.push(arg);
      if (option?.required && next !== undefined) spelt.push(args[++at] as string);
    }
  }
  return [...spelt, ...args.slice(at)];
}

function placeholderOf(flag: Flag): string {
  if (isSwitch(flag)) return "[bool]";
  return flag.type === "port" || flag.type === "optional-port"
    ? "<port>"
    : flag.type === "list"
      ? "<a,b>"
      : `<${flag.type}>`;
}

/** Defaults that `mecha run` has in place of the sidecar's. */
const defaults: Readonly<Record<string, string>> = {
  "app-id": "the folder's name",
  "dapr-http-port": "any free one",
  "dapr-grpc-port": "any free one",
  "dapr-internal-grpc-port": "any free one",
  "metrics-port": "any free one",
  "profile-port": "any free one",
  "dapr-listen-addresses": "127.0.0.1",
  "dapr-internal-grpc-listen-address": "127.0.0.1",
  "metrics-listen-address": "127.0.0.1",
  "resources-path": "a folder of resources below this one, else the embedded default",
};

function aboutFlag(name: string, flag: Flag): string {
  const words = flag.values && flag.type === "choice" ? `one of ${flag.values.join(", ")}` : "";
  const byDefault = defaults[name] ?? flag.default;
  const facts = [words, byDefault ? `default ${byDefault}` : ""].filter(Boolean).join("; ");
  const description = flag.description.replace(
    /; required, unique in its namespace|; 0 = any free|; every interface when left out/,
    "",
  );
  return `${description}${facts ? ` (${facts})` : ""}`;
}

import { capabilitiesOf, capabilityMatrix } from "../../../components/contract/capabilities.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import type { CatalogueEntry } from "../catalogue.ts";
import type { CliContext, Output } from "../context.ts";
import { CliError } from "../failure.ts";
import { painter } from "../paint.ts";
import { type AddCommand, withExamples, writeJson } from "../session.ts";
import { formatTable } from "../table.ts";
import { wrapText } from "../text-width.ts";

interface Options {
  readonly kind?: string;
  readonly capability?: string;
  readonly json?: true;
}

export const addComponents: AddCommand = (program, session) => {
  const command = program
    .command("components")
    .summary("list what components can be made of")
    .description(
      "Lists the drivers that spec.type of a component may name and what each can do, or every setting of one.",
    )
    .argument("[type]", "a type such as state.sqlite, for its settings")
    .option("--kind <kind>", "only drivers of a kind, such as state or pubsub")
    .option("--capability <name>", "only drivers with a capability, such as transaction")
    .option("--json", "write JSON");
  withExamples(command, [
    ["mecha components", "every driver"],
    ["mecha components --kind state --capability transaction", "state stores with transactions"],
    ["mecha components state.sqlite", "the settings of one driver"],
  ]);
  command.action(async (type: string | undefined, options: Options) => {
    const { context } = session;
    const { loadCatalogue } = await import("../catalogue.ts");
    const all = await loadCatalogue();
    if (type !== undefined) return showOne(requireType(type, all), options, context);
    const chosen = all.filter(byKind(options.kind, all)).filter(byCapability(options.capability, all));
    if (options.json) return writeJson(context, chosen);
    if (chosen.length === 0) context.out.write(`no driver has all of that; \`mecha components\` lists ${all.length}\n`);
    else context.out.write(listing(chosen, context.out));
  });
};

function requireType(type: string, all: readonly CatalogueEntry[]): readonly CatalogueEntry[] {
  const wanted = type.toLowerCase().replace(/\/v[01]$/, "");
  const found = all.filter((entry) =>
    [entry.type, `${entry.type}/${entry.version}`, ...entry.aliases].includes(wanted),
  );
  if (found.length > 0) return found;
  const names = all.flatMap((entry) => [entry.type, ...entry.aliases]);
  throw new CliError(`there is no component type ${type}`, {
    hint: didYouMean(type, names) ?? "`mecha components` lists them",
  });
}

function byKind(kind: string | undefined, all: readonly CatalogueEntry[]): (entry: CatalogueEntry) => boolean {
  if (kind === undefined) return () => true;
  const kinds = [...new Set(all.map((entry) => entry.kind))];
  const found = kinds.find((one) => one === kind.toLowerCase());
  if (found === undefined)
    throw new CliError(`there is no kind ${kind}`, { hint: didYouMean(kind, kinds) ?? `kinds: ${kinds.join(", ")}` });
  return (entry) => entry.kind === found;
}

/** Capabilities of the published API that are called something else here. */
const published: Readonly<Record<string, string>> = {
  transactional: "transaction",
  queryapi: "query",
  messagettl: "ttl",
  subscribewildcards: "wildcards",
};
const plain = (name: string) => name.toLowerCase().replace(/[-_]/g, "");

function byCapability(name: string | undefined, all: readonly CatalogueEntry[]): (entry: CatalogueEntry) => boolean {
  if (name === undefined) return () => true;
  const names = [...new Set(all.flatMap((entry) => entry.capabilities))].sort();
  const wanted = published[plain(name)] ?? plain(name);
  const found = names.find((one) => plain(one) === wanted);
  if (found === undefined) {
    throw new CliError(`there is no capability ${name}`, {
      hint: didYouMean(name, names) ?? `capabilities: ${names.join(", ")}`,
    });
  }
  return (entry) => entry.capabilities.includes(found);
}

const marks = { driver: "yes", sidecar: "sidecar", none: "-" } as const;

/** A table for each kind, with a column for each of its capabilities. */
function listing(entries: readonly CatalogueEntry[], out: Output): string {
  const kinds = [...new Set(entries.map(({ kind }) => kind))];
  const tables = kinds.map((kind) => {
    const names = Object.keys(capabilitiesOf(kind));
    const columns = [
      { title: "TYPE", style: "cyan" },
      { title: "STATUS" },
      ...names.map((name) => ({ title: name.replace(/[A-Z]/g, " $&").toUpperCase() })),
      { title: "", wraps: true },
    ] as const;
    const rows = entries
      .filter((entry) => entry.kind === kind)
      .map((entry) => [
        named(entry),
        entry.status,
        ...capabilityMatrix(kind, entry.capabilities).map(({ by }) => marks[by]),
        entry.summary,
      ]);
    return formatTable(columns, rows, out);
  });
  const legend = "yes: by the driver  sidecar: made up for by the sidecar  -: not offered; `requires` refuses it\n";
  return `${tables.join("\n")}\n${legend}`;
}

const named = ({ type, version }: CatalogueEntry) => (version === "v1" ? type : `${type}/${version}`);

function showOne(entries: readonly CatalogueEntry[], { json }: Options, context: CliContext): void {
  if (json) writeJson(context, entries.length === 1 ? entries[0] : entries);
  else context.out.write(entries.map((entry) => page(entry, context.out)).join("\n"));
}

function page(entry: CatalogueEntry, out: Output): string {
  const paint = painter(out);
  const facts = [
    ["status", entry.status],
    ["capabilities", entry.capabilities.join(", ")],
    ["also", entry.aliases.join(", ")],
  ].flatMap(([name = "", value]) => (value ? [`${paint("gray", name.padEnd(12))}  ${value}`] : []));
  const head = [paint(["cyan", "bold"], named(entry)), ...wrapText(entry.summary, out.columns), "", ...facts, ""];
  const body = entry.settings.length === 0 ? "no settings\n" : settingsTable(entry, out);
  return `${head.join("\n")}\n${body}`;
}

function settingsTable({ settings }: CatalogueEntry, out: Output): string {
  const columns = [
    { title: "SETTING", style: "cyan" },
    { title: "TYPE", wraps: true },
    { title: "DEFAULT", wraps: true },
    { title: "", wraps: true },
  ] as const;
  const rows = settings.map((setting) => {
    const notes = [
      setting.description,
      setting.secret ? "Secret." : "",
      setting.aliases.length > 0 ? `Also ${setting.aliases.join(", ")}.` : "",
    ];
    return [
      setting.name,
      setting.type,
      setting.required ? "required" : (setting.default ?? ""),
      notes.filter(Boolean).join(" "),
    ];
  });
  return formatTable(columns, rows, out);
}

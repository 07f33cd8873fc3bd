import type { Command } from "commander";
import { findSidecar, type TargetOptions } from "../find-sidecar.ts";
import { type AddCommand, type Session, wholeNumber, withExamples, writeJson } from "../session.ts";
import { requireSuccess, type SidecarReply, type SidecarRequest } from "../sidecar-client.ts";
import { formatTable } from "../table.ts";

interface Options extends TargetOptions {
  readonly json?: true;
}

type Items = Readonly<Record<string, { readonly value: string; readonly version?: string }>>;

export const addConfiguration: AddCommand = (program, session) => {
  const configuration = program
    .command("configuration")
    .alias("config")
    .summary("read and write configuration items")
    .description("Reads and writes the items of a configuration store; apps that subscribe hear of the changes.");
  withExamples(configuration, [
    ["mecha configuration set configstore theme dark", "write an item"],
    ["mecha configuration get configstore theme", "write it out"],
    ["mecha configuration list configstore", "all items"],
    ["mecha configuration delete configstore theme", "remove it"],
  ]);
  addGet(configuration, session);
  addList(configuration, session);
  addSet(configuration, session);
  addDelete(configuration, session);
};

/** What the commands have in common. */
function subcommand(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .summary(summary)
    .argument("<store>", "name of the component")
    .option("-a, --app-id <id>", "an app whose sidecar has the store; needed when several have")
    .option("--port <port>", "HTTP port of a sidecar that `mecha run` did not start", wholeNumber("--port", 1))
    .option("--json", "write JSON");
}

function addGet(parent: Command, session: Session): void {
  const command = subcommand(parent, "get", "write values out")
    .description("Writes the values of items out, one per line; several with their keys.")
    .argument("<key...>");
  withExamples(command, [["mecha configuration get configstore theme", "the value of theme"]]);
  command.action(async (store: string, keys: string[], options: Options) => {
    show(session, await read(session, store, keys, options), options, keys.length === 1);
  });
}

function addList(parent: Command, session: Session): void {
  const command = subcommand(parent, "list", "list all items").description("Lists all items of a store.");
  withExamples(command, [["mecha configuration list configstore", "every item with its version"]]);
  command.action(async (store: string, options: Options) => {
    show(session, await read(session, store, [], options), options, false);
  });
}

function addSet(parent: Command, session: Session): void {
  const command = subcommand(parent, "set", "write an item")
    .description("Writes one item.")
    .argument("<key>")
    .argument("<value>")
    .option("--item-version <text>", "its version; the store makes one when left out");
  withExamples(command, [["mecha configuration set configstore theme dark", "theme is dark from now on"]]);
  command.action(async (store: string, key: string, value: string, options: Options & { itemVersion?: string }) => {
    const { itemVersion: version } = options;
    const items = { [key]: { value, ...(version === undefined ? {} : { version }) } };
    await call(session, store, options, {
      method: "POST",
      path: "",
      body: JSON.stringify({ items }),
      headers: { "content-type": "application/json" },
    });
    if (options.json) writeJson(session.context, { key, stored: true });
    else session.context.out.write(`stored ${key} in ${store}\n`);
  });
}

function addDelete(parent: Command, session: Session): void {
  const command = subcommand(parent, "delete", "remove items")
    .description("Removes items. It is no failure when there are none.")
    .argument("<key...>");
  withExamples(command, [["mecha configuration delete configstore theme", "remove theme"]]);
  command.action(async (store: string, keys: string[], options: Options) => {
    await call(session, store, options, { method: "DELETE", path: query(keys) });
    if (options.json) writeJson(session.context, { keys, deleted: true });
    else session.context.out.write(`removed ${keys.join(", ")} from ${store}\n`);
  });
}

const query = (keys: readonly string[]): string =>
  keys.length === 0 ? "" : `?${new URLSearchParams(keys.map((key): [string, string] => ["key", key]))}`;

async function read(session: Session, store: string, keys: readonly string[], options: Options): Promise<Items> {
  const { status, body } = await call(session, store, options, { method: "GET", path: query(keys) });
  return status === 204 ? {} : (JSON.parse(body.toString("utf8")) as Items);
}

function show({ context }: Session, items: Items, options: Options, bare: boolean): void {
  const entries = Object.entries(items);
  if (options.json) writeJson(context, items);
  else if (bare) context.out.write(entries.map(([, { value }]) => `${value}\n`).join(""));
  else if (entries.length === 0) context.out.write("no items\n");
  else {
    const columns = [{ title: "KEY" }, { title: "VALUE", wraps: true }, { title: "VERSION" }];
    const rows = entries.map(([key, { value, version = "" }]) => [key, value, version]);
    context.out.write(formatTable(columns, rows, context.out));
  }
}

async function call(session: Session, store: string, options: Options, request: SidecarRequest): Promise<SidecarReply> {
  const need = { kind: "configuration", name: store, exact: false } as const;
  const { place, apiToken } = await findSidecar(options, session.context, need);
  return requireSuccess(place, apiToken, {
    ...request,
    path: `/v1.0/configuration/${encodeURIComponent(store)}${request.path}`,
  });
}

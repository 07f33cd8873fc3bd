import type { Command } from "commander";
import { readData } from "../data.ts";
import { CliError } from "../failure.ts";
import { findSidecar, type Target, type TargetOptions } from "../find-sidecar.ts";
import { type AddCommand, type Session, wholeNumber, withExamples, writeJson } from "../session.ts";
import { requireSuccess, type SidecarReply, type SidecarRequest } from "../sidecar-client.ts";

interface Options extends TargetOptions {
  readonly json?: true;
}

export const addState: AddCommand = (program, session) => {
  const state = program
    .command("state")
    .summary("read and write state")
    .description(
      "Reads and writes the state of an app through its sidecar; keys belong to the app, as for the app itself.",
    );
  withExamples(state, [
    [`mecha state set statestore cart '{"items":2}'`, "store a value"],
    ["mecha state get statestore cart", "write it out"],
    ["mecha state list statestore --prefix ca", "list keys"],
    ["mecha state delete statestore cart", "remove it"],
  ]);
  addGet(state, session);
  addSet(state, session);
  addDelete(state, session);
  addKeys(state, session);
};

/** What the commands have in common. */
function subcommand(state: Command, name: string, summary: string): Command {
  return state
    .command(name)
    .summary(summary)
    .argument("<store>", "name of the component")
    .option("-a, --app-id <id>", "the app whose state it is; needed when several have the store")
    .option("--port <port>", "HTTP port of a sidecar that `mecha run` did not start", wholeNumber("--port", 1))
    .option("--json", "write JSON");
}

function addGet(state: Command, session: Session): void {
  const command = subcommand(state, "get", "write a value out")
    .description("Writes a value out as it is stored. Without a value it ends with code 1.")
    .argument("<key>");
  withExamples(command, [["mecha state get statestore cart", "the value of cart"]]);
  command.action(async (store: string, key: string, options: Options) => {
    const { context } = session;
    const reply = await call(session, store, options, { method: "GET", path: `/${encodeURIComponent(key)}` });
    if (reply.status === 204) {
      throw new CliError(`${store} holds no ${key}`, { hint: `\`mecha state list ${store}\` lists the keys` });
    }
    const text = reply.body.toString("utf8");
    if (options.json) writeJson(context, { key, value: parsed(text), etag: reply.headers["etag"] });
    else context.out.write(text.endsWith("\n") ? text : `${text}\n`);
  });
}

function addSet(state: Command, session: Session): void {
  const command = subcommand(state, "set", "store a value")
    .description("Stores a value. JSON is stored as what it says, anything else as a text.")
    .argument("<key>")
    .argument("<value>", 'a text, @file, or "-" for standard input')
    .option("--etag <etag>", "only when the stored version is this one")
    .option("--ttl <seconds>", "seconds after which the value is gone", wholeNumber("--ttl", 1));
  withExamples(command, [
    [`mecha state set statestore cart '{"items":2}'`, "JSON"],
    ["mecha state set statestore greeting hello --ttl 60", "a text for a minute"],
    ["mecha state set statestore cart @cart.json", "from a file"],
  ]);
  command.action(
    async (store: string, key: string, value: string, options: Options & { etag?: string; ttl?: number }) => {
      const { context } = session;
      const { bytes, contentType } = await readData(value, context);
      const text = Buffer.from(bytes).toString("utf8");
      // Put in as it was written: numbers that JavaScript cannot hold stay what they are.
      const fields = [
        `"key":${JSON.stringify(key)}`,
        `"value":${contentType === "application/json" ? text : JSON.stringify(text)}`,
      ];
      if (options.etag !== undefined) fields.push(`"etag":${JSON.stringify(options.etag)}`);
      if (options.ttl !== undefined) fields.push(`"metadata":{"ttlInSeconds":"${options.ttl}"}`);
      const item = `{${fields.join(",")}}`;
      await call(session, store, options, {
        method: "POST",
        path: "",
        body: `[${item}]`,
        headers: { "content-type": "application/json" },
      });
      if (options.json) writeJson(context, { key, stored: true });
      else context.out.write(`stored ${key} in ${store}\n`);
    },
  );
}

function addDelete(state: Command, session: Session): void {
  const command = subcommand(state, "delete", "remove a value")
    .description("Removes a value. It is no failure when there is none.")
    .argument("<key>")
    .option("--etag <etag>", "only when the stored version is this one");
  withExamples(command, [["mecha state delete statestore cart", "remove cart"]]);
  command.action(async (store: string, key: string, options: Options & { etag?: string }) => {
    const { context } = session;
    const headers = options.etag === undefined ? {} : { "if-match": options.etag };
    await call(session, store, options, { method: "DELETE", path: `/${encodeURIComponent(key)}`, headers });
    if (options.json) writeJson(context, { key, deleted: true });
    else context.out.write(`removed ${key} from ${store}\n`);
  });
}

const pageSize = 1000;

function addKeys(state: Command, session: Session): void {
  const command = subcommand(state, "list", "list keys")
    .description("Lists the keys of an app, one per line.")
    .option("--prefix <text>", "only keys that begin with it", "");
  withExamples(command, [["mecha state list statestore --prefix user-", "keys that begin with user-"]]);
  command.action(async (store: string, options: Options & { prefix: string }) => {
    const { context } = session;
    const target = await targetOf(store, options, session);
    const keys: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const query: string = `?${new URLSearchParams({ prefix: options.prefix, limit: String(pageSize), ...(cursor && { cursor }) })}`;
      const reply = await callStore(target, store, { method: "GET", path: query });
      const page = JSON.parse(reply.body.toString("utf8")) as { keys: string[]; cursor?: string };
      if (!options.json) context.out.write(page.keys.map((key) => `${key}\n`).join(""));
      else keys.push(...page.keys);
      cursor = page.cursor || undefined;
    }
    if (options.json) writeJson(context, { keys });
  });
}

async function call(session: Session, store: string, options: Options, request: SidecarRequest): Promise<SidecarReply> {
  return callStore(await targetOf(store, options, session), store, request);
}

function targetOf(store: string, options: Options, { context }: Session): Promise<Target> {
  return findSidecar(options, context, { kind: "state", name: store, exact: true });
}

function callStore({ place, apiToken }: Target, store: string, request: SidecarRequest): Promise<SidecarReply> {
  return requireSuccess(place, apiToken, {
    ...request,
    path: `/v1.0/state/${encodeURIComponent(store)}${request.path}`,
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

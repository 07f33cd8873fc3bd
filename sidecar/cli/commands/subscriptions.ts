import type { Command } from "commander";
import { findSidecar, type TargetOptions } from "../find-sidecar.ts";
import { type AddCommand, type Session, wholeNumber, withExamples, writeJson } from "../session.ts";
import { requireSuccess, type SidecarRequest } from "../sidecar-client.ts";
import { formatTable } from "../table.ts";

interface Options extends TargetOptions {
  readonly json?: true;
}

interface Subscription {
  readonly pubsubName: string;
  readonly topic: string;
  readonly origin: string;
  readonly state: string;
  readonly why?: string;
}

interface Parked {
  readonly id: string;
  readonly attempts: number;
  readonly error: string;
  readonly parkedAt: string;
  /** Base64; absent: no bytes. */
  readonly data?: string;
}

/** A subscription as two arguments name it. */
type Names = readonly [pubsub: string, topic: string];

export const addSubscriptions: AddCommand = (program, session) => {
  const parent = program
    .command("subscriptions")
    .alias("subs")
    .summary("pause subscriptions, redrive parked messages")
    .description("Shows and steers the subscriptions of a running app, and the messages that it could not process.");
  withExamples(parent, [
    ["mecha subscriptions list", "every subscription and how it is"],
    ["mecha subscriptions pause pubsub orders", "take no more messages of orders"],
    ["mecha subscriptions resume pubsub orders", "take them again"],
    ["mecha subscriptions parked pubsub orders", "messages whose attempts are used up"],
    ["mecha subscriptions redrive pubsub orders", "deliver them once more"],
    ["mecha subscriptions drop pubsub orders <id>", "forget one"],
  ]);
  addList(parent, session);
  addPause(parent, session);
  addResume(parent, session);
  addParked(parent, session);
  addRedrive(parent, session);
  addDrop(parent, session);
};

/** What the commands have in common. */
function subcommand(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .summary(summary)
    .description(summary)
    .option("-a, --app-id <id>", "the app that subscribes; needed when several run")
    .option("--port <port>", "HTTP port of a sidecar that `mecha run` did not start", wholeNumber("--port", 1))
    .option("--json", "write JSON");
}

const ofOne = (command: Command): Command =>
  command.argument("<pubsub>", "name of the component").argument("<topic>", "topic of the subscription");

function addList(parent: Command, session: Session): void {
  const command = subcommand(parent, "list", "Lists the subscriptions of an app and how they are.");
  withExamples(command, [["mecha subscriptions list --app-id orders", "those of one app"]]);
  command.action(async (options: Options) => {
    const { context } = session;
    const { subscriptions = [] } = await call<{ subscriptions?: Subscription[] }>(
      session,
      options,
      undefined,
      "GET",
      "",
    );
    if (options.json) return writeJson(context, subscriptions);
    if (subscriptions.length === 0) return void context.out.write("the app has no subscription\n");
    const columns = [
      { title: "PUBSUB", style: "cyan" },
      { title: "TOPIC" },
      { title: "STATE" },
      { title: "ORIGIN" },
      { title: "WHY", wraps: true },
    ] as const;
    const rows = subscriptions.map(({ pubsubName, topic, state, origin, why = "" }) => [
      pubsubName,
      topic,
      state,
      origin.toLowerCase(),
      why,
    ]);
    context.out.write(formatTable(columns, rows, context.out));
  });
}

function addPause(parent: Command, session: Session): void {
  const command = ofOne(subcommand(parent, "pause", "Takes no more messages; those with the app may finish."));
  withExamples(command, [["mecha subscriptions pause pubsub orders", "until it is resumed or the sidecar restarts"]]);
  command.action(async (pubsub: string, topic: string, options: Options) => {
    await call(session, options, [pubsub, topic], "POST", "/pause");
    say(session, options, { pubsub, topic, paused: true }, `paused ${topic} of ${pubsub}`);
  });
}

function addResume(parent: Command, session: Session): void {
  const command = ofOne(subcommand(parent, "resume", "Takes the messages of a paused subscription again."));
  withExamples(command, [["mecha subscriptions resume pubsub orders", "what has come meanwhile is delivered"]]);
  command.action(async (pubsub: string, topic: string, options: Options) => {
    await call(session, options, [pubsub, topic], "POST", "/resume");
    say(session, options, { pubsub, topic, paused: false }, `resumed ${topic} of ${pubsub}`);
  });
}

const pageSize = 1000;

function addParked(parent: Command, session: Session): void {
  const command = ofOne(subcommand(parent, "parked", "Lists the messages whose attempts are used up."));
  withExamples(command, [["mecha subscriptions parked pubsub orders --json", "with their data in base64"]]);
  command.action(async (pubsub: string, topic: string, options: Options) => {
    const { context } = session;
    const all: Parked[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const query: URLSearchParams = new URLSearchParams({ limit: String(pageSize), ...(cursor && { cursor }) });
      const page = await call<{ messages?: Parked[]; cursor?: string }>(
        session,
        options,
        [pubsub, topic],
        "GET",
        `/parked?${query}`,
      );
      all.push(...(page.messages ?? []));
      cursor = page.cursor || undefined;
    }
    if (options.json) return writeJson(context, all);
    if (all.length === 0) return void context.out.write(`no message of ${topic} is parked\n`);
    const columns = [
      { title: "ID", style: "cyan" },
      { title: "PARKED" },
      { title: "ATTEMPTS", align: "right" },
      { title: "BYTES", align: "right" },
      { title: "ERROR", wraps: true },
    ] as const;
    const rows = all.map(({ id, parkedAt, attempts, data = "", error }) => [
      id,
      parkedAt,
      String(attempts),
      String(Buffer.from(data, "base64").length),
      error,
    ]);
    context.out.write(formatTable(columns, rows, context.out));
  });
}

function addRedrive(parent: Command, session: Session): void {
  const command = ofOne(
    subcommand(parent, "redrive", "Delivers parked messages, or dead letters, once more, to this subscription only."),
  )
    .argument("[id...]", "some of the parked ones; default: all")
    .option("--from <topic>", "the messages of this topic instead, such as the dead letter topic");
  withExamples(command, [
    ["mecha subscriptions redrive pubsub orders", "all that are parked"],
    ["mecha subscriptions redrive pubsub orders --from orders-dead", "all dead letters"],
  ]);
  command.action(
    async (pubsub: string, topic: string, ids: string[], options: Options & { readonly from?: string }) => {
      const counts = await call<{ delivered?: number; failed?: number; held?: number }>(
        session,
        options,
        [pubsub, topic],
        "POST",
        "/redrive",
        { ids, from: options.from ?? "" },
      );
      const { delivered = 0, failed = 0, held = 0 } = counts;
      const parts = [
        `delivered ${delivered}`,
        ...(failed > 0 ? [`${failed} failed again`] : []),
        ...(held > 0 ? [`${held} stay where they were, as the app cannot take them now`] : []),
      ];
      say(session, options, { delivered, failed, held }, parts.join(", "));
      // A script must see that some are left.
      if (failed + held > 0) session.exitCode = 1;
    },
  );
}

function addDrop(parent: Command, session: Session): void {
  const command = ofOne(subcommand(parent, "drop", "Forgets parked messages for good."))
    .argument("[id...]", "some of them")
    .option("--all", "all of them");
  withExamples(command, [
    ["mecha subscriptions drop pubsub orders <id>", "one, as `parked` names it"],
    ["mecha subscriptions drop pubsub orders --all", "all of them"],
  ]);
  command.action(async (pubsub: string, topic: string, ids: string[], options: Options & { readonly all?: true }) => {
    if (ids.length === 0 && !options.all) command.error("error: name the messages, or use --all");
    const { dropped = 0 } = await call<{ dropped?: number }>(
      session,
      options,
      [pubsub, topic],
      "POST",
      "/parked/drop",
      { ids },
    );
    say(session, options, { dropped }, `dropped ${dropped}`);
  });
}

function say({ context }: Session, { json }: Options, data: object, text: string): void {
  if (json) writeJson(context, data);
  else context.out.write(`${text}\n`);
}

async function call<T>(
  session: Session,
  options: Options,
  names: Names | undefined,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const need = names && ({ kind: "pubsub", name: names[0], exact: true } as const);
  const { place, apiToken } = await findSidecar(options, session.context, need);
  const request: SidecarRequest = {
    method,
    // Redriving many messages takes as long as the app takes for them.
    timeoutMs: 3_600_000,
    path: `/v1.0-alpha1/subscriptions${(names ?? []).map((name) => `/${encodeURIComponent(name)}`).join("")}${path}`,
    ...(body ? { body: JSON.stringify(body), headers: { "content-type": "application/json" } } : {}),
  };
  const reply = await requireSuccess(place, apiToken, request);
  return (reply.body.length === 0 ? {} : JSON.parse(reply.body.toString("utf8"))) as T;
}

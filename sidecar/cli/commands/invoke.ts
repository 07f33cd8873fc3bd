import { causeText } from "../../../specs/errors.ts";
import { type Data, readData } from "../data.ts";
import { CliError } from "../failure.ts";
import { findSidecar, type Target } from "../find-sidecar.ts";
import { readRecords, runningHint } from "../run-records.ts";
import { type AddCommand, collect, readPairs, type Session, wholeNumber, withExamples, writeJson } from "../session.ts";
import { callSidecar, failureText, type SidecarReply } from "../sidecar-client.ts";

interface Options {
  readonly verb?: string;
  readonly data?: string;
  readonly dataFile?: string;
  readonly contentType?: string;
  readonly header?: readonly string[];
  readonly port?: number;
  readonly json?: true;
}

export const addInvoke: AddCommand = (program, session) => {
  const command = program
    .command("invoke")
    .summary("call a method of an app")
    .description(
      "Calls a method of an app through a sidecar and writes the answer's body. An answer that is no success ends with code 1.",
    )
    .argument("<app-id>")
    .argument("<method>", "path and query, such as orders/1?full=true")
    .option("-v, --verb <verb>", "HTTP verb (default: POST with data, else GET)")
    .option("-d, --data <data>", 'body: a text, @file, or "-" for standard input')
    .option("--data-file <path>", "file of the body")
    .option(
      "--content-type <type>",
      "media type of the body (default: application/json when it is JSON, else text/plain)",
    )
    .option("-H, --header <name=value>", "header of the request; may be repeated", collect)
    .option("--port <port>", "HTTP port of a sidecar that `mecha run` did not start", wholeNumber("--port", 1))
    .option("--json", "write status, headers and body as JSON");
  withExamples(command, [
    ["mecha invoke orders health", "GET /health of the app"],
    [`mecha invoke orders new -d '{"id":1}'`, "POST with a JSON body"],
    ["mecha invoke orders new -d @order.json -v PUT", "the body from a file"],
  ]);
  command.action(async (appId: string, method: string, options: Options) => {
    const data = await dataOf(options, session);
    const target = await targetOf(appId, options, session);
    const reply = await call(appId, method, data, options, target);
    session.exitCode = reply.status < 400 ? 0 : 1;
    show(reply, options, session);
  });
};

async function dataOf({ data, dataFile }: Options, { context }: Session): Promise<Data | undefined> {
  const given = dataFile === undefined ? data : `@${dataFile}`;
  return given === undefined ? undefined : readData(given, context);
}

/** The app's own sidecar is nearest; any other one finds the app by name resolution. */
async function targetOf(appId: string, { port }: Options, { context }: Session): Promise<Target> {
  if (port !== undefined) return findSidecar({ port }, context);
  const records = await readRecords(context.env);
  if (records.some((record) => record.appId === appId)) return findSidecar({ appId }, context);
  try {
    return await findSidecar({}, context);
  } catch {
    throw new CliError(`no app with id ${appId} is running`, { hint: runningHint(appId, records) });
  }
}

async function call(
  appId: string,
  method: string,
  data: Data | undefined,
  options: Options,
  target: Target,
): Promise<SidecarReply> {
  const verb = (options.verb ?? (data ? "POST" : "GET")).toUpperCase();
  const type = data && { "content-type": options.contentType ?? data.contentType };
  try {
    return await callSidecar(target.place, target.apiToken, {
      method: verb,
      path: `/v1.0/invoke/${encodeURIComponent(appId)}/method/${method.replace(/^\/+/, "")}`,
      headers: { ...type, ...readPairs("--header", options.header) },
      body: data?.bytes,
    });
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`the sidecar does not answer: ${causeText(cause)}`, { hint: "see `mecha list`", cause });
  }
}

function show(reply: SidecarReply, { json }: Options, { context }: Session): void {
  const text = reply.body.toString("utf8");
  if (json) writeJson(context, { status: reply.status, headers: reply.headers, body: asJson(text) });
  else if (reply.status >= 400) context.err.write(`mecha: ${failureText(reply)}\n`);
  else if (text !== "") context.out.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** JSON as it is, so that a program need not parse twice. */
function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

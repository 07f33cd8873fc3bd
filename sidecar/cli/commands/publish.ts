import { readData } from "../data.ts";
import { CliError, usageExitCode } from "../failure.ts";
import { findSidecar } from "../find-sidecar.ts";
import { type AddCommand, collect, readPairs, wholeNumber, withExamples, writeJson } from "../session.ts";
import { requireSuccess } from "../sidecar-client.ts";

interface Options {
  readonly data?: string;
  readonly dataFile?: string;
  readonly contentType?: string;
  readonly metadata?: readonly string[];
  readonly appId?: string;
  readonly port?: number;
  readonly json?: true;
}

export const addPublish: AddCommand = (program, session) => {
  const command = program
    .command("publish")
    .summary("publish an event")
    .description("Publishes an event to a topic through a running sidecar that has the pub/sub component.")
    .argument("<pubsub>", "name of the component")
    .argument("<topic>")
    .option("-d, --data <data>", 'the event: a text, @file, or "-" for standard input')
    .option("--data-file <path>", "file of the event")
    .option(
      "--content-type <type>",
      "media type of the event (default: application/json when it is JSON, else text/plain)",
    )
    .option("-m, --metadata <key=value>", "metadata of the request, such as rawPayload=true; may be repeated", collect)
    .option("-a, --app-id <id>", "publish through the sidecar of this app")
    .option("--port <port>", "HTTP port of a sidecar that `mecha run` did not start", wholeNumber("--port", 1))
    .option("--json", "write JSON");
  withExamples(command, [
    [`mecha publish pubsub orders -d '{"id":1}'`, "an event with JSON data"],
    ["mecha publish pubsub orders -d @event.json --content-type application/cloudevents+json", "a CloudEvent"],
    ["mecha publish pubsub orders -d hello -m ttlInSeconds=60", "a text that ends after a minute"],
  ]);
  command.action(async (pubsub: string, topic: string, options: Options) => {
    const { context } = session;
    const given = options.dataFile === undefined ? options.data : `@${options.dataFile}`;
    if (given === undefined)
      throw new CliError("there is nothing to publish", {
        hint: "give the event with --data",
        exitCode: usageExitCode,
      });
    const data = await readData(given, context);
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(readPairs("--metadata", options.metadata)))
      query.set(`metadata.${key}`, value);
    const target = await findSidecar(options, context, { kind: "pubsub", name: pubsub, exact: false });
    await requireSuccess(target.place, target.apiToken, {
      method: "POST",
      path: `/v1.0/publish/${encodeURIComponent(pubsub)}/${encodeURIComponent(topic)}?${query}`,
      headers: { "content-type": options.contentType ?? data.contentType },
      body: data.bytes,
    });
    if (options.json) writeJson(context, { pubsub, topic, appId: target.appId, bytes: data.bytes.length });
    else
      context.out.write(
        `published ${data.bytes.length} bytes to ${topic} of ${pubsub}${target.appId ? ` through ${target.appId}` : ""}\n`,
      );
  });
};

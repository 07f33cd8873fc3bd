import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { onTestFinished } from "vitest";
import type { Reply } from "./http-server.ts";
import { startServer } from "./server.ts";

/** How a test reaches the double of AWS. */
export interface AwsPlace {
  readonly endpoint: string;
  readonly region: string;
}

/** Settings of a component that reaches AWS there. */
export const awsSettings = ({ endpoint, region }: AwsPlace) => ({
  endpoint,
  region,
  accessKey: "test",
  secretKey: "test",
});

/** A region that nobody else uses: a world of its own. Buckets alone are those of all regions. */
export async function ownAws(): Promise<AwsPlace> {
  const { settings } = await startServer("moto");
  return { endpoint: settings["endpoint"] ?? "", region: `test-${randomUUID()}` };
}

/** A client of the library for what a test does behind the driver's back; closed when the test is over. */
export function awsClient<C extends { destroy(): void }>(
  Client: new (options: {
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
    forcePathStyle: boolean;
    requestHandler: NodeHttpHandler;
  }) => C,
  { endpoint, region }: AwsPlace,
): C {
  const client = new Client({
    endpoint,
    region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    forcePathStyle: true,
    // That of Kinesis would speak HTTP/2.
    requestHandler: new NodeHttpHandler(),
  });
  onTestFinished(() => client.destroy());
  return client;
}

/** What becomes of a request on its way: it passes, is done but its answer lost, or gets this answer at once. */
export type Fate = "pass" | "lose" | Reply;

/** The operation that a request in AWS's JSON protocol asks for: `GetItem`. */
export const operationOf = ({ headers }: IncomingMessage): string =>
  String(headers["x-amz-target"] ?? "").replace(/^.*\./, "");

/** An answer of AWS's JSON protocol. */
export const awsReply = (body: object, status = 200): Reply => ({
  status,
  headers: { "content-type": "application/x-amz-json-1.0" },
  body: JSON.stringify(body),
});

/** A way to the double of AWS on which a test decides the fate of each request. */
export async function awsThrough(
  place: AwsPlace,
  fateOf: (request: IncomingMessage, body: string) => Fate,
): Promise<AwsPlace> {
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = Buffer.concat(await incoming.toArray());
    const fate = fateOf(incoming, body.toString());
    if (typeof fate === "object") {
      outgoing.writeHead(fate.status ?? 200, { ...fate.headers }).end(fate.body);
      return;
    }
    const { method = "GET", headers, url = "/" } = incoming;
    const onward = request(new URL(url, place.endpoint), { method, headers }, (answer) => {
      if (fate === "lose") answer.resume().on("end", () => incoming.socket.destroy());
      else answer.pipe(outgoing.writeHead(answer.statusCode ?? 500, answer.headers));
    });
    onward.on("error", () => incoming.socket.destroy()).end(body);
  };
  const server = createServer((incoming, outgoing) => void handle(incoming, outgoing)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { ...place, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

// The official JavaScript SDK as client and app, over the transport that APP_PROTOCOL names.
import { CommunicationProtocolEnum, DaprClient, DaprServer, LogLevel } from "@dapr/dapr";
import { App } from "./app.ts";
import { blockSteps } from "./blocks.ts";
import { grpcSteps } from "./grpc-only.ts";
import { invokeSteps } from "./invoke.ts";
import { pubsubSteps } from "./pubsub.ts";
import { stateSteps } from "./state.ts";
import { step } from "./steps.ts";

const env = (name: string) => process.env[name] ?? "";
const isGrpc = env("APP_PROTOCOL") === "grpc";
const { HTTP, GRPC } = CommunicationProtocolEnum;
const communicationProtocol = isGrpc ? GRPC : HTTP;
const logger = { level: LogLevel.Error };
const own = { daprHost: "127.0.0.1", daprPort: env(isGrpc ? "DAPR_GRPC_PORT" : "DAPR_HTTP_PORT") };
const overHttp = { daprPort: env("CALLER_HTTP_PORT"), communicationProtocol: HTTP };
const overGrpc = { daprPort: env("CALLER_GRPC_PORT"), communicationProtocol: GRPC };

const server = new DaprServer({
  serverHost: "127.0.0.1",
  serverPort: env("APP_PORT"),
  communicationProtocol,
  clientOptions: own,
  logger,
});
const app = new App(server);
await app.listen();
const client = new DaprClient({ ...own, communicationProtocol, logger });
const callers = [overHttp, overGrpc].map((way) => new DaprClient({ ...own, ...way, logger }));
const [caller, otherWire] = (isGrpc ? callers.reverse() : callers) as [DaprClient, DaprClient];

await step("the app starts and waits for its sidecar", () => server.start());
await step("the client waits for the sidecar", () => client.start());
await step("the sidecar becomes ready with its app", () => app.untilReady(env("DAPR_HTTP_PORT")));
await stateSteps(client, "statestore", "state.sqlite");
await stateSteps(client, "memorystate", "state.in-memory");
await pubsubSteps(client, app, "pubsub", "pubsub.sqlite");
await pubsubSteps(client, app, "memorypubsub", "pubsub.in-memory");
await invokeSteps(client, caller, otherWire, env("APP_ID"));
await blockSteps(client, app, env("APP_ID"));
if (isGrpc) await grpcSteps(client);
await step("the sidecar is asked to shut down", () => client.sidecar.shutdown());
process.exit(0);

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBody } from "../../sidecar/kernel/body.ts";
import { component, startInProcess } from "../support/in-process-sidecar.ts";
import { wireSuite } from "./wire.suite.ts";
import { cryptoCases } from "./wire-cases/crypto.ts";
import { bindingCases, invokeCases, publishCases } from "./wire-cases/messaging.ts";
import { bareCases, conversationCases, sidecarCases } from "./wire-cases/sidecar.ts";
import { stateCases } from "./wire-cases/state.ts";
import { stateManyCases } from "./wire-cases/state-many.ts";
import { configurationCases, lockCases, secretCases } from "./wire-cases/stores.ts";
import { subscriptionCases } from "./wire-cases/subscriptions.ts";

/** An app that says what it was called with. */
function startApp(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const body = Buffer.from(await readBody(request)).toString();
    const status = /^\/status\/(\d+)/.exec(request.url ?? "")?.[1];
    if (status) response.writeHead(Number(status)).end();
    else if (request.url?.startsWith("/echo")) {
      response.writeHead(200, { "content-type": "text/plain", "x-app": "1" });
      response.end(`${request.method} ${request.url} ${request.headers["content-type"]} ${body}`);
    } else response.writeHead(404).end();
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const secrets = JSON.stringify({ db: "hunter2", api: "key", root: "denied" });
const configuration = `apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: config
spec:
  secrets:
    scopes:
      - storeName: vault
        defaultAccess: allow
        deniedSecrets: ["root"]
`;

const subscription = `apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata:
  name: orders
spec:
  pubsubname: bus
  topic: orders
  routes:
    default: /echo/orders
`;

/** A sidecar with a component of every kind and an app. */
async function startFull() {
  const app = await startApp();
  const { port } = app.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), "mecha-wire-"));
  writeFileSync(join(folder, "secrets.json"), secrets);
  writeFileSync(join(folder, "config.yaml"), configuration);
  const bench = await startInProcess({
    args: ["--app-port", String(port), "--config", join(folder, "config.yaml")],
    resources: {
      "store.yaml": component("store", "state.in-memory"),
      "sealed.yaml": component("sealed", "state.in-memory", { primaryEncryptionKey: "00".repeat(32) }),
      "shared.yaml": component("shared", "state.in-memory", { keyPrefix: "name" }),
      "bus.yaml": component("bus", "pubsub.in-memory", { publishingScopes: "app=orders,orders/new/eu" }),
      "orders.yaml": subscription,
      "files.yaml": component("files", "bindings.localstorage", { rootPath: join(folder, "files") }),
      "vault.yaml": component("vault", "secretstores.local.file", { secretsFile: join(folder, "secrets.json") }),
      "config.yaml": component("config", "configuration.in-memory", {
        values: JSON.stringify({ a: "1", b: { value: "2", version: "v7" } }),
      }),
      "locks.yaml": component("locks", "lock.in-memory"),
      "keys.yaml": component("keys", "crypto.in-memory"),
      "echo.yaml": component("echo", "conversation.echo"),
    },
  });
  await bench.whenReady();
  return {
    ...bench,
    async stop() {
      await bench.stop();
      app.closeAllConnections();
      app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

wireSuite("a sidecar with components", startFull, [
  ...stateCases,
  ...stateManyCases,
  ...publishCases,
  ...subscriptionCases,
  ...bindingCases,
  ...secretCases,
  ...configurationCases,
  ...lockCases,
  ...cryptoCases,
  ...conversationCases,
  ...invokeCases,
  ...sidecarCases,
]);
wireSuite("a sidecar without components", () => startInProcess(), bareCases);

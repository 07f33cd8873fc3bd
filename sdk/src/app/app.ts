import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { ConfigurationUpdate } from "../blocks/configuration.ts";
import {
  type BindingEvent,
  bindingRoutes,
  configurationRoutes,
  type Handlers,
  invokeRoutes,
  type JobEvent,
  jobRoutes,
} from "./callbacks.ts";
import { reply } from "./reply.ts";
import type { AppRequest } from "./request.ts";
import { type AppRoute, Router } from "./route.ts";
import { serve } from "./serve.ts";
import { subscriptionRoutes, type TopicSubscription } from "./subscriptions.ts";

/**
 * What this app handles.
 *
 * @example
 * ```ts
 * import { type AppOptions, createApp, type CloudEvent } from "@mecha/sdk";
 *
 * const options: AppOptions = {
 *   subscriptions: [{ pubsub: "bus", topic: "orders", handle: (event: CloudEvent<string>) => console.log(event.data) }],
 *   bindings: { "every-minute": () => console.log("a minute has passed") },
 *   invoke: { "GET stock/:item": ({ params }) => ({ item: params["item"], left: 3 }) },
 *   configuration: { settings: ({ items }) => console.log(items) },
 *   jobs: { backup: () => console.log("backing up") },
 *   health: () => true,
 * };
 * await createApp(options).listen({ port: 3000 });
 * ```
 */
export interface AppOptions {
  readonly subscriptions?: readonly TopicSubscription[];
  /** By the name of the binding, or by the `route` in its metadata. What a handler returns goes back to the binding. */
  readonly bindings?: Handlers<BindingEvent>;
  /**
   * Methods that other apps call, by path (any verb) or verb and path; `:name` in it is one segment, a closing `*` the rest.
   * What a handler returns is the answer: nothing 204, a `reply()` as it is, anything else 200.
   */
  readonly invoke?: Handlers<AppRequest>;
  /** By store. Ask for the changes by `client.configuration(store).notifyApp()`. */
  readonly configuration?: Handlers<ConfigurationUpdate>;
  /** By the name of the job. A handler that throws has failed, and the job's failure policy applies. */
  readonly jobs?: Handlers<JobEvent>;
  /** Whether the app can take work; false and throwing say no. By default it can. */
  readonly health?: () => unknown;
  /** Where the sidecar asks for that; default `/healthz`. */
  readonly healthPath?: string;
  /** What the sidecar must send as `dapr-api-token`. By default what `MECHA_APP_API_TOKEN` or `APP_API_TOKEN` says. */
  readonly apiToken?: string;
  /** Longest body that is read into memory; 16 MiB by default. Bodies that stream have no limit. */
  readonly maxBodyBytes?: number;
  /** Hears of handlers that threw, and what they handle; by default the console does. */
  readonly onError?: (error: unknown, what: string) => void;
}

/**
 * A server that listens.
 *
 * @example
 * ```ts
 * import { createApp, type RunningApp } from "@mecha/sdk";
 *
 * const running: RunningApp = await createApp({ invoke: { ping: () => "pong" } }).listen({ port: 0 });
 * console.log(`started: mecha run --app-port ${running.port}`);
 * process.once("SIGTERM", () => void running.close());
 * ```
 */
export interface RunningApp extends AsyncDisposable {
  readonly port: number;
  /** Takes no more requests and resolves when those under way are answered. Idempotent. */
  close(): Promise<void>;
}

/**
 * The app's side: what the sidecar calls.
 *
 * @example
 * ```ts
 * import { createApp, type MechaApp } from "@mecha/sdk";
 * import { createServer } from "node:http";
 *
 * const app: MechaApp = createApp({ invoke: { ping: () => "pong" } });
 * createServer(app.listener).listen(3000); // or: await app.listen({ port: 3000 })
 * ```
 */
export interface MechaApp {
  /** For a server of node:http. Paths that are not the app's are answered 404. */
  readonly listener: RequestListener;
  /** The paths that it answers, for routers of other frameworks; verb undefined means any. */
  readonly routes: readonly { readonly verb: string | undefined; readonly path: string }[];
  /** Listens: on port 0 for any, by default on that of `APP_PORT` or else 3000, and on this machine only. */
  listen(place?: { readonly port?: number; readonly host?: string }): Promise<RunningApp>;
}

const defaultMaxBodyBytes = 16 * 1024 * 1024;

/**
 * Makes the app's side out of handlers: subscriptions, bindings, methods, changes of configuration, jobs and health. An
 * event whose handler returns is done, one whose handler throws comes again.
 *
 * @throws TypeError when a subscription has no handler, or two handlers have the same path
 * @example
 * ```ts
 * import { type CloudEvent, createApp, createClient } from "@mecha/sdk";
 *
 * const client = createClient();
 * const app = createApp({
 *   subscriptions: [
 *     {
 *       pubsub: "bus",
 *       topic: "orders",
 *       async handle(event: CloudEvent<{ id: string; item: string }>) {
 *         if (!event.data.id) return "drop";
 *         await client.state("orders").set(event.data.id, event.data);
 *         return "success";
 *       },
 *     },
 *   ],
 *   invoke: { "GET orders/:id": async ({ params }) => (await client.state("orders").get(params["id"] ?? ""))?.value },
 * });
 * await app.listen({ port: 3000 });
 * ```
 */
export function createApp(options: AppOptions): MechaApp {
  const { onError = logError, maxBodyBytes = defaultMaxBodyBytes } = options;
  const apiToken =
    options.apiToken ?? (process.env["MECHA_APP_API_TOKEN"] || process.env["APP_API_TOKEN"] || undefined);
  const routes = [
    healthRoute(options, onError),
    ...subscriptionRoutes(options.subscriptions ?? [], onError),
    ...bindingRoutes(options.bindings ?? {}),
    ...(options.configuration ? configurationRoutes(options.configuration) : []),
    ...(options.jobs ? jobRoutes(options.jobs) : []),
    ...invokeRoutes(options.invoke ?? {}),
  ];
  const parts = { router: new Router(routes), apiToken, maxBodyBytes, onError };
  const listener: RequestListener = (request, response) => void serve(parts, request, response);
  return {
    listener,
    routes: routes.map(({ verb, path }) => ({ verb, path })),
    listen: ({ port = Number(process.env["APP_PORT"] || 3000), host = "127.0.0.1" } = {}) =>
      startListening(listener, port, host),
  };
}

function healthRoute(
  { health = () => true, healthPath = "/healthz" }: AppOptions,
  onError: (error: unknown, what: string) => void,
): AppRoute {
  const what = "the health check";
  return {
    // The sidecar's probes carry no token, and neither do others'.
    ...{ verb: "GET", path: healthPath, what, open: true },
    async handle() {
      try {
        return reply((await health()) === false ? 503 : 200);
      } catch (error) {
        onError(error, what);
        return reply(503);
      }
    },
  };
}

async function startListening(listener: RequestListener, port: number, host: string): Promise<RunningApp> {
  const server = createServer(listener).listen(port, host);
  await once(server, "listening");
  let closed: Promise<void> | undefined;
  // A kept connection whose request ends after the close would hold it up until it times out.
  const closeIdle = () => void (closed && setImmediate(() => server.closeIdleConnections()));
  server.on("request", (request, response) => {
    request.once("close", closeIdle);
    response.once("close", closeIdle);
  });
  const close = () => {
    closed ??= new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    return closed;
  };
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}

function logError(error: unknown, what: string): void {
  console.error(`${what} failed:`, error);
}

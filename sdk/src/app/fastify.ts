import type { IncomingMessage, ServerResponse } from "node:http";
import { type AppOptions, createApp, type MechaApp } from "./app.ts";

/** The part of a Fastify instance that is needed here: the SDK brings no Fastify of its own. */
export interface FastifyInstanceLike {
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    parser: (request: unknown, payload: IncomingMessage, done: (error: null, body?: undefined) => void) => void,
  ): unknown;
  route(route: {
    method: string[];
    url: string;
    exposeHeadRoute: boolean;
    handler(request: { raw: IncomingMessage }, reply: { raw: ServerResponse; hijack(): unknown }): void;
  }): unknown;
}

const verbs = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/**
 * The app's side as a Fastify plugin, beside routes of your own. Register it without a prefix: the sidecar asks at the root.
 *
 * @example
 * ```ts
 * import { type AppOptions, type CloudEvent, mechaFastify } from "@mecha/sdk";
 * import Fastify from "fastify";
 *
 * const options: AppOptions = {
 *   subscriptions: [{ pubsub: "bus", topic: "orders", handle: (event: CloudEvent<string>) => console.log(event.data) }],
 * };
 * const server = Fastify();
 * server.get("/about", () => "a page of my own");
 * await server.register(mechaFastify, options);
 * await server.listen({ port: 3000 });
 * ```
 */
export function mechaFastify(instance: FastifyInstanceLike, options: AppOptions, done: (error?: Error) => void): void {
  try {
    mount(instance, createApp(options));
    done();
  } catch (error) {
    done(error as Error);
  }
}

function mount(instance: FastifyInstanceLike, app: MechaApp): void {
  // Bodies are left unread, and only in the scope of this plugin.
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
  for (const { verb, path } of app.routes) {
    instance.route({
      method: verb === undefined ? verbs : [verb],
      url: path,
      exposeHeadRoute: false,
      handler({ raw: request }, reply) {
        reply.hijack();
        // Fastify's response is that of the server for this very request.
        app.listener(request, reply.raw as Parameters<MechaApp["listener"]>[1]);
      },
    });
  }
}

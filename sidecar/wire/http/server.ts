import { createServer as createHttp1, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { fail } from "../../../specs/errors.ts";
import type { InvokeProxy } from "../../kernel/exchange.ts";
import type { ScopedLog } from "../../kernel/log.ts";
import type { AnyHttpShape, AnyMethod, HttpInput, HttpOutput, Route } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";
import { type ApiAccess, versionOfRoute } from "../api-access.ts";
import { isUnexpected, toMechaError } from "../error-details.ts";
import type { Endpoint, Handle, Pipeline } from "../pipeline.ts";
import { HttpCall } from "./call.ts";
import { decodeInput, encodeOutput } from "./codec.ts";
import { corsHandler } from "./cors.ts";
import { drain } from "./drain.ts";
import { errorOutput } from "./errors.ts";
import { acceptHttp2, type BrokenRequest, type Http2Side, refuse } from "./h2c.ts";
import { type Listening, listen, type Place } from "./listen.ts";
import { writeAnswer, writeOutput } from "./output.ts";
import { routedUrl } from "./path.ts";

export interface HttpServerParts {
  readonly appId: string;
  readonly methods: readonly AnyMethod[];
  readonly routes: readonly Route[];
  /** Undefined: unmatched paths are refused. */
  readonly proxy: InvokeProxy | undefined;
  readonly pipeline: Pipeline;
  readonly access: ApiAccess;
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly allowedOrigins: readonly string[];
  /** Also speak HTTP/2 in clear text on the same port. */
  readonly h2c: boolean;
  readonly log: ScopedLog;
}

/** What a route does once it is matched and its body read. */
type Run = (input: HttpInput, request: Request) => Promise<HttpOutput>;

const headerTimeoutMs = 10_000;
/** How often requests are looked for whose headers take longer; Node's own 30 s would treble the time. */
const headerCheckMs = 2_000;
/** Longer than clients keep idle connections: one that the server closes first may be closed under a request on its way. */
const idleMs = 60 * 60_000;
/** How long requests in flight may still take when the server closes. */
const closeMs = 10_000;
const longestParam = 64 * 1024;

/** Opens the HTTP API at one or several places. */
export async function openHttpServer(parts: HttpServerParts, places: readonly Place[]): Promise<Listening> {
  const { fastify, server, http2 } = createFastify(parts);
  mountAll(parts, fastify);
  fastify.setNotFoundHandler(fallbackHandler(parts));
  await fastify.ready();
  return listen(server, places, async (listeners) => {
    // From here on Fastify answers with "connection: close". It does not close a server that it did not open.
    await fastify.close();
    await drain(server, listeners, http2, closeMs);
  });
}

function createFastify(parts: HttpServerParts): {
  fastify: FastifyInstance;
  server: Server;
  http2: Http2Side | undefined;
} {
  const cors = corsHandler(parts.allowedOrigins);
  let server: Server | undefined;
  let http2: Http2Side | undefined;
  const fastify = Fastify({
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => (http2?.onClientError ?? refuse)(error as Error as BrokenRequest, socket),
    rewriteUrl: (request) => routedUrl(request.url ?? "/"),
    routerOptions: { maxParamLength: longestParam },
    frameworkErrors: (error, _request, reply) => {
      reply.hijack();
      reply.raw.writeHead(400, { "content-type": "text/plain; charset=utf-8" }).end(error.message);
    },
    serverFactory: (handler) => {
      const onRequest = cors
        ? (request: IncomingMessage, response: ServerResponse) => {
            if (!cors(request, response)) handler(request, response);
          }
        : handler;
      server = createHttp1(
        {
          maxHeaderSize: parts.maxHeaderBytes,
          headersTimeout: headerTimeoutMs,
          connectionsCheckingInterval: headerCheckMs,
          requestTimeout: 0,
          keepAliveTimeout: idleMs,
          noDelay: true,
        },
        onRequest,
      );
      if (parts.h2c) http2 = acceptHttp2(onRequest);
      return server;
    },
  });
  return { fastify, server: server as unknown as Server, http2 };
}

function mountAll(parts: HttpServerParts, fastify: FastifyInstance): void {
  // Fastify must leave bodies alone: any content type is allowed here, and streams are not read before their method runs.
  for (const verb of ["POST", "PUT", "PATCH", "OPTIONS", "QUERY", "DELETE"])
    fastify.addHttpMethod(verb, { hasBody: false, overrideExisting: true });
  for (const method of parts.methods) {
    for (const shape of method.http) {
      const endpoint = { name: method.rpcs[0].name, open: false };
      mount(parts, fastify, { ...shape, group: method.group }, endpoint, (input, request) =>
        runMethod(method, shape, input, request),
      );
    }
  }
  for (const route of parts.routes) {
    mount(parts, fastify, route, { name: route.paths[0] as string, open: route.open === true }, route.run);
  }
}

async function runMethod(
  method: AnyMethod,
  shape: AnyHttpShape,
  input: HttpInput,
  request: Request,
): Promise<HttpOutput> {
  try {
    // The codec made this input for this method.
    const output = await method.run(decodeInput(method, shape, input) as never, request);
    return await encodeOutput(method, shape, output, input);
  } catch (error) {
    const own = shape.failure?.(error, input);
    if (own) return own;
    throw error;
  }
}

interface Mounted {
  readonly verbs: readonly string[];
  readonly paths: readonly string[];
  readonly group: string;
  readonly streams?: true;
}

function mount(parts: HttpServerParts, fastify: FastifyInstance, shape: Mounted, endpoint: Endpoint, run: Run): void {
  for (const url of shape.paths) {
    // A denied path is not mounted: the proxy answers it like any path that is not ours.
    if (!parts.access.http(shape.group, versionOfRoute(url), url)) continue;
    const handle = parts.pipeline.wrap("http", endpoint, async (call: HttpCall) => {
      const input = shape.streams ? call.streamed(url) : call.read(url, parts.maxBodyBytes);
      const output = await run(input instanceof Promise ? await input : input, call);
      call.sentBytes = await writeOutput(call.response, output, call.replyHeaders);
      return output.status;
    });
    // A slash at the end is the wildcard's own; elsewhere it says nothing.
    for (const mounted of url.endsWith("*") ? [url] : [url, `${url}/`]) {
      fastify.route({
        method: [...shape.verbs],
        url: mounted,
        handler: (req, reply) => answer(parts, handle, req, reply),
      });
    }
  }
}

/** What is not one of our paths is an invocation, or nothing. */
function fallbackHandler(parts: HttpServerParts) {
  const { proxy } = parts;
  const handle = parts.pipeline.wrap("http", { name: "InvokeService", open: false }, async (call: HttpCall) => {
    const incoming = call.incoming();
    if (!proxy) throw fail("invokeNoTarget", { path: incoming.url.replace(/\?.*/s, "") });
    const answered = await proxy.http(incoming);
    call.sentBytes = await writeAnswer(call.response, answered);
    return answered.status;
  });
  return (req: FastifyRequest, reply: FastifyReply) => answer(parts, handle, req, reply);
}

async function answer(
  parts: HttpServerParts,
  handle: Handle<HttpCall>,
  req: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  reply.hijack();
  const call = new HttpCall(req, reply.raw);
  try {
    await handle(call);
  } catch (error) {
    await answerError(parts, error, reply.raw, call);
  }
}

/** Answers an error in the common form; an answer that has begun can only be cut off. */
async function answerError(
  parts: HttpServerParts,
  thrown: unknown,
  response: ServerResponse,
  request: Request | undefined,
): Promise<void> {
  const error = toMechaError(thrown);
  if (isUnexpected(error)) parts.log.debug(error.message, { reason: error.reason, cause: String(error.cause ?? "") });
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  try {
    await writeOutput(response, errorOutput(error, parts.appId), request?.replyHeaders);
  } catch (failure) {
    parts.log.debug("an error could not be answered", { cause: String(failure) });
    response.destroy();
  }
}

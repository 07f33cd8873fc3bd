import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { readBody } from "../../../../../sidecar/kernel/body.ts";
import type { Answer } from "../../../../../sidecar/kernel/exchange.ts";
import {
  type InvokeRequest,
  type InvokeResponse,
  InvokeResponseSchema,
} from "../../../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { AppCallback } from "../../../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { echo, startEchoApp } from "../../../../support/echo-app.ts";
import { startGrpcApp, startHttp2App, startHttpApp, unusedPort } from "../../../../support/fake-app.ts";
import { startHttpServer } from "../../../../support/http-server.ts";
import { incoming, openSidecars } from "../../../../support/invocation.ts";
import { Feed, rawCall, whole } from "../../../../support/raw-calls.ts";
import { standstill } from "../../../../support/standstill.ts";

const textOf = async ({ body }: Answer) => Buffer.from(await readBody(body)).toString();

/** A caller without an app and a callee whose app is an HTTP server of the test. */
async function callee(listener: (request: IncomingMessage, response: ServerResponse) => void) {
  const { port } = await startHttpApp(listener);
  return openSidecars({ me: { appId: "me" }, shop: { appId: "shop", appPort: port, apiToken: "s3cret" } });
}

const mirror = (request: IncomingMessage, response: ServerResponse) => {
  const { method, url, headers, socket } = request;
  response.setHeader("seen", JSON.stringify({ method, url, headers, port: socket.localPort }));
  request.pipe(response);
};
const seen = (answer: Answer) =>
  JSON.parse(String(answer.headers["seen"])) as {
    method: string;
    url: string;
    headers: Record<string, string>;
    port: number;
  };

describe("calling another app over HTTP", () => {
  it.each(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])(
    "carries the verb %s",
    async (verb) => {
      const { me } = await callee(mirror);
      const answer = await me.http(incoming("/v1.0/invoke/shop/method/x", { verb }));
      answer.body.resume();
      expect(seen(answer).method).toBe(verb);
    },
  );

  it("carries path, query, headers and body, and tells the app who calls by which way", async () => {
    const { me } = await callee(mirror);
    const headers = {
      "x-a": "1",
      "dapr-caller-app-id": "admin",
      "dapr-api-token": "mine",
      host: "localhost:3500",
      connection: "keep-alive",
    };
    const answer = await me.http(
      incoming("/v1.0/invoke/shop/method/a%2Fb?x=1&y=%26", {
        verb: "POST",
        headers: { ...headers, "content-length": "4" },
        body: Readable.from([Buffer.from("body")]),
      }),
    );
    expect(await textOf(answer)).toBe("body");
    const arrived = seen(answer);
    expect(arrived.url).toBe("/a%2Fb?x=1&y=%26");
    expect(arrived.headers).toMatchObject({
      "x-a": "1",
      "dapr-caller-app-id": "me",
      "dapr-caller-namespace": "default",
      "dapr-callee-app-id": "shop",
      "dapr-api-token": "s3cret",
      "x-forwarded-for": "10.0.0.1",
      "content-length": "4",
    });
    // Neither the host that the caller named nor that of a sidecar: apps may refuse names that are not theirs.
    expect(arrived.headers["host"]).toBe(`127.0.0.1:${arrived.port}`);
  });

  it("finds the app by header and by basic authentication too", async () => {
    const { me } = await callee(mirror);
    const byHeader = await me.http(incoming("/orders/1", { headers: { "dapr-app-id": "shop" } }));
    byHeader.body.resume();
    expect(seen(byHeader)).toMatchObject({ url: "/orders/1" });
    expect(seen(byHeader).headers["dapr-app-id"]).toBeUndefined();
    const authorization = `Basic ${Buffer.from("dapr-app-id:shop").toString("base64")}`;
    const byBasic = await me.http(incoming("/orders/2", { headers: { authorization } }));
    byBasic.body.resume();
    expect(seen(byBasic)).toMatchObject({ url: "/orders/2", headers: { authorization } });
  });

  it("passes any status, redirects among them, and headers apart", async () => {
    const { me } = await callee((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, { location: "/elsewhere", "set-cookie": ["a=1", "b=2"] }).end();
    });
    for (const status of [201, 204, 302, 304, 404, 418, 500, 503]) {
      const answer = await me.http(incoming(`/v1.0/invoke/shop/method/${status}`));
      expect(await textOf(answer)).toBe("");
      expect([answer.status, answer.headers["set-cookie"]]).toEqual([status, ["a=1", "b=2"]]);
    }
  });

  it("gives trailers through", async () => {
    const { me } = await callee((_, response) => {
      response.writeHead(200, { trailer: "checksum" });
      response.write("data");
      response.addTrailers({ checksum: "abc" });
      response.end();
    });
    const answer = await me.http(incoming("/v1.0/invoke/shop/method/x"));
    expect(await textOf(answer)).toBe("data");
    expect(answer.trailers?.()).toEqual({ checksum: "abc" });
  });

  it("streams events one by one", async () => {
    const writing = Promise.withResolvers<ServerResponse>();
    const { me } = await callee((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      writing.resolve(response);
    });
    const answer = await me.http(incoming("/v1.0/invoke/shop/method/x", { headers: { accept: "text/event-stream" } }));
    expect(answer.headers).toMatchObject({ "content-type": "text/event-stream", "cache-control": "no-cache" });
    const response = await writing.promise;
    const events = answer.body[Symbol.asyncIterator]();
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      response.write(event);
      expect(String((await events.next()).value)).toBe(event);
    }
    response.end();
    expect((await events.next()).done).toBe(true);
  });

  it("streams both ways at the same time", async () => {
    const { me } = await callee((request, response) => {
      response.writeHead(200).flushHeaders();
      request.pipe(response);
    });
    const body = new PassThrough();
    const answer = await me.http(incoming("/v1.0/invoke/shop/method/x", { verb: "POST", body }));
    const chunks = answer.body[Symbol.asyncIterator]();
    for (const word of ["one", "two"]) {
      body.write(word);
      expect(String((await chunks.next()).value)).toBe(word);
    }
    body.end();
    expect((await chunks.next()).done).toBe(true);
  });

  it("holds both ways back while nobody reads", async () => {
    const paused = Promise.withResolvers<IncomingMessage>();
    const { me } = await callee((request, response) => {
      request.pause();
      paused.resolve(request);
      request.once("end", () => response.end("done"));
    });
    let given = 0;
    const total = 64 << 20;
    const body = new Readable({
      read() {
        given += 64 * 1024;
        this.push(given <= total ? Buffer.alloc(64 * 1024) : null);
      },
    });
    const answering = me.http(incoming("/v1.0/invoke/shop/method/x", { verb: "POST", body }));
    const request = await paused.promise;
    expect(await standstill(() => given)).toBeLessThan(24 << 20);
    request.resume();
    expect(await textOf(await answering)).toBe("done");
  });

  it("aborts the app's request when the caller leaves", async () => {
    const gone = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const { me } = await callee((_, response) => {
      response.once("close", () => gone.resolve());
      arrived.resolve();
    });
    const caller = new AbortController();
    const calling = me.http(incoming("/v1.0/invoke/shop/method/x", { signal: caller.signal }));
    await arrived.promise;
    caller.abort();
    await expect(calling).rejects.toMatchObject({ reason: "canceled" });
    await gone.promise;
  });

  it("aborts the app's answer when the caller stops reading it", async () => {
    const gone = Promise.withResolvers<void>();
    const { me } = await callee((_, response) => {
      response.once("close", () => gone.resolve());
      response.writeHead(200);
      response.write("first");
    });
    const answer = await me.http(incoming("/v1.0/invoke/shop/method/x"));
    await once(answer.body, "readable");
    answer.body.destroy();
    await gone.promise;
  });

  it("breaks the answer off when the app dies in the middle of it", async () => {
    const { me } = await callee((_, response) => {
      response.writeHead(200);
      response.write("half");
      setImmediate(() => response.destroy());
    });
    const answer = await me.http(incoming("/v1.0/invoke/shop/method/x"));
    await expect(textOf(answer)).rejects.toMatchObject({ reason: "bodyUnreadable" });
  });

  it("reaches an app that speaks HTTP/2", async () => {
    const port = await startHttp2App((stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.end(`${headers[":path"]} ${headers["dapr-caller-app-id"]}`);
    });
    const { me } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: port, appProtocol: "h2c" },
    });
    expect(await textOf(await me.http(incoming("/v1.0/invoke/shop/method/x")))).toBe("/x me");
  });

  it("reaches an app that speaks gRPC, by OnInvoke", async () => {
    const onInvoke: handleUnaryCall<InvokeRequest, InvokeResponse> = ({ request: { method } }, done) => {
      if (method === "missing") done({ code: 5, details: "no such thing" });
      else
        done(null, create(InvokeResponseSchema, { data: { value: Buffer.from(method) }, contentType: "text/plain" }));
    };
    const port = await startGrpcApp([[AppCallback, { onInvoke }]]);
    const { me } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: port, appProtocol: "grpc" },
    });
    const answer = await me.http(incoming("/v1.0/invoke/shop/method/a/b"));
    expect(await textOf(answer)).toBe("a/b");
    expect(answer.headers["dapr-app-grpc-status"]).toBeUndefined();
    const missing = await me.http(incoming("/v1.0/invoke/shop/method/missing"));
    expect([missing.status, JSON.parse(await textOf(missing))]).toEqual([404, { code: 5, message: "no such thing" }]);
  });
});

describe("calling one's own app", () => {
  it("goes straight to it, and it is told who calls", async () => {
    const { port } = await startHttpApp(mirror);
    const { me } = await openSidecars({ me: { appId: "me", appPort: port } });
    const answer = await me.http(incoming("/v1.0/invoke/me.default/method/x"));
    answer.body.resume();
    expect(seen(answer).headers).toMatchObject({ "dapr-caller-app-id": "me", "dapr-callee-app-id": "me" });
    expect(seen(answer).headers["x-forwarded-for"]).toBeUndefined();
  });

  it("fails when there is none", async () => {
    const { me } = await openSidecars({ me: { appId: "me" } });
    await expect(me.http(incoming("/v1.0/invoke/me/method/x"))).rejects.toMatchObject({
      reason: "invokeFailed",
      httpStatus: 500,
    });
  });
});

describe("calling a foreign host", () => {
  it("works by URL and by name, without the app's token and without saying who calls", async () => {
    const { port } = await startHttpApp((_, response) => response.end());
    const url = await startHttpServer((request) => ({ body: JSON.stringify([request.url, request.headers]) }));
    const httpEndpoints = [
      {
        kind: "HTTPEndpoint" as const,
        name: "out",
        scopes: [],
        source: { file: "e", line: 1 },
        baseUrl: url,
        headers: [{ name: "x-key", value: "k", line: 1 }],
        neededSecrets: [],
      },
    ];
    const { me } = await openSidecars({ me: { appId: "me", appPort: port, apiToken: "s3cret", httpEndpoints } });
    for (const id of [url, encodeURIComponent(url), "out"]) {
      const [path, headers] = JSON.parse(await textOf(await me.http(incoming(`/v1.0/invoke/${id}/method/a/b?x=1`))));
      expect(path).toBe("/a/b?x=1");
      expect(headers["dapr-api-token"]).toBeUndefined();
      expect(headers["dapr-caller-app-id"]).toBeUndefined();
      expect(headers["x-forwarded-for"]).toBeUndefined();
      expect(headers["x-key"]).toBe(id === "out" ? "k" : undefined);
    }
  });
});

describe("what cannot be called", () => {
  it("is 404 when no app is named", async () => {
    const { me } = await openSidecars({ me: { appId: "me" } });
    await expect(me.http(incoming("/orders?x=1"))).rejects.toMatchObject({
      reason: "invokeNoTarget",
      httpStatus: 404,
      message: expect.stringContaining("/orders,"),
    });
  });

  it("names the apps that are known when there is no such app", async () => {
    const { me } = await openSidecars({ me: { appId: "me" } });
    await expect(me.http(incoming("/v1.0/invoke/shpo/method/x"))).rejects.toMatchObject({
      reason: "invokeNotResolved",
      httpStatus: 500,
      message: "failed to invoke, id: shpo, err: no running app has this id; known apps: me",
    });
  });

  it("is a bad request for ids and methods that are none", async () => {
    const { me } = await openSidecars({ me: { appId: "me" } });
    for (const url of [
      "/v1.0/invoke/a.b.c/method/x",
      "/v1.0/invoke/shop/method/x%3Fy",
      "/v1.0/invoke/http%3A%2F%2F/method/x",
    ]) {
      await expect(me.http(incoming(url)), url).rejects.toMatchObject({ reason: "invokeBadTarget", httpStatus: 400 });
    }
  });

  it("is told as a failure of the call when the callee's app does not answer", async () => {
    const { me } = await openSidecars({ me: { appId: "me" }, shop: { appId: "shop", appPort: await unusedPort() } });
    await expect(me.http(incoming("/v1.0/invoke/shop/method/x"))).rejects.toMatchObject({
      reason: "appUnreachable",
      httpStatus: 500,
    });
  });

  it("is forbidden by the callee's rules, over HTTP and over gRPC", async () => {
    const app = await startEchoApp();
    const policy = {
      appId: "me",
      namespace: "default",
      trustDomain: "public",
      operations: [
        { name: "/open/*", httpVerbs: ["GET"], action: "allow" as const },
        { name: echo.unary, httpVerbs: ["*"], action: "allow" as const },
      ],
    };
    const accessControl = { defaultAction: "deny" as const, trustDomain: "public", policies: [policy] };
    const { me } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: app.port, appProtocol: "grpc", accessControl },
    });
    for (const [verb, path] of [
      ["GET", "closed"],
      ["POST", "open/x"],
      ["GET", "open/..%2Fclosed"],
    ] as const) {
      const calling = me.http(incoming(`/v1.0/invoke/shop/method/${path}`, { verb }));
      await expect(calling, path).rejects.toMatchObject({ reason: "invokeDenied", httpStatus: 403 });
    }
    // The echo app has no OnInvoke: that it says so shows that the call came through.
    expect((await me.http(incoming("/v1.0/invoke/shop/method/open/x"))).status).toBe(501);
    const metadata = { "dapr-app-id": "shop" };
    expect((await whole(me.grpc(rawCall(echo.bidi, ["a"], { metadata })))).status.code).toBe(7);
    expect((await whole(me.grpc(rawCall(echo.unary, ["a"], { metadata })))).messages).toEqual(["A"]);
  });
});

describe("calling another app over gRPC", () => {
  it("may be of any kind, remote or local", async () => {
    const app = await startEchoApp();
    const { me, shop } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: app.port, appProtocol: "grpc", apiToken: "s3cret" },
    });
    for (const [proxy, caller] of [
      [me, "me"],
      [shop, "shop"],
    ] as const) {
      const run = (path: string, messages: string[]) =>
        whole(
          proxy.grpc(
            rawCall(path, messages, {
              metadata: { "dapr-app-id": "shop", "x-some-bin": "AAE=", "dapr-api-token": "mine" },
            }),
          ),
        );
      const ok = { code: 0, metadata: { "x-trailer": "t" } };
      expect(await run(echo.unary, ["hello"])).toMatchObject({
        messages: ["HELLO"],
        status: ok,
        metadata: { "x-initial": "i" },
      });
      expect(await run(echo.serverStream, ["3"])).toMatchObject({ messages: ["0", "1", "2"], status: ok });
      expect(await run(echo.clientStream, ["a", "b"])).toMatchObject({ messages: ["a+b"], status: ok });
      expect(await run(echo.bidi, ["a", "b"])).toMatchObject({ messages: ["a", "b"], status: ok });
      const metadata = app.metadata.at(-1);
      expect(metadata?.get("dapr-caller-app-id")).toEqual([caller]);
      expect(metadata?.get("dapr-callee-app-id")).toEqual(["shop"]);
      expect(metadata?.get("dapr-api-token")).toEqual(["s3cret"]);
      expect(metadata?.get("x-some-bin")).toEqual([Buffer.from([0, 1])]);
      expect(metadata?.get("dapr-app-id")).toEqual([]);
    }
  });

  it("finds the app by dapr-callee-app-id first", async () => {
    const app = await startEchoApp();
    const { me } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: app.port, appProtocol: "grpc" },
    });
    const metadata = { "dapr-callee-app-id": "shop", "dapr-app-id": "nobody" };
    expect((await whole(me.grpc(rawCall(echo.unary, ["a"], { metadata })))).messages).toEqual(["A"]);
  });

  it("streams both ways at the same time, and is cancelled at the app when its caller leaves", async () => {
    const app = await startEchoApp();
    const { me } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: app.port, appProtocol: "grpc" },
    });
    const feed = new Feed();
    const caller = new AbortController();
    const answer = me.grpc(rawCall(echo.bidi, feed, { metadata: { "dapr-app-id": "shop" }, signal: caller.signal }));
    const messages = answer.messages[Symbol.asyncIterator]();
    for (const word of ["one", "two"]) {
      feed.push(word);
      expect(Buffer.from((await messages.next()).value as Uint8Array).toString()).toBe(word);
    }
    caller.abort();
    expect((await answer.status).code).toBe(1);
    await expect.poll(() => app.cancelled).toBe(1);
  });

  it("ends with a status that says what is wrong", async () => {
    const { port } = await startHttpApp((_, response) => response.end());
    const { me } = await openSidecars({ me: { appId: "me" }, web: { appId: "web", appPort: port } });
    const statusOf = async (metadata: Record<string, string>) =>
      (await whole(me.grpc(rawCall("/s/M", ["a"], { metadata })))).status;
    expect(await statusOf({})).toMatchObject({
      code: 12,
      details: expect.stringContaining("dapr-callee-app-id or dapr-app-id"),
    });
    expect(await statusOf({ "dapr-app-id": "a.b.c" })).toMatchObject({ code: 3 });
    expect(await statusOf({ "dapr-app-id": "nobody" })).toMatchObject({ code: 13 });
    expect(await statusOf({ "dapr-app-id": "http://x" })).toMatchObject({ code: 3 });
    expect(await statusOf({ "dapr-app-id": "me" })).toMatchObject({ code: 13 });
    expect(await statusOf({ "dapr-app-id": "web" })).toMatchObject({
      code: 12,
      details: expect.stringContaining("speaks HTTP"),
    });
  });
});

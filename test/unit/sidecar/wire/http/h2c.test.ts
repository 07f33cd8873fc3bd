import { once } from "node:events";
import { createServer } from "node:http";
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { asStream, readBody } from "../../../../../sidecar/kernel/body.ts";
import type { Incoming, InvokeProxy } from "../../../../../sidecar/kernel/exchange.ts";
import { method, type Route } from "../../../../../sidecar/kernel/method.ts";
import { drain } from "../../../../../sidecar/wire/http/drain.ts";
import { acceptHttp2 } from "../../../../../sidecar/wire/http/h2c.ts";
import { listen } from "../../../../../sidecar/wire/http/listen.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { RawConnection } from "../../../../support/http-call.ts";
import { startHttpWire } from "../../../../support/wires.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

const open = (port: number): ClientHttp2Session => {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
};

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string) {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
  return { status: answer[":status"], headers: answer, text: Buffer.from(await readBody(stream)).toString() };
}

/** A method that answers with the text it was given. */
const echo = (onRun: (text: string) => void = () => {}) =>
  method(
    Dapr.method.setMetadata,
    "metadata",
    {
      verbs: ["PUT"],
      paths: ["/v1.0/metadata/:key"],
      input: (http) => ({ key: http.params["key"] ?? "", value: Buffer.from(http.body).toString() }),
      output: (_, http) => ({ status: 200, body: http.body }),
    },
    async ({ value }) => {
      onRun(value);
      return {};
    },
  );

describe("HTTP/2 in clear text", () => {
  it("is spoken on the port that speaks HTTP/1.1", async () => {
    const wire = await startHttpWire({ methods: [echo()] });
    const session = open(wire.port);
    const both = [
      ask(session, { ":method": "PUT", ":path": "/v1.0/metadata/a" }, "one"),
      ask(session, { ":method": "PUT", ":path": "/v1.0/metadata/a" }, "two"),
    ];
    expect((await Promise.all(both)).map(({ status, text }) => [status, text])).toEqual([
      [200, "one"],
      [200, "two"],
    ]);
    expect(await wire.call({ verb: "PUT", path: "/v1.0/metadata/a", body: "three" })).toMatchObject({ text: "three" });
  });

  it("has the same errors, limits and answers without content", async () => {
    const health: Route = {
      verbs: ["GET"],
      paths: ["/v1.0/healthz"],
      group: "healthz",
      run: async () => ({ status: 204 }),
    };
    const wire = await startHttpWire({ methods: [echo()], routes: [health], maxBodyBytes: 10 });
    const session = open(wire.port);
    expect(await ask(session, { ":path": "/v1.0/healthz" })).toMatchObject({ status: 204, text: "" });
    expect(await ask(session, { ":path": "/none" })).toMatchObject({ status: 404 });
    const long = await ask(session, { ":method": "PUT", ":path": "/v1.0/metadata/a" }, "a".repeat(100_000));
    expect(long).toMatchObject({ status: 400, text: expect.stringContaining("ERR_BODY_READ") });
    expect(await ask(session, { ":method": "PUT", ":path": "/v1.0/metadata/a" }, "ok")).toMatchObject({ text: "ok" });
  });

  it("hands requests to the proxy without pseudo headers and with the body they have", async () => {
    const seen: (Incoming & { text: string | undefined })[] = [];
    const proxy: InvokeProxy = {
      async http(incoming) {
        const text = incoming.body && Buffer.from(await readBody(incoming.body)).toString();
        seen.push({ ...incoming, text });
        return { status: 200, headers: {}, body: asStream(undefined) };
      },
      grpc: () => {
        throw new Error("not over gRPC");
      },
    };
    const session = open((await startHttpWire({ proxy })).port);
    await ask(session, { ":path": "/a", "x-own": "1" });
    await ask(session, { ":path": "/b", ":method": "DELETE" }, "body");
    await ask(session, { ":path": "/c", ":method": "POST", "content-length": 0 }, "");
    expect(seen.map(({ url, text }) => [url, text])).toEqual([
      ["/a", undefined],
      ["/b", "body"],
      ["/c", undefined],
    ]);
    expect(Object.keys(seen[0]?.headers ?? {})).toEqual(["x-own"]);
  });

  it("does not take a body that was cut off for a whole one", async () => {
    const ran: string[] = [];
    const wire = await startHttpWire({ methods: [echo((text) => ran.push(text))] });
    const session = open(wire.port);
    await once(session, "remoteSettings");
    for (const error of [new Error("enough"), undefined]) {
      const stream = session.request({ ":method": "PUT", ":path": "/v1.0/metadata/a" }, { endStream: false });
      stream.on("error", () => {});
      await new Promise((resolve) => stream.write("half", resolve));
      stream.destroy(error);
    }
    expect((await ask(session, { ":method": "PUT", ":path": "/v1.0/metadata/a" }, "whole")).text).toBe("whole");
    expect(ran).toEqual(["whole"]);
  });

  it("survives frames that are nonsense", async () => {
    const wire = await startHttpWire({ methods: [echo()] });
    for (const garbage of [
      Buffer.alloc(100, 0xff),
      Buffer.from([0, 0, 8, 0, 0, 0, 0, 0, 0]),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    ]) {
      await new RawConnection(wire.port).write(preface).write(settings).write(garbage).closed();
    }
    expect(await ask(open(wire.port), { ":path": "/none" })).toMatchObject({ status: 404 });
  });

  it("closes with a client who closes its side", async () => {
    const wire = await startHttpWire({ methods: [echo()] });
    const raw = new RawConnection(wire.port).write(preface).write(settings);
    raw.socket.end();
    await raw.closed();
  });

  it("is not cut when HTTP/1.1 requests that do not come on are", async () => {
    const http2 = acceptHttp2((_, response) => response.end("still here"));
    const server = createServer({ headersTimeout: 20, requestTimeout: 20, connectionsCheckingInterval: 5 });
    server.on("clientError", (error, socket) => http2.onClientError(error, socket as Socket));
    const listening = await listen(server, [{ host: "127.0.0.1", port: 0 }], (all) => drain(server, all, http2, 0));
    onTestFinished(() => listening.close());
    const session = open(listening.port as number);
    expect((await ask(session, { ":path": "/" })).text).toBe("still here");
    // Two slow ones after another: by then the older connection has been looked at.
    for (let i = 0; i < 2; i++) await new RawConnection(listening.port as number).write("GET / HTTP/1.1\r\n").closed();
    expect((await ask(session, { ":path": "/" })).text).toBe("still here");
  });

  it("answers a request that asks for an upgrade in HTTP/1.1", async () => {
    const wire = await startHttpWire({ methods: [echo()] });
    const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" };
    const raw = new RawConnection(wire.port);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    raw.write(`PUT /v1.0/metadata/a HTTP/1.1\r\nhost: a\r\n${lines.join("")}content-length: 2\r\n\r\nhi`);
    expect(await raw.until(/\r\n\r\nhi/)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("can be switched off", async () => {
    const wire = await startHttpWire({ methods: [echo()], h2c: false });
    expect(await new RawConnection(wire.port).write(preface).write(settings).closed()).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe("closing with HTTP/2 connections", () => {
  it("ends those that are idle", async () => {
    const wire = await startHttpWire({ methods: [echo()] });
    const session = open(wire.port);
    await ask(session, { ":path": "/none" });
    await Promise.all([wire.close(), once(session, "close")]);
  });

  it("waits for streams in flight", async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const slow: Route = {
      verbs: ["GET"],
      paths: ["/slow"],
      group: "x",
      async run() {
        start();
        await released;
        return { status: 200, body: "done" };
      },
    };
    const wire = await startHttpWire({ routes: [slow] });
    const reply = ask(open(wire.port), { ":path": "/slow" });
    await started;
    const closing = wire.close();
    release();
    expect(await reply).toMatchObject({ status: 200, text: "done" });
    await closing;
  });
});

import { PassThrough, type Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { openH2cTarget } from "../../../../sidecar/app-channel/h2c.ts";
import type { HttpServerTarget } from "../../../../sidecar/app-channel/http.ts";
import { readBody } from "../../../../sidecar/kernel/body.ts";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import { startHttp2App, unusedPort } from "../../../support/fake-app.ts";

let target: HttpServerTarget | undefined;
let lost = 0;
const open = (port: number): HttpServerTarget => {
  target = openH2cTarget(`127.0.0.1:${port}`, () => void lost++);
  return target;
};
afterEach(() => {
  target?.close();
  lost = 0;
});

const exchange = (part: Partial<Exchange> = {}): Exchange => ({
  verb: "GET",
  path: "",
  query: "",
  headers: {},
  body: undefined,
  signal: new AbortController().signal,
  ...part,
});
const textOf = async (body: Readable) => Buffer.from(await readBody(body)).toString();

describe("an exchange over HTTP/2 in clear text", () => {
  it("carries verb, path, query, headers and a whole body", async () => {
    const port = await startHttp2App((stream, headers) => {
      const { ":method": method, ":path": path, "x-many": many } = headers;
      stream.respond({ ":status": 201, said: JSON.stringify([method, path, many]), "set-cookie": ["a=1", "b=2"] });
      stream.pipe(stream);
    });
    const answer = await open(port).send(
      exchange({
        verb: "PUT",
        path: "a%2Fb",
        query: "x=1",
        headers: { "x-many": ["1", "2"] },
        body: Buffer.from("abc"),
      }),
    );
    expect(answer.status).toBe(201);
    expect(JSON.parse(String(answer.headers["said"]))).toEqual(["PUT", "/a%2Fb?x=1", "1, 2"]);
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(await textOf(answer.body)).toBe("abc");
  });

  it("streams both ways at the same time", async () => {
    const port = await startHttp2App((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    const body = new PassThrough();
    const answer = await open(port).send(exchange({ verb: "POST", body }));
    const chunks = answer.body[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      body.write(word);
      expect(String((await chunks.next()).value)).toBe(word);
    }
    body.end();
    expect((await chunks.next()).done).toBe(true);
  });

  it("gives trailers once the body has ended", async () => {
    const port = await startHttp2App((stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ checksum: "abc" }));
      stream.end("data");
    });
    const answer = await open(port).send(exchange());
    expect(await textOf(answer.body)).toBe("data");
    expect(answer.trailers?.()).toEqual({ checksum: "abc" });
  });

  it("breaks the answer off with an error when the app cuts the stream or the connection", async () => {
    const port = await startHttp2App((stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.write("half");
      setImmediate(() =>
        headers[":path"] === "/stream" ? stream.destroy(new Error("no")) : stream.session?.destroy(),
      );
    });
    for (const path of ["stream", "connection"]) {
      const answer = await open(port).send(exchange({ path }));
      await expect(textOf(answer.body), path).rejects.toThrow(/body cannot be read/);
    }
  });

  it("resets the stream when the caller leaves before or after the answer", async () => {
    const resets: number[] = [];
    const both = Promise.withResolvers<void>();
    const port = await startHttp2App((stream, headers) => {
      stream.once("close", () => {
        resets.push(stream.rstCode);
        if (resets.length === 2) both.resolve();
      });
      if (headers[":path"] === "/slow") return;
      stream.respond({ ":status": 200 });
      stream.write("first");
    });
    const early = new AbortController();
    const sending = open(port).send(exchange({ path: "slow", signal: early.signal }));
    setImmediate(() => early.abort(new Error("left early")));
    await expect(sending).rejects.toThrow("left early");
    const answer = await target?.send(exchange());
    answer?.body.destroy();
    await both.promise;
    expect(resets.every((code) => code !== 0)).toBe(true);
  });

  it("makes a new connection when the old one is gone, and says that it was lost", async () => {
    let end = () => {};
    const port = await startHttp2App((stream) => {
      const { session } = stream;
      end = () => session?.destroy();
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    const app = open(port);
    for (let i = 1; i <= 3; i++) {
      expect(await textOf((await app.send(exchange())).body)).toBe("ok");
      // A connection that ends before its answer has arrived may take the answer with it.
      end();
      await expect.poll(() => lost).toBe(i);
    }
  });

  it("rejects when nobody listens, and says that the app is lost", async () => {
    await expect(open(await unusedPort()).send(exchange())).rejects.toThrow("ECONNREFUSED");
    expect(lost).toBe(1);
  });
});

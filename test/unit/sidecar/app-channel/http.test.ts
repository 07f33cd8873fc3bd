import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { type HttpServerTarget, openHttpTarget } from "../../../../sidecar/app-channel/http.ts";
import { readBody } from "../../../../sidecar/kernel/body.ts";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import { server as serverCertificate } from "../../../support/certificates.ts";
import { startHttpApp, unusedPort } from "../../../support/fake-app.ts";
import { startHttpServer } from "../../../support/http-server.ts";
import { standstill } from "../../../support/standstill.ts";

let opened: HttpServerTarget[] = [];
const open = (url: string, options = {}): HttpServerTarget => {
  const target = openHttpTarget(url, options);
  opened.push(target);
  return target;
};
afterEach(() => {
  for (const target of opened) target.close();
  opened = [];
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

describe("an exchange over HTTP/1.1", () => {
  it.each(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])(
    "carries the verb %s",
    async (verb) => {
      const url = await startHttpServer((request) => ({ headers: { verb: request.method ?? "" } }));
      const answer = await open(url).send(exchange({ verb }));
      answer.body.resume();
      expect(answer.headers["verb"]).toBe(verb);
    },
  );

  it("answers HEAD without a body and keeps its headers", async () => {
    const { port } = await startHttpApp((_, response) => response.writeHead(200, { "content-length": "12" }).end());
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange({ verb: "HEAD" }));
    expect(await textOf(answer.body)).toBe("");
    expect(answer.headers["content-length"]).toBe("12");
  });

  it("sends path and query as they are, behind the path of the base URL", async () => {
    const url = await startHttpServer((request) => ({ body: request.url ?? "" }));
    const plain = await open(url).send(exchange({ path: "a%2Fb/c%20d", query: "x=1&y=%26&x=2" }));
    expect(await textOf(plain.body)).toBe("/a%2Fb/c%20d?x=1&y=%26&x=2");
    const below = await open(`${url}/base/v1`).send(exchange({ path: "orders" }));
    expect(await textOf(below.body)).toBe("/base/v1/orders");
  });

  it("passes several values of a header apart, both ways", async () => {
    const { port } = await startHttpApp((request, response) => {
      response
        .writeHead(200, { "set-cookie": ["a=1", "b=2"], seen: JSON.stringify(request.headersDistinct["x-many"]) })
        .end();
    });
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange({ headers: { "x-many": ["1", "2"] } }));
    answer.body.resume();
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(answer.headers["seen"]).toBe('["1","2"]');
  });

  it("leaves the headers of the connection out of the answer", async () => {
    const { port } = await startHttpApp((_, response) =>
      response.writeHead(200, { connection: "keep-alive, x-private", "x-private": "1", "x-public": "2" }).end("x"),
    );
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange());
    answer.body.resume();
    expect(Object.keys(answer.headers).sort()).toEqual(["date", "x-public"]);
  });

  it("answers a redirect instead of following it", async () => {
    const url = await startHttpServer(() => ({ status: 302, headers: { location: "/elsewhere" } }));
    const answer = await open(url).send(exchange());
    answer.body.resume();
    expect([answer.status, answer.headers["location"]]).toEqual([302, "/elsewhere"]);
  });

  it("overlooks informational answers", async () => {
    const { port } = await startHttpApp((_, response) => {
      response.writeProcessing();
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.writeHead(201).end("made");
    });
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange());
    expect([answer.status, await textOf(answer.body)]).toEqual([201, "made"]);
  });

  it("gives trailers once the body has ended", async () => {
    const { port } = await startHttpApp((_, response) => {
      response.writeHead(200, { trailer: "checksum" });
      response.write("data");
      response.addTrailers({ checksum: "abc" });
      response.end();
    });
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange());
    expect(await textOf(answer.body)).toBe("data");
    expect(answer.trailers?.()).toEqual({ checksum: "abc" });
  });

  it("frames a whole body by its length and a stream of unknown length by chunks", async () => {
    const url = await startHttpServer((request, body) => ({
      body: JSON.stringify([request.headers["content-length"], request.headers["transfer-encoding"], body]),
    }));
    const target = open(url);
    const whole = await target.send(
      exchange({ verb: "POST", body: Buffer.from("abc"), headers: { "content-length": "99" } }),
    );
    expect(JSON.parse(await textOf(whole.body))).toEqual(["3", null, "abc"]);
    for (const verb of ["POST", "GET", "DELETE"]) {
      const streamed = await target.send(
        exchange({ verb, body: Readable.from([Buffer.from("ab"), Buffer.from("c")]) }),
      );
      expect(JSON.parse(await textOf(streamed.body)), verb).toEqual([null, "chunked", "abc"]);
    }
    const known = await target.send(
      exchange({ verb: "PUT", body: Readable.from([Buffer.from("abc")]), headers: { "content-length": "3" } }),
    );
    expect(JSON.parse(await textOf(known.body))).toEqual(["3", null, "abc"]);
  });

  it("keeps its connection for the next exchange", async () => {
    const ports = new Set<number | undefined>();
    const url = await startHttpServer((request) => {
      ports.add(request.socket.remotePort);
      return { body: "x" };
    });
    const target = open(url);
    for (let i = 0; i < 5; i++) await textOf((await target.send(exchange())).body);
    expect(ports.size).toBe(1);
  });

  it("trusts any certificate only when it is told to", async () => {
    const url = await startHttpServer(() => ({ body: "secret" }), {
      cert: serverCertificate.certificate,
      key: serverCertificate.key,
    });
    await expect(open(url).send(exchange())).rejects.toThrow(/certificate/);
    const answer = await open(url, { tls: { anyServer: true } }).send(exchange());
    expect(await textOf(answer.body)).toBe("secret");
  });
});

describe("streaming over HTTP/1.1", () => {
  it("shows the app the request before its body is there, and the caller the answer before the request's body has ended", async () => {
    const { port } = await startHttpApp((request, response) => {
      response.writeHead(200).flushHeaders();
      request.pipe(response);
    });
    const body = new PassThrough();
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange({ verb: "POST", body }));
    const chunks = answer.body[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      body.write(word);
      expect(String((await chunks.next()).value)).toBe(word);
    }
    body.end();
    expect((await chunks.next()).done).toBe(true);
  });

  it("stops reading the caller's body while the app does not read", async () => {
    const reading = Promise.withResolvers<() => void>();
    const { port } = await startHttpApp((request, response) => {
      request.pause();
      reading.resolve(() => {
        request.resume();
        request.once("end", () => response.end("done"));
      });
    });
    let given = 0;
    const chunk = Buffer.alloc(64 * 1024);
    const total = 64 * 1024 * 1024;
    const body = new Readable({
      read() {
        given += chunk.byteLength;
        this.push(given <= total ? chunk : null);
      },
    });
    const answering = open(`http://127.0.0.1:${port}`).send(exchange({ verb: "POST", body }));
    const resume = await reading.promise;
    const stuck = await standstill(() => given);
    expect(stuck).toBeLessThan(16 * 1024 * 1024);
    resume();
    expect(await textOf((await answering).body)).toBe("done");
  });

  it("stops reading the app's answer while the caller does not read", async () => {
    let given = 0;
    const total = 64 * 1024 * 1024;
    const { port } = await startHttpApp((_, response) => {
      const chunk = Buffer.alloc(64 * 1024);
      const more = () => {
        while (given < total) {
          given += chunk.byteLength;
          if (!response.write(chunk)) return response.once("drain", more);
        }
        return response.end();
      };
      more();
    });
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange());
    expect(await standstill(() => given)).toBeLessThan(16 * 1024 * 1024);
    let received = 0;
    for await (const chunk of answer.body) received += (chunk as Buffer).byteLength;
    expect(received).toBe(total);
  });

  it("breaks the answer off with an error when the app dies in the middle of it", async () => {
    const { port } = await startHttpApp((_, response) => {
      response.writeHead(200);
      response.write("half");
      setImmediate(() => response.destroy());
    });
    const answer = await open(`http://127.0.0.1:${port}`).send(exchange());
    await expect(textOf(answer.body)).rejects.toThrow(/body cannot be read/);
  });

  it("cuts the app off when the caller's body breaks off", async () => {
    const aborted = Promise.withResolvers<void>();
    const { port } = await startHttpApp((request) => {
      request.resume();
      request.once("error", () => aborted.resolve());
    });
    const body = new PassThrough();
    body.write("half");
    const answering = open(`http://127.0.0.1:${port}`).send(exchange({ verb: "POST", body }));
    setImmediate(() => body.destroy());
    await expect(answering).rejects.toThrow("broke off");
    await aborted.promise;
  });

  it.each(["close", "keep-alive"])(
    "throws the rest of a body away when the app answers without reading it: %s",
    async (connection) => {
      const { port } = await startHttpApp((_, response) => response.writeHead(413, { connection }).end("too large"));
      const body = Readable.from(Array.from({ length: 1000 }, () => Buffer.alloc(64 * 1024)));
      const ended = once(body, "end");
      const answer = await open(`http://127.0.0.1:${port}`).send(exchange({ verb: "POST", body }));
      expect(answer.status).toBe(413);
      answer.body.on("error", () => {}).resume();
      await ended;
    },
  );
});

describe("an exchange that fails", () => {
  it("rejects when nobody listens, and says that the app is lost", async () => {
    let lost = 0;
    const target = open(`http://127.0.0.1:${await unusedPort()}`, { onLost: () => void lost++ });
    await expect(target.send(exchange())).rejects.toThrow("ECONNREFUSED");
    await expect.poll(() => lost).toBe(1);
  });

  it("is cancelled with the signal's reason before the answer, and cuts the answer off after it", async () => {
    const closed: Promise<unknown>[] = [];
    const { port } = await startHttpApp((request, response) => {
      closed.push(once(response, "close"));
      if (request.url === "/slow") return;
      response.writeHead(200);
      response.write("first");
    });
    const target = open(`http://127.0.0.1:${port}`);
    const early = new AbortController();
    const sending = target.send(exchange({ path: "slow", signal: early.signal }));
    setImmediate(() => early.abort(new Error("left early")));
    await expect(sending).rejects.toThrow("left early");
    const late = new AbortController();
    const answer = await target.send(exchange({ signal: late.signal }));
    late.abort(new Error("left late"));
    await expect(textOf(answer.body)).rejects.toThrow("left late");
    await Promise.all(closed);
  });

  it("does not start when the caller has already left", async () => {
    await expect(
      open("http://127.0.0.1:1").send(exchange({ signal: AbortSignal.abort(new Error("gone")) })),
    ).rejects.toThrow("gone");
  });

  it("is sent once more when a kept connection was closed under it, unless it cannot be repeated", async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      const nth = ++connections;
      let requests = 0;
      socket.on("error", () => {});
      socket.on("data", () => {
        // The first connection answers one request and dies under the second, as one that is being closed does.
        if (++requests > 1 && nth === 1) return socket.destroy();
        return socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const target = open(url);
    await textOf((await target.send(exchange())).body);
    const again = await target.send(exchange());
    expect(await textOf(again.body)).toBe("ok");
    expect(connections).toBe(2);

    connections = 0;
    const other = open(url);
    await textOf((await other.send(exchange())).body);
    await expect(other.send(exchange({ verb: "POST", body: Buffer.from("x") }))).rejects.toThrow();
    server.close();
  });
});

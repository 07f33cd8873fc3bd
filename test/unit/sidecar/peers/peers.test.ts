import { once } from "node:events";
import { connect } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { readBody } from "../../../../sidecar/kernel/body.ts";
import { systemClock } from "../../../../sidecar/kernel/clock.ts";
import type { Answer, Exchange, HttpTarget } from "../../../../sidecar/kernel/exchange.ts";
import type { Caller } from "../../../../sidecar/kernel/peer.ts";
import { failedAnswer } from "../../../../sidecar/kernel/status.ts";
import { PeerClient } from "../../../../sidecar/peers/client.ts";
import { openPeerServer } from "../../../../sidecar/peers/server.ts";
import { fail } from "../../../../specs/errors.ts";
import { unusedPort } from "../../../support/fake-app.ts";
import { standstill } from "../../../support/standstill.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Two ends of one connection: what the peer's sidecar does is given, the target is ours. */
async function connected(receive: (exchange: Exchange, caller: Caller | undefined) => Promise<Answer>) {
  const server = await openPeerServer({
    address: "127.0.0.1",
    port: 0,
    receive: { receiveHttp: receive, receiveGrpc: () => failedAnswer(fail("unimplemented", { what: "gRPC" })) },
    maxBodyBytes: 4 << 20,
    log: silent,
  });
  const client = new PeerClient(systemClock);
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  let lost = 0;
  const target: HttpTarget = client.target("callee", `127.0.0.1:${server.port}`, () => void lost++);
  return { target, server, client, lost: () => lost };
}

const exchange = (part: Partial<Exchange> = {}): Exchange => ({
  verb: "GET",
  path: "",
  query: "",
  headers: {},
  body: undefined,
  signal: new AbortController().signal,
  ...part,
});
const answer = (body: Readable | string = "", part: Partial<Answer> = {}): Answer => ({
  status: 200,
  headers: {},
  body: typeof body === "string" ? Readable.from(body ? [Buffer.from(body)] : [], { objectMode: false }) : body,
  ...part,
});
const textOf = async (body: Readable) => Buffer.from(await readBody(body)).toString();

describe("an exchange between sidecars", () => {
  it.each(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])(
    "carries the verb %s",
    async (verb) => {
      const { target } = await connected(async (got) => answer(got.verb));
      expect(await textOf((await target.send(exchange({ verb }))).body)).toBe(verb);
    },
  );

  it("carries path, query, headers, status and body as they are", async () => {
    let got: Exchange | undefined;
    const { target } = await connected(async (arrived) => {
      got = arrived;
      return answer("answer", { status: 418, headers: { "set-cookie": ["a=1", "b=2"], "x-one": "1" } });
    });
    const sent = { "x-many": ["1", "2"], cookie: "a=1; b=2", "x-latin": "gr\u00fc\u00dfe" };
    const back = await target.send(
      exchange({ verb: "POST", path: "a%2Fb//c", query: "x=1&y=%26", headers: sent, body: Buffer.from("body") }),
    );
    expect(got).toMatchObject({ verb: "POST", path: "a%2Fb//c", query: "x=1&y=%26", headers: sent });
    expect(await textOf(Readable.from([await readBody(got?.body)]))).toBe("body");
    expect(back).toMatchObject({ status: 418, headers: { "set-cookie": ["a=1", "b=2"], "x-one": "1" } });
    expect(await textOf(back.body)).toBe("answer");
  });

  it("has no body where none was sent, and a whole one where its length is small and known", async () => {
    const bodies: unknown[] = [];
    const { target } = await connected(async ({ body }) => {
      bodies.push(body);
      if (body instanceof Readable) body.resume();
      return answer();
    });
    const small = { "content-length": "3" };
    for (const part of [
      {},
      { body: Buffer.from("abc"), headers: small },
      { body: Readable.from([Buffer.from("abc")]) },
    ]) {
      (await target.send(exchange({ verb: "POST", ...part }))).body.resume();
    }
    expect(bodies[0]).toBeUndefined();
    expect(Buffer.from(bodies[1] as Uint8Array).toString()).toBe("abc");
    expect(bodies[2]).toBeInstanceOf(Readable);
  });

  it.each([204, 304])("answers %i without a body", async (status) => {
    const { target } = await connected(async () => answer("", { status, trailers: () => undefined }));
    const back = await target.send(exchange());
    expect([back.status, await textOf(back.body)]).toEqual([status, ""]);
  });

  it("answers HEAD without a body and keeps its length", async () => {
    const { target } = await connected(async () =>
      answer("", { headers: { "content-length": "12" }, trailers: () => undefined }),
    );
    const back = await target.send(exchange({ verb: "HEAD" }));
    expect([back.headers["content-length"], await textOf(back.body)]).toEqual(["12", ""]);
  });

  it("gives trailers once the body has ended", async () => {
    const { target } = await connected(async () => answer("data", { trailers: () => ({ checksum: "abc" }) }));
    const back = await target.send(exchange());
    expect(await textOf(back.body)).toBe("data");
    expect(back.trailers?.()).toEqual({ checksum: "abc" });
  });

  it("says who calls, by the caller's own word", async () => {
    const callers: (Caller | undefined)[] = [];
    const { target } = await connected(async (_, caller) => {
      callers.push(caller);
      return answer();
    });
    const headers = { "dapr-caller-app-id": "shop", "dapr-caller-namespace": "prod" };
    (await target.send(exchange({ headers }))).body.resume();
    (await target.send(exchange())).body.resume();
    expect(callers).toEqual([{ appId: "shop", namespace: "prod" }, undefined]);
  });
});

describe("streaming between sidecars", () => {
  it("goes both ways at the same time, each part at once", async () => {
    const { target } = await connected(async ({ body }) => answer(body as Readable));
    const body = new PassThrough();
    const back = await target.send(exchange({ verb: "POST", body }));
    const chunks = back.body[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      body.write(word);
      expect(String((await chunks.next()).value)).toBe(word);
    }
    body.end();
    expect((await chunks.next()).done).toBe(true);
  });

  it("stops at both ends while nobody reads", async () => {
    const endless = () => {
      const counter = { given: 0 };
      const body = new Readable({
        read() {
          counter.given += 64 * 1024;
          this.push(counter.given <= 64 << 20 ? Buffer.alloc(64 * 1024) : null);
        },
      });
      return { counter, body };
    };
    const up = endless();
    const down = endless();
    let arrived: Readable | undefined;
    const { target } = await connected(async ({ body }) => {
      arrived = body as Readable;
      return answer(down.body);
    });
    const back = await target.send(exchange({ verb: "POST", body: up.body }));
    expect(await standstill(() => up.counter.given)).toBeLessThan(16 << 20);
    expect(await standstill(() => down.counter.given)).toBeLessThan(16 << 20);
    arrived?.resume();
    await expect.poll(() => up.counter.given).toBeGreaterThan(64 << 20);
    let received = 0;
    for await (const chunk of back.body) received += (chunk as Buffer).byteLength;
    expect(received).toBe(64 << 20);
  });

  it("breaks an answer off when the app's answer broke off, and does not let it look complete", async () => {
    const { target } = await connected(async () => {
      const body = new PassThrough();
      body.write("half");
      setImmediate(() => body.destroy(new Error("the app died")));
      return answer(body);
    });
    const back = await target.send(exchange());
    await expect(textOf(back.body)).rejects.toMatchObject({ reason: "bodyUnreadable" });
  });

  it("breaks an answer off when the peer goes down in the middle of it", async () => {
    const { target, client } = await connected(async () => {
      const body = new PassThrough();
      body.write("half");
      return answer(body);
    });
    const back = await target.send(exchange());
    setImmediate(() => client.close());
    await expect(textOf(back.body)).rejects.toMatchObject({ reason: "bodyUnreadable" });
  });

  it("aborts the peer's call when the caller leaves before or during the answer", async () => {
    const aborted: Promise<unknown>[] = [];
    const bodies: PassThrough[] = [];
    const { target } = await connected(async ({ path, signal }) => {
      const gone = once(signal, "abort");
      aborted.push(gone);
      if (path === "slow") await gone;
      const body = new PassThrough();
      bodies.push(body);
      body.write("first");
      return answer(body);
    });
    const early = new AbortController();
    const sending = target.send(exchange({ path: "slow", signal: early.signal }));
    await expect.poll(() => aborted.length).toBe(1);
    early.abort();
    await expect(sending).rejects.toMatchObject({ reason: "canceled" });
    const back = await target.send(exchange());
    back.body.destroy();
    await Promise.all(aborted);
    await expect.poll(() => bodies.every((body) => body.destroyed)).toBe(true);
  });

  it("cuts the peer's call off when the caller's body breaks off, and does not let it look complete", async () => {
    const ended = Promise.withResolvers<string>();
    const body = new PassThrough();
    const { target } = await connected(async ({ body: arrived }) => {
      body.destroy();
      readBody(arrived).then(
        () => ended.resolve("complete"),
        () => ended.resolve("broken"),
      );
      await ended.promise;
      return answer();
    });
    body.write("half");
    const sending = target.send(exchange({ verb: "POST", body })).catch(() => "rejected");
    expect(await ended.promise).toBe("broken");
    expect(await sending).toBe("rejected");
  });

  it("lets the peer answer without reading the body", async () => {
    const { target } = await connected(async () => answer("too large", { status: 413 }));
    const body = Readable.from(Array.from({ length: 200 }, () => Buffer.alloc(64 * 1024)));
    const back = await target.send(exchange({ verb: "POST", body }));
    expect([back.status, await textOf(back.body)]).toEqual([413, "too large"]);
  });
});

describe("failures between sidecars", () => {
  it("arrive as they were thrown, apart from anything an app answers", async () => {
    const { target, lost } = await connected(async ({ path }) => {
      if (path === "denied") throw fail("invokeDenied", { id: "shop", operation: "/x" });
      if (path === "strange") throw new Error("boom");
      return answer("mine", { status: 403, headers: { "mecha-failure": "invokeDenied" } });
    });
    await expect(target.send(exchange({ path: "denied" }))).rejects.toMatchObject({
      reason: "invokeDenied",
      params: { id: "shop", operation: "/x" },
    });
    await expect(target.send(exchange({ path: "strange" }))).rejects.toMatchObject({
      reason: "internal",
      message: "boom",
    });
    const back = await target.send(exchange());
    expect([back.status, await textOf(back.body)]).toEqual([403, "mine"]);
    expect(lost()).toBe(0);
  });

  it("are unavailable when nobody listens, and tell that the address is lost", async () => {
    const client = new PeerClient(systemClock);
    onTestFinished(() => client.close());
    let lost = 0;
    const target = client.target("callee", `127.0.0.1:${await unusedPort()}`, () => void lost++);
    await expect(target.send(exchange())).rejects.toMatchObject({
      reason: "peerUnreachable",
      grpcCode: 14,
      httpStatus: 500,
    });
    expect(lost).toBe(1);
  });

  it("of headers that HTTP cannot carry are the caller's", async () => {
    const { target, lost } = await connected(async () => answer());
    await expect(target.send(exchange({ headers: { "x-bad": "a\nb" } }))).rejects.toMatchObject({
      reason: "badRequest",
    });
    expect(lost()).toBe(0);
  });

  it("do not outlive a restart of the peer", async () => {
    const first = await connected(async () => answer("first"));
    expect(await textOf((await first.target.send(exchange())).body)).toBe("first");
    await first.server.close();
    const receive = { receiveHttp: async () => answer("second"), receiveGrpc: () => failedAnswer(new Error("no")) };
    const second = await openPeerServer({
      address: "127.0.0.1",
      port: first.server.port,
      receive,
      maxBodyBytes: 1,
      log: silent,
    });
    onTestFinished(() => second.close());
    expect(await textOf((await first.target.send(exchange())).body)).toBe("second");
  });
});

describe("closing the listener", () => {
  it("lets a call in flight end and takes no new one", async () => {
    const go = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const { target, server } = await connected(async () => {
      entered.resolve();
      await go.promise;
      return answer("done");
    });
    const sending = target.send(exchange());
    await entered.promise;
    const closing = server.close();
    await expect(target.send(exchange())).rejects.toMatchObject({ reason: "peerUnreachable" });
    go.resolve();
    expect(await textOf((await sending).body)).toBe("done");
    await closing;
    await server.close();
  });

  it("does not wait for connections that say nothing, and lets go of those that have left", async () => {
    const { server } = await connected(async () => answer());
    const left = connect(server.port, "127.0.0.1");
    await once(left, "connect");
    const gone = once(left, "close");
    // The listener closes its side as well: a probe leaves nothing behind.
    left.end();
    await gone;
    const silent = connect(server.port, "127.0.0.1");
    await once(silent, "connect");
    const cut = once(silent, "close");
    silent.on("error", () => {});
    await server.close();
    await cut;
  });

  it("rejects when the port is taken", async () => {
    const { server } = await connected(async () => answer());
    const receive = { receiveHttp: async () => answer(), receiveGrpc: () => failedAnswer(new Error("no")) };
    await expect(
      openPeerServer({ address: "127.0.0.1", port: server.port, receive, maxBodyBytes: 1, log: silent }),
    ).rejects.toThrow("EADDRINUSE");
  });
});

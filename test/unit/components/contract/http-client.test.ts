import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { HttpClient, type HttpClientOptions } from "../../../../components/contract/http-client.ts";
import { authority, server as serverPair } from "../../../support/certificates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Answer, startHttpServer } from "../../../support/http-server.ts";

function opened(options: Partial<HttpClientOptions> = {}) {
  const clock = new FakeClock();
  const client = new HttpClient({ clock, timeoutMs: 1000, maxBytes: 100, ...options });
  onTestFinished(() => client.close());
  return { client, clock };
}

const get = (url: string) => ({ method: "GET", url: new URL(url) });
const silent: Answer = () => undefined;

test("an answer is read whole, whatever its status", async () => {
  const { client, clock } = opened();
  const url = await startHttpServer(({ method, headers }, body) => ({
    status: 404,
    headers: { "x-a": "1" },
    body: `${method} ${headers["content-length"]} ${body}`,
  }));
  const answer = await client.send({ method: "POST", url: new URL(url), body: "é" });
  expect({ ...answer, body: String(answer.body) }).toMatchObject({
    status: 404,
    headers: { "x-a": "1" },
    body: "POST 2 é",
  });
  expect(clock.pending).toBe(0);
});

test("an answer longer than the limit is refused", async () => {
  const { client } = opened();
  const url = await startHttpServer(() => ({ body: "x".repeat(101) }));
  await expect(client.send(get(url))).rejects.toThrow("the answer is longer than 100 bytes");
});

test("a wait ends with the caller's signal, with the limit, and with the client", async () => {
  const { client, clock } = opened();
  const url = await startHttpServer(silent);
  const caller = new AbortController();
  const left = client.send(get(url), caller.signal);
  caller.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  await expect(client.send(get(url), caller.signal)).rejects.toThrow("gone");
  const late = client.send(get(url));
  late.catch(() => {});
  await clock.advance(1000);
  await expect(late).rejects.toMatchObject({ code: "ETIMEDOUT", message: "no answer within 1000 ms" });
  const patient = client.send({ ...get(url), timeoutMs: 5000 });
  patient.catch(() => {});
  await clock.advance(4999);
  client.close();
  await expect(patient).rejects.toThrow("the component is closed");
  await expect(client.send(get(url))).rejects.toThrow("the component is closed");
});

/** A server that answers the first request of a connection, and then ends it at the second. */
async function startForgetfulServer() {
  let requests = 0;
  const seen = new WeakSet<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {
      requests += 1;
      if (seen.has(socket)) return void socket.resetAndDestroy();
      seen.add(socket);
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests: () => requests };
}

test("a connection that died while it was idle is replaced for requests that may be repeated, and only for those", async () => {
  const { client } = opened();
  const { url, requests } = await startForgetfulServer();
  await client.send(get(url));
  expect((await client.send(get(url))).status).toBe(200);
  expect(requests()).toBe(3);
  await expect(client.send({ method: "POST", url: new URL(url) })).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(requests()).toBe(4);
});

test("a stream comes as it is sent, past the limit of time, until its signal aborts", async () => {
  const { client, clock } = opened();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
      socket.on("data", () => {});
    });
    onTestFinished(() => void socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const reader = new AbortController();
  const { body } = await client.stream(
    get(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    reader.signal,
  );
  const chunks = body[Symbol.asyncIterator]();
  expect(String((await chunks.next()).value)).toBe("one");
  await clock.advance(10_000);
  const next = chunks.next();
  reader.abort(new Error("enough"));
  await expect(next).rejects.toThrow();
});

test("a server of one's own authority is trusted when it is given, and under the name that is asked for", async () => {
  const url = await startHttpServer(() => ({ body: "ok" }), { cert: serverPair.certificate, key: serverPair.key });
  const ask = (tls: HttpClientOptions["tls"]) => opened(tls ? { tls } : {}).client.send(get(url));
  await expect(ask(undefined)).rejects.toMatchObject({ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
  await expect(ask({ ca: authority.certificate, serverName: "other" })).rejects.toMatchObject({
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
  expect((await ask({ ca: authority.certificate })).status).toBe(200);
  expect((await ask({ insecure: true })).status).toBe(200);
});

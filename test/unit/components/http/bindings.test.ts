import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import http from "../../../../components/http/bindings.ts";
import { authority, client, server } from "../../../support/certificates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { type Answer, startHttpServer } from "../../../support/http-server.ts";
import { type Given, KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

async function opened(answer: Answer, settings: Given = {}, path = "") {
  const seen: { request: IncomingMessage; body: string }[] = [];
  const url = await startHttpServer((request, body) => {
    seen.push({ request, body });
    return answer(request, body);
  });
  const clock = new FakeClock();
  const log = new KeptLog();
  const binding = await openDriver(http, { url: url + path, ...settings }, openContext({ clock, log }));
  const invoke = async (operation: string, metadata: Record<string, string> = {}, data = "", signal?: AbortSignal) =>
    binding.invoke?.({ operation, metadata, data: Buffer.from(data) }, { signal });
  return { invoke, seen, clock, log };
}

const ok: Answer = () => ({ body: "fine" });

test.each([
  ["create", "POST", "data"],
  ["post", "POST", "data"],
  ["put", "PUT", "data"],
  ["patch", "PATCH", "data"],
  ["delete", "DELETE", "data"],
  ["get", "GET", ""],
  ["head", "HEAD", ""],
  ["options", "OPTIONS", ""],
  ["trace", "TRACE", ""],
])("operation %s is sent as %s", async (operation, verb, body) => {
  const { invoke, seen } = await opened(ok);
  await invoke(operation, {}, "data");
  expect([seen[0]?.request.method, seen[0]?.body]).toEqual([verb, body]);
});

test.each([
  ["/base", "/users", "/base/users"],
  ["/base/", "users/7?full=true", "/base/users/7?full=true"],
  ["", "a b", "/a%20b"],
  ["/base?key=1", "users", "/base/users?key=1"],
  ["/base", "", "/base"],
])("the path is put after the url: %j and %j give %j", async (base, path, expected) => {
  const { invoke, seen } = await opened(ok, {}, base);
  await invoke("get", path ? { path } : {});
  expect(seen[0]?.request.url).toBe(expected);
});

test.each(["../other", "a/../../other", "%2e%2e/other"])("the path %j does not lead out of the url", async (path) => {
  const { invoke, seen } = await opened(ok, {}, "/base");
  await expect(invoke("get", { path })).rejects.toThrow(/must stay below/);
  expect(seen).toEqual([]);
});

test("metadata whose name starts with a capital is sent as a header, and trace context as it is", async () => {
  const { invoke, seen } = await opened(ok);
  await invoke("post", { "X-One": "1", Accept: "text/plain", traceparent: "00-a-b-01", other: "no" }, "{}");
  expect(seen[0]?.request.headers).toMatchObject({
    "x-one": "1",
    accept: "text/plain",
    "content-type": "application/json; charset=utf-8",
    traceparent: "00-a-b-01",
  });
  expect(seen[0]?.request.headers).not.toHaveProperty("other");
});

test("the type of a body is JSON unless it is given, and there is none without a body", async () => {
  const { invoke, seen } = await opened(ok);
  await invoke("post", { "Content-Type": "text/csv" }, "a,b");
  await invoke("get");
  expect(seen[0]?.request.headers["content-type"]).toBe("text/csv");
  expect(seen[1]?.request.headers["content-type"]).toBeUndefined();
  expect(seen[1]?.request.headers["accept"]).toBe("application/json; charset=utf-8");
});

test("the answer carries status and headers", async () => {
  const { invoke } = await opened(() => ({ status: 201, headers: { "x-a": ["1", "2"], etag: "e" }, body: "made" }));
  const answer = await invoke("post", {}, "{}");
  expect(Buffer.from(answer?.data ?? []).toString()).toBe("made");
  expect(answer?.metadata).toMatchObject({ statusCode: "201", status: "201 Created", "X-A": "1, 2", Etag: "e" });
});

test("a status outside 2xx is an error that still carries the answer", async () => {
  const { invoke } = await opened(() => ({ status: 404, headers: { "x-a": "1" }, body: "no" }));
  const error = await invoke("get").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    reason: "bindingFailed",
    params: { answer: { metadata: { statusCode: "404", "X-A": "1" } } },
  });
  expect(String(error)).toContain("received status code 404");
});

test("such a status is an answer when setting or metadata say so, metadata first", async () => {
  const lenient = await opened(() => ({ status: 500, body: "no" }), { errorIfNot2XX: false });
  expect((await lenient.invoke("get"))?.metadata?.["statusCode"]).toBe("500");
  await expect(lenient.invoke("get", { errorIfNot2XX: "true" })).rejects.toThrow(/500/);
  const strict = await opened(() => ({ status: 500 }));
  expect((await strict.invoke("get", { errorIfNot2XX: "false" }))?.metadata?.["status"]).toBe(
    "500 Internal Server Error",
  );
});

test("an answer longer than the limit is refused", async () => {
  const { invoke } = await opened(() => ({ body: "x".repeat(1000) }), { maxResponseBodySize: 999 });
  await expect(invoke("get")).rejects.toThrow(/longer than maxResponseBodySize, 999 bytes/);
  const wide = await opened(() => ({ body: "x".repeat(1000) }), { maxResponseBodySize: 1000 });
  expect((await wide.invoke("get"))?.data).toHaveLength(1000);
});

test("a server that does not answer in time is given up", async () => {
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { invoke, clock } = await opened(() => void arrived(), { responseTimeout: 2000 });
  const answer = invoke("get").catch((thrown: unknown) => thrown);
  await arrival;
  await clock.advance(2000);
  expect(await answer).toMatchObject({ reason: "deadlineExceeded", params: { ms: 2000 } });
});

test("a caller that leaves ends the request", async () => {
  const leave = new AbortController();
  const { invoke } = await opened(() => void leave.abort(new Error("gone")));
  await expect(invoke("get", {}, "", leave.signal)).rejects.toThrow("gone");
});

test("a server that is not there is unavailable", async () => {
  const binding = await openDriver(http, { url: "http://127.0.0.1:1" });
  const answer = binding.invoke?.({ operation: "get", metadata: {}, data: Buffer.alloc(0) }, {});
  await expect(answer).rejects.toMatchObject({ reason: "backendUnavailable" });
});

test("the token goes in its header, and not to another origin when redirected", async () => {
  const elsewhere: IncomingMessage[] = [];
  const other = await startHttpServer((request) => {
    elsewhere.push(request);
    return { body: "elsewhere" };
  });
  const settings = { securityToken: "t0ken", securityTokenHeader: "X-Token" };
  const { invoke, seen } = await opened(
    ({ url }) =>
      url === "/here" ? { body: "here" } : { status: 302, headers: { location: url === "/a" ? "/here" : other } },
    settings,
  );
  expect(Buffer.from((await invoke("post", { path: "a" }, "x"))?.data ?? []).toString()).toBe("here");
  expect(seen.map(({ request }) => [request.method, request.headers["x-token"]])).toEqual([
    ["POST", "t0ken"],
    ["GET", "t0ken"],
  ]);
  expect(Buffer.from((await invoke("get", { path: "b" }))?.data ?? []).toString()).toBe("elsewhere");
  expect(elsewhere[0]?.headers["x-token"]).toBeUndefined();
});

test("a redirect that keeps its method keeps its body, and a circle of them ends", async () => {
  const { invoke, seen } = await opened(({ url }) =>
    url === "/end" ? { body: "end" } : { status: 307, headers: { location: url === "/once" ? "/end" : "/circle" } },
  );
  await invoke("put", { path: "once" }, "body");
  expect(seen.at(-1)).toMatchObject({ body: "body", request: { method: "PUT", url: "/end" } });
  await expect(invoke("get", { path: "circle" })).rejects.toThrow(/10 redirects/);
});

test("the name and password in the url are sent as basic authentication", async () => {
  const seen: IncomingMessage[] = [];
  const server = await startHttpServer((request) => (seen.push(request) ? {} : undefined));
  const binding = await openDriver(http, { url: server.replace("//", "//user:p%40ss@") });
  await binding.invoke?.({ operation: "get", metadata: {}, data: Buffer.alloc(0) }, {});
  expect(seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from("user:p@ss").toString("base64")}`);
});

test("half of a pair of settings is told", async () => {
  const { log } = await opened(ok, { securityToken: "t0ken" });
  expect(log.lines.join()).toMatch(/belong together/);
  expect(log.lines.join()).not.toContain("t0ken");
  const context = openContext();
  await expect(openDriver(http, { url: "https://x", MTLSClientCert: "-----BEGIN" }, context)).rejects.toThrow(
    /both or neither/,
  );
  await expect(openDriver(http, { url: "https://x", MTLSRootCA: "/nowhere.pem" }, context)).rejects.toThrow(
    /MTLSRootCA/,
  );
  await expect(openDriver(http, { url: "example.com" }, context)).rejects.toThrow(/url must start with/);
});

test("a client certificate is shown and the server's authority is checked", async () => {
  const tls = {
    cert: server.certificate,
    key: server.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: false,
  };
  const url = await startHttpServer(({ socket }) => {
    const { authorized } = socket as TLSSocket;
    return { body: authorized ? "known" : "unknown" };
  }, tls);
  const ask = async (settings: Given) => {
    const binding = await openDriver(http, { url, ...settings });
    const answer = await binding.invoke?.({ operation: "get", metadata: {}, data: Buffer.alloc(0) }, {});
    return Buffer.from(answer?.data ?? []).toString();
  };
  const keyFile = join(tempFolder({ "client.key": client.key }), "client.key");
  const MTLSRootCA = authority.certificate;
  expect(await ask({ MTLSRootCA, MTLSClientCert: client.certificate, MTLSClientKey: keyFile })).toBe("known");
  expect(await ask({ MTLSRootCA, MTLSRenegotiation: "RenegotiateFreelyAsClient" })).toBe("unknown");
  await expect(ask({})).rejects.toMatchObject({ reason: "backendUnavailable" });
});

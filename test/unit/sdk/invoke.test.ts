import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { InvokeServiceRequest } from "../../../specs/gen/dapr/proto/runtime/v1/invoke_pb.js";
import { ErrorInfoSchema } from "../../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../../specs/gen/google/rpc/status_pb.js";
import { type GrpcSeen, type HttpSeen, noGrpc, startFakeSidecar, transports } from "./fake-sidecar.ts";

/** What an app would see of a call, whichever way it came. */
function heard(http: HttpSeen | undefined, grpc: GrpcSeen | undefined) {
  if (http) {
    const [verb, path] = http.line.split(" ");
    const { "content-type": contentType, "x-tenant": tenant } = http.headers;
    return { verb, path, contentType, tenant, body: String(http.body) };
  }
  if (!grpc) throw new Error("nobody called");
  const { id, message } = grpc.message as InvokeServiceRequest;
  const verbs = ["NONE", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
  const { querystring = "", verb = 0 } = message?.httpExtension ?? {};
  const path = `/v1.0/invoke/${id}/method/${encodeURI(message?.method ?? "")}${querystring && `?${querystring}`}`;
  const contentType = message?.contentType || undefined;
  const tenant = grpc.metadata.get("x-tenant")[0];
  return { verb: verbs[verb], path, contentType, tenant, body: String(Buffer.from(message?.data?.value ?? [])) };
}

const startShop = () =>
  startFakeSidecar(
    () => ({ status: 201, headers: { "content-type": "application/json", "x-kind": "fruit" }, body: '{"id":1}' }),
    ({ headers }) => {
      headers({ "dapr-http-status": "201", "dapr-content-type": "application/json", "x-kind": "fruit" });
      return { data: { value: Buffer.from('{"id":1}') }, contentType: "application/json" };
    },
  );

/** The gRPC error by which the sidecar tells what the app said. */
function appFailure(code: number, reason: string, status: number, body: string) {
  const info = create(ErrorInfoSchema, {
    ...{ reason, domain: "dapr.io" },
    metadata: { "http.code": String(status), "http.error_message": body },
  });
  const message = create(StatusSchema, { code, message: reason, details: [anyPack(ErrorInfoSchema, info)] });
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, message)));
  return { code, details: reason, metadata };
}

async function* pieces(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe.each(transports)("invoking over %s", (transport) => {
  test("sends JSON and gives status, headers and body", async () => {
    const sidecar = await startShop();
    const response = await sidecar.client(transport).invoke("shop", "/orders/a b", {
      ...{ body: { item: "apple" }, query: { notify: "a&b" }, headers: { "x-tenant": "1" } },
    });
    expect(response.status).toBe(201);
    expect(response.headers).toMatchObject({ "content-type": "application/json", "x-kind": "fruit" });
    expect(await response.json()).toEqual({ id: 1 });
    expect(heard(sidecar.http[0], sidecar.grpc[0])).toEqual({
      ...{ verb: "POST", path: "/v1.0/invoke/shop/method/orders/a%20b?notify=a%26b", tenant: "1" },
      ...{ contentType: "application/json", body: '{"item":"apple"}' },
    });
  });

  test.each([
    ["a get without a body", {}, "GET", undefined, ""],
    ["any verb", { verb: "patch", body: "text" }, "PATCH", "text/plain", "text"],
    ["bytes", { body: Buffer.from("raw") }, "POST", "application/octet-stream", "raw"],
    ["a type of one's own", { body: "<a/>", contentType: "application/xml" }, "POST", "application/xml", "<a/>"],
  ] as const)("sends %s", async (_, options, verb, contentType, body) => {
    const sidecar = await startShop();
    await sidecar
      .client(transport)
      .invoke("shop", "orders?x=1", { ...options, query: new URLSearchParams({ y: "2" }) });
    const path = "/v1.0/invoke/shop/method/orders?x=1&y=2";
    expect(heard(sidecar.http[0], sidecar.grpc[0])).toMatchObject({ verb, path, contentType, body });
  });

  test("sends a body piece by piece", async () => {
    const sidecar = await startShop();
    const response = await sidecar.client(transport).invoke("shop", "orders", { body: pieces("a", "b", "c") });
    expect(await response.text()).toBe('{"id":1}');
    expect(heard(sidecar.http[0], sidecar.grpc[0])).toMatchObject({
      body: "abc",
      contentType: "application/octet-stream",
    });
  });

  test("rejects with what the app refused", async () => {
    const body = '{"message":"no such order"}';
    const sidecar = await startFakeSidecar(
      () => ({ status: 404, body }),
      () => appFailure(5, "Not Found", 404, body),
    );
    await expect(sidecar.client(transport).invoke("shop", "orders/1")).rejects.toMatchObject({
      ...{ code: "not_found", reason: "", httpStatus: 404, retryable: false, message: "no such order" },
      body: Buffer.from(body),
    });
  });

  test("names app and call when the app says nothing", async () => {
    const sidecar = await startFakeSidecar(
      () => ({ status: 500 }),
      () => appFailure(2, "Internal Server Error", 500, ""),
    );
    await expect(sidecar.client(transport).invoke("shop", "orders/1", { verb: "DELETE" })).rejects.toMatchObject({
      ...{ code: "internal", httpStatus: 500, message: "app shop refused DELETE orders/1: status 500" },
    });
  });

  test("gives undefined for an empty body that should be JSON", async () => {
    const sidecar = await startFakeSidecar(
      () => ({ status: 204 }),
      () => ({}),
    );
    const response = await sidecar.client(transport).invoke("shop", "orders");
    expect(await response.json<undefined>()).toBeUndefined();
  });
});

test("over HTTP the body is read as it arrives", async () => {
  const more = Promise.withResolvers<void>();
  const sidecar = await startFakeSidecar(async (_, __, response) => {
    response.write("first");
    await more.promise;
    response.end("second");
    return undefined;
  }, noGrpc);
  const { body } = await sidecar.client("http").invoke("shop", "stream");
  const seen: string[] = [];
  for await (const chunk of body) {
    seen.push(String(chunk));
    more.resolve();
  }
  expect(seen).toEqual(["first", "second"]);
});

test("over HTTP the time limit counts until the body has arrived", async () => {
  const sidecar = await startFakeSidecar(async (_, __, response) => {
    response.write("first");
    return undefined;
  }, noGrpc);
  const { body } = await sidecar.client("http").invoke("shop", "stream", { timeoutMs: 30 });
  await expect(body.text()).rejects.toMatchObject({ code: "deadline_exceeded" });
});

test("over gRPC a verb that does not exist is refused", async () => {
  const sidecar = await startShop();
  const call = sidecar.client("grpc").invoke("shop", "orders", { verb: "FETCH" });
  await expect(call).rejects.toMatchObject({ code: "invalid_argument" });
});

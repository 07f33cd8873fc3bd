import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import type { Invoke } from "../../../../../sidecar/blocks/invoke/proxy.ts";
import { Request } from "../../../../../sidecar/kernel/request.ts";
import type { StatusFailure } from "../../../../../sidecar/kernel/status.ts";
import {
  type InvokeRequest,
  type InvokeResponse,
  InvokeResponseSchema,
  HTTPExtension_Verb as Verb,
} from "../../../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import { AppCallback } from "../../../../../specs/gen/dapr/proto/runtime/v1/appcallback_pb.js";
import { InvokeServiceRequestSchema } from "../../../../../specs/gen/dapr/proto/runtime/v1/invoke_pb.js";
import { ErrorInfoSchema } from "../../../../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../../../../specs/gen/google/rpc/status_pb.js";
import { startGrpcApp } from "../../../../support/fake-app.ts";
import { startHttpServer } from "../../../../support/http-server.ts";
import { openSidecars } from "../../../../support/invocation.ts";

async function run(
  invoke: Invoke,
  init: MessageInitShape<typeof InvokeServiceRequestSchema>,
  metadata: Record<string, string> = {},
) {
  const request = new Request("grpc", metadata, () => {});
  const [invokeService] = invoke.methods;
  const answer = (await invokeService?.run(
    create(InvokeServiceRequestSchema, init) as never,
    request,
  )) as InvokeResponse;
  return { answer, text: Buffer.from(answer.data?.value ?? []).toString(), reply: request.replyHeaders };
}

const overHttp = async (status = 200) => {
  const url = await startHttpServer((request, body) => ({
    status,
    headers: { "content-type": "text/plain", "x-own": "1", date: "now" },
    body: status === 200 ? JSON.stringify([request.method, request.url, request.headers, body]) : "refused",
  }));
  return openSidecars({ me: { appId: "me" }, shop: { appId: "shop", appPort: Number(new URL(url).port) } });
};

describe("InvokeService", () => {
  it("calls an HTTP app and gives its status and headers as metadata", async () => {
    const { me } = await overHttp();
    const message = {
      method: "orders/a b",
      data: { value: Buffer.from("body") },
      contentType: "application/json",
      httpExtension: { verb: Verb.PUT, querystring: "x=1&y=2" },
    };
    const { text, reply, answer } = await run(
      me,
      { id: "shop", message },
      { "x-caller": "c", "grpc-accept-encoding": "gzip" },
    );
    const [verb, url, headers, body] = JSON.parse(text);
    expect([verb, url, body]).toEqual(["PUT", "/orders/a%20b?x=1&y=2", "body"]);
    expect(headers).toMatchObject({ "content-type": "application/json", "x-caller": "c", "dapr-caller-app-id": "me" });
    expect(answer.contentType).toBe("text/plain");
    expect(reply).toMatchObject({
      "dapr-http-status": "200",
      "dapr-content-type": "text/plain",
      "dapr-date": "now",
      "x-own": "1",
    });
  });

  it("needs no HTTP extension and no data", async () => {
    const { me } = await overHttp();
    const { text } = await run(me, { id: "shop", message: { method: "/orders" } });
    const [verb, url, headers] = JSON.parse(text);
    expect([verb, url, headers["content-type"]]).toEqual(["POST", "/orders", undefined]);
  });

  it.each([
    [404, 5, "Not Found"],
    [400, 13, "Bad Request"],
    [401, 16, "Unauthorized"],
    [429, 8, "Too Many Requests"],
    [500, 2, "Internal Server Error"],
    [503, 14, "Service Unavailable"],
  ])("turns HTTP status %i into gRPC status %i with the answer in its details", async (status, code, text) => {
    const { me } = await overHttp(status);
    const failure = (await run(me, { id: "shop", message: { method: "x" } }).catch(
      (error: unknown) => error,
    )) as StatusFailure;
    expect(failure).toMatchObject({ name: "StatusFailure", grpcCode: code, message: text });
    const packed = fromBinary(StatusSchema, Buffer.from(String(failure.metadata["grpc-status-details-bin"]), "base64"));
    const info = packed.details[0] && anyUnpack(packed.details[0], ErrorInfoSchema);
    expect(info).toMatchObject({
      reason: text,
      domain: "dapr.io",
      metadata: { "http.code": String(status), "http.error_message": "refused" },
    });
  });

  it("calls a gRPC app and keeps its own status, without an HTTP status", async () => {
    const onInvoke: handleUnaryCall<InvokeRequest, InvokeResponse> = ({ request }, done) => {
      if (request.method === "refuse") return done({ code: 11, details: "out of range" });
      return done(
        null,
        create(InvokeResponseSchema, { data: { value: Buffer.from(request.method) }, contentType: "text/plain" }),
      );
    };
    const port = await startGrpcApp([[AppCallback, { onInvoke }]]);
    const { me } = await openSidecars({
      me: { appId: "me" },
      shop: { appId: "shop", appPort: port, appProtocol: "grpc" },
    });
    const { text, answer, reply } = await run(me, { id: "shop", message: { method: "x" } });
    expect([text, answer.contentType, reply?.["dapr-http-status"]]).toEqual(["x", "text/plain", undefined]);
    await expect(run(me, { id: "shop", message: { method: "refuse" } })).rejects.toMatchObject({
      grpcCode: 11,
      message: "out of range",
    });
  });

  it("refuses requests that name no app or carry no message", async () => {
    const { me } = await openSidecars({ me: { appId: "me" } });
    await expect(run(me, { message: { method: "x" } })).rejects.toMatchObject({ reason: "invokeBadTarget" });
    await expect(run(me, { id: "shop" })).rejects.toMatchObject({ reason: "invokeBadTarget" });
    await expect(run(me, { id: "shop", message: { method: "x?y" } })).rejects.toMatchObject({
      reason: "invokeBadTarget",
    });
    await expect(run(me, { id: "nobody", message: { method: "x" } })).rejects.toMatchObject({
      reason: "invokeNotResolved",
    });
  });
});

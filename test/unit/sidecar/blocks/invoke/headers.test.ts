import { describe, expect, it } from "vitest";
import { answerHeaders, requestHeaders, requestMetadata } from "../../../../../sidecar/blocks/invoke/headers.ts";

const identity = { appId: "me", namespace: "ns", calleeAppId: "shop" };

describe("headers of a request on its way out", () => {
  it("are passed on, values apart", () => {
    const headers = {
      "x-a": "1",
      "x-many": ["1", "2"],
      "content-type": "text/plain",
      "content-length": "3",
      authorization: "Basic x",
    };
    expect(requestHeaders(headers, undefined, undefined)).toEqual(headers);
  });

  it("lose what belongs to the connection, also what Connection names", () => {
    const headers = {
      connection: "keep-alive, X-Private",
      "x-private": "1",
      "keep-alive": "1",
      "proxy-connection": "1",
      "proxy-authorization": "1",
      "proxy-authenticate": "1",
      "transfer-encoding": "chunked",
      upgrade: "h2c",
      "http2-settings": "x",
      te: "trailers",
      trailer: "x",
      host: "here",
      expect: "100-continue",
      "x-public": "1",
    };
    expect(requestHeaders(headers, undefined, undefined)).toEqual({ "x-public": "1" });
  });

  it("lose what is meant for this sidecar, and binary metadata", () => {
    const headers = {
      "dapr-app-id": "shop",
      "dapr-api-token": "s",
      "destination-app-id": "x",
      "trace-bin": "AA==",
      "x-a": "1",
    };
    expect(requestHeaders(headers, undefined, undefined)).toEqual({ "x-a": "1" });
  });

  it("are renamed where gRPC reserves them", () => {
    expect(requestHeaders({ "grpc-timeout": "1S", ":authority": "here", ":path": "/" }, undefined, undefined)).toEqual({
      "dapr-grpc-timeout": "1S",
      "dapr-authority": "here",
    });
  });

  it("say who calls whom, whatever the caller claims", () => {
    const claimed = { "dapr-caller-app-id": "admin", "dapr-caller-namespace": "x", "dapr-callee-app-id": "x" };
    const said = { "dapr-caller-app-id": "me", "dapr-caller-namespace": "ns", "dapr-callee-app-id": "shop" };
    expect(requestHeaders(claimed, identity, undefined)).toEqual(said);
    expect(requestHeaders(claimed, undefined, undefined)).toEqual({});
    expect(requestMetadata({ ...claimed, "x-some-bin": "AA==", "dapr-api-token": "s" }, identity)).toEqual({
      ...said,
      "x-some-bin": "AA==",
    });
  });

  it("say which way they came, behind what was said before", () => {
    expect(requestHeaders({ "x-forwarded-for": "1.1.1.1" }, undefined, { ip: "10.0.0.1", host: "box" })).toEqual({
      "x-forwarded-for": "1.1.1.1, 10.0.0.1",
      "x-forwarded-host": "box",
      forwarded: "for=10.0.0.1;by=10.0.0.1;host=box",
    });
    expect(requestHeaders({}, undefined, { ip: "fe80::1", host: "box" })["forwarded"]).toBe(
      'for="[fe80::1]";by="[fe80::1]";host=box',
    );
  });
});

describe("headers of an answer", () => {
  it("are passed on without connection and what sidecars tell one another", () => {
    const headers = {
      "set-cookie": ["a", "b"],
      connection: "close",
      "content-length": "3",
      "dapr-app-grpc-status": "0",
      etag: "x",
    };
    expect(answerHeaders(headers, undefined)).toEqual({ "set-cookie": ["a", "b"], "content-length": "3", etag: "x" });
  });

  it("are those of an event stream when exactly that was asked for, unless the app says otherwise", () => {
    const stream = { "content-type": "text/event-stream", "cache-control": "no-cache" };
    expect(answerHeaders({}, " Text/Event-Stream ")).toEqual(stream);
    expect(answerHeaders({ "content-type": "application/json" }, "text/event-stream")["content-type"]).toBe(
      "application/json",
    );
    expect(answerHeaders({}, "text/event-stream, */*")).toEqual({});
  });
});

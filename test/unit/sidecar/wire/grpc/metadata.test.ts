import { Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { fromHeaders, toHeaders } from "../../../../../sidecar/wire/grpc/metadata.ts";

describe("metadata", () => {
  it("becomes headers: several values stay apart, bytes are base64", () => {
    const metadata = new Metadata();
    metadata.add("One", "1");
    metadata.add("many", "1");
    metadata.add("many", "2");
    metadata.add("data-bin", Buffer.from([0, 255]));
    expect(toHeaders(metadata)).toEqual({ one: "1", many: ["1", "2"], "data-bin": "AP8=" });
  });

  it("comes back from headers as it was", () => {
    const headers = { one: "1", many: ["1", "2"], "data-bin": "AP8=", "metadata.a_b": "x", empty: "" };
    expect(toHeaders(fromHeaders(headers))).toEqual(headers);
  });

  it("leaves out what the transport says itself, but not the details of a status", () => {
    const given = {
      ":path": "/",
      "grpc-status": "1",
      "grpc-message": "m",
      connection: "close",
      "content-length": "5",
      te: "trailers",
    };
    expect(toHeaders(fromHeaders({ ...given, "grpc-status-details-bin": "AAAA", "grpc-own": "1" }))).toEqual({
      "grpc-status-details-bin": "AAAA",
      "grpc-own": "1",
    });
  });

  it("leaves out names and values that it cannot carry", () => {
    expect(
      toHeaders(fromHeaders({ "a b": "1", ü: "1", price: "3 €", line: "a\nb", many: ["ok", "nö"], Upper: "1" })),
    ).toEqual({
      many: "ok",
      upper: "1",
    });
  });
});

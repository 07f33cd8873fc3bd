import { describe, expect, it } from "vitest";
import {
  announcedLength,
  firstHeader,
  headersOfRaw,
  metadataName,
  withoutHopByHop,
} from "../../../../sidecar/kernel/headers.ts";

describe("headers", () => {
  it("come from Node's raw list in lower case, several values apart, without pseudo headers", () => {
    const raw = [":path", "/", "X-A", "1", "x-a", "2", "x-a", "3", "Cookie", "a=1", "cookie", "b=2", "__proto__", "x"];
    const headers = headersOfRaw(raw);
    expect(Object.entries(headers)).toEqual([
      ["x-a", ["1", "2", "3"]],
      ["cookie", "a=1; b=2"],
      ["__proto__", "x"],
    ]);
    expect([firstHeader(headers, "x-a"), firstHeader(headers, "cookie"), firstHeader(headers, "none")]).toEqual([
      "1",
      "a=1; b=2",
      undefined,
    ]);
  });

  it("lose what belongs to the connection and what it names", () => {
    expect(
      withoutHopByHop({ connection: ["close", "X-Own"], "x-own": "1", te: "trailers", trailer: "x", "x-kept": "1" }),
    ).toEqual({ "x-kept": "1" });
    expect(withoutHopByHop({ connection: "keep-alive", "keep-alive": "timeout=5", "x-kept": "1" })).toEqual({
      "x-kept": "1",
    });
  });

  it("are prefixed in gRPC metadata where HTTP has the name", () => {
    expect(["content-type", "authorization", "x-own"].map(metadataName)).toEqual([
      "dapr-content-type",
      "dapr-authorization",
      "x-own",
    ]);
  });

  it("announce a length that is a whole number, or none", () => {
    const lengths = ["0", "17", "x", "-1", "1e3"].map((length) => announcedLength({ "content-length": length }));
    expect(lengths).toEqual([0, 17, undefined, undefined, undefined]);
    expect(announcedLength({})).toBeUndefined();
  });
});

import { describe, expect, it } from "vitest";
import { RoutedInput } from "../../../../../sidecar/wire/http/input.ts";

const input = (search: string) => new RoutedInput("GET", "/v1.0/x", {}, {}, search, undefined);

describe("a routed request", () => {
  it("gives the first and all values of a query parameter", () => {
    const { query, queryAll } = { query: input("a=1&b=2&a=3"), queryAll: input("a=1&b=2&a=3") };
    expect(query.query("a")).toBe("1");
    expect(query.query("c")).toBeUndefined();
    expect(queryAll.queryAll("a")).toEqual(["1", "3"]);
    expect(queryAll.queryAll("c")).toEqual([]);
  });

  it("decodes percent and plus", () => {
    expect(input("a=x%2Fy+z").query("a")).toBe("x/y z");
  });

  it("keeps the first value of each metadata parameter, without the prefix", () => {
    expect(input("metadata.ttl=5&metadata.ttl=6&other=1&metadata.a.b=c").metadata).toEqual({ ttl: "5", "a.b": "c" });
  });

  it("takes the prefix in lower case only", () => {
    expect(input("Metadata.ttl=5&METADATA.x=1").metadata).toEqual({});
  });

  it("keeps metadata keys that objects have by themselves", () => {
    const { metadata } = input("metadata.toString=a&metadata.constructor=b&metadata.__proto__=c");
    expect(Object.entries(metadata)).toEqual([
      ["toString", "a"],
      ["constructor", "b"],
      ["__proto__", "c"],
    ]);
  });

  it("has nothing without a query and an empty body without one", () => {
    expect(input("").metadata).toEqual({});
    expect(input("").query("a")).toBeUndefined();
    expect(input("").queryAll("a")).toEqual([]);
    expect(input("").body).toHaveLength(0);
    expect(input("").stream).toBeUndefined();
  });
});

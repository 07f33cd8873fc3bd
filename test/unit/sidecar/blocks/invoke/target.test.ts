import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findInvocation,
  isUrl,
  normalizeMethod,
  operationOf,
  parseAppId,
} from "../../../../../sidecar/blocks/invoke/target.ts";

const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

describe("what a request calls", () => {
  it.each([
    ["/v1.0/invoke/shop/method/orders", "shop", "orders", ""],
    ["/v1.0/invoke/shop/method/orders/1?x=1&y=%26", "shop", "orders/1", "x=1&y=%26"],
    ["/v1.0/invoke/shop/method/", "shop", "", ""],
    ["/v1.0/invoke/shop/method", "shop", "", ""],
    ["/v1.0/invoke/shop.prod/method/a/method/b", "shop.prod", "a/method/b", ""],
    ["/v1.0/invoke/my+shop/method/a", "my shop", "a", ""],
    ["/v1.0/invoke/https://api.example.com:8443/method/v1/x", "https://api.example.com:8443", "v1/x", ""],
    ["/v1.0/invoke/https%3A%2F%2Fapi.example.com/method/v1", "https://api.example.com", "v1", ""],
  ])("stands in the path %s", (url, id, method, query) => {
    expect(findInvocation(url, {})).toEqual({ id, method, query });
  });

  it("stands in the header dapr-app-id, the whole path being the method", () => {
    expect(findInvocation("/orders/1?x=1", { "dapr-app-id": "shop" })).toEqual({
      id: "shop",
      method: "orders/1",
      query: "x=1",
    });
    expect(findInvocation("/v1.0/invoke/other/method/a", { "dapr-app-id": "shop" })).toMatchObject({
      id: "shop",
      method: "v1.0/invoke/other/method/a",
    });
  });

  it("stands in basic authentication, whatever the case of its name", () => {
    expect(findInvocation("/orders", basic("dapr-app-id:shop"))).toMatchObject({ id: "shop", method: "orders" });
    expect(findInvocation("/orders", basic("Dapr-App-Id:shop"))).toMatchObject({ id: "shop" });
    expect(findInvocation("/orders", basic("someone:secret"))).toBeUndefined();
    expect(findInvocation("/orders", { authorization: "Bearer x" })).toBeUndefined();
  });

  it.each(["/", "/orders", "/v1.0/invoke", "/v1.0/invoke/shop", "/v1.0/invoke/shop/orders", "/v1.0/invoke//method/x"])(
    "is nothing for %s",
    (url) => {
      expect(findInvocation(url, {})).toBeUndefined();
    },
  );

  it("must be correctly encoded", () => {
    expect(() => findInvocation("/v1.0/invoke/sh%zzop/method/x", {})).toThrow("percent-encoded");
  });
});

describe("an app id", () => {
  it("may carry a namespace", () => {
    expect(parseAppId("shop", "default")).toEqual({ appId: "shop", namespace: "default" });
    expect(parseAppId("shop.prod", "default")).toEqual({ appId: "shop", namespace: "prod" });
  });

  it.each(["", ".prod", "shop.", "a.b.c"])("is not %j", (id) => {
    expect(() => parseAppId(id, "default")).toThrow("<app-id>.<namespace>");
  });

  it("is told from a URL", () => {
    expect(["http://x", "HTTPS://x", "httpx", "ftp://x"].map(isUrl)).toEqual([true, true, false, false]);
  });
});

describe("the path of a method", () => {
  it.each([
    ["orders", "orders"],
    ["orders/", "orders/"],
    ["a//b", "a/b"],
    ["./a/../b", "b"],
    ["a/b/..", "a/"],
    ["../../a", "a"],
    ["a/%2e%2E/b", "b"],
    ["a%2Fb/c%20d", "a%2Fb/c%20d"],
    ["a%2F..%2Fb", "b"],
    ["x/a%2F%2e%2e%2Fb%20c", "x/b%20c"],
    ["a.b/..c/d..", "a.b/..c/d.."],
    ["%FFx", "%FFx"],
    ["", ""],
  ])("%s is sent as %s", (path, sent) => {
    expect(normalizeMethod("shop", path)).toBe(sent);
  });

  it.each(["a%3Fb", "a%23b", "a%00b", "a%0ab", "a%7f", "a#b"])("must not be %s", (path) => {
    expect(() => normalizeMethod("shop", path)).toThrow("control characters");
  });

  it("never leads out of the app, and is stable", () => {
    const piece = fc.constantFrom(
      "a",
      "b.c",
      ".",
      "..",
      "%2e",
      "%2E%2e",
      "%2F",
      "%2f..",
      "/",
      "//",
      "%20",
      "%41",
      "%FF",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const sent = normalizeMethod("shop", pieces.join(""));
        expect(normalizeMethod("shop", sent)).toBe(sent);
        const decoded = sent.replace(/%2f/gi, "/").replace(/%2e/gi, ".");
        expect(decoded.split("/")).not.toContain("..");
        expect(sent.startsWith("/")).toBe(false);
      }),
    );
  });

  it("is compared decoded, without a trailing slash", () => {
    expect(operationOf("a%2Fb/")).toBe("/a/b");
    expect(operationOf("A/%2e%2e/b")).toBe("/b");
    expect(operationOf("")).toBe("/");
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { routedUrl } from "../../../../../sidecar/wire/http/path.ts";

describe("the path that is routed", () => {
  it.each([
    ["/v1.0/state/s/k", "/v1.0/state/s/k"],
    ["//v1.0///state/s/k", "/v1.0/state/s/k"],
    ["/v1.0/./state/s/k", "/v1.0/state/s/k"],
    ["/v1.0/state/other/../s/k", "/v1.0/state/s/k"],
    ["/../../v1.0/state/s", "/v1.0/state/s"],
    ["/v1.0/state/s/", "/v1.0/state/s/"],
    ["/v1.0//state/s/", "/v1.0/state/s/"],
    ["/v1.0/state/s/a+b", "/v1.0/state/s/a%20b"],
    ["/v1.0/state/s/a%2Bb", "/v1.0/state/s/a%2Bb"],
    ["/v1.0/state/s/%2e%2e/k", "/v1.0/state/s/%2e%2e/k"],
    ["/v1.0/state/s/.hidden", "/v1.0/state/s/.hidden"],
    ["/v1.0/state/s/..k", "/v1.0/state/s/..k"],
    ["/", "/"],
    ["//", "/"],
    ["/..", "/"],
  ])("of %s is %s", (sent, routed) => {
    expect(routedUrl(sent)).toBe(routed);
  });

  it("leaves the query as it was sent", () => {
    expect(routedUrl("/a//b?c=d//e/../f+g")).toBe("/a/b?c=d//e/../f+g");
    expect(routedUrl("/a?b//c")).toBe("/a?b//c");
    expect(routedUrl("/a+b?")).toBe("/a%20b?");
  });

  it("drops scheme and host of a request in absolute form", () => {
    expect(routedUrl("http://localhost:3500/v1.0//state/s?a=b")).toBe("/v1.0/state/s?a=b");
    expect(routedUrl("http://localhost")).toBe("/");
    expect(routedUrl("http://localhost?a=b")).toBe("/?a=b");
  });

  it("is clean and stays as it is when it is cleaned again", () => {
    const part = fc.constantFrom("/", "//", ".", "..", "a", "+", "%2F", "v1.0", "...", " ");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const clean = routedUrl(`/${parts.join("")}`);
        expect(clean).toMatch(/^\//);
        expect(clean).not.toMatch(/\/\/|\/\.\.?(\/|$)|\+/);
        expect(routedUrl(clean)).toBe(clean);
      }),
    );
  });
});

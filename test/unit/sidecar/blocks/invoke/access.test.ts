import { describe, expect, it } from "vitest";
import { accessRules } from "../../../../../sidecar/blocks/invoke/access.ts";
import type { AccessControl } from "../../../../../sidecar/kernel/config-types.ts";

const shop = { appId: "shop", namespace: "default" };
type Operations = AccessControl["policies"][number]["operations"];
const operation = (name: string, action: "allow" | "deny", ...httpVerbs: string[]) => ({
  name,
  action,
  httpVerbs: httpVerbs.length > 0 ? httpVerbs : ["*"],
});
const control = (
  part: Partial<AccessControl> = {},
  operations: Operations = [],
  defaultAction?: "allow" | "deny",
): AccessControl => ({
  defaultAction: "deny",
  trustDomain: "public",
  policies: [{ ...shop, trustDomain: "public", operations, ...(defaultAction ? { defaultAction } : {}) }],
  ...part,
});

describe("access rules", () => {
  it("allow everything when there are none", () => {
    expect(accessRules(undefined)(undefined, "/x", "GET")).toBe(true);
  });

  it("give the global default to callers that are unknown or have no policy", () => {
    for (const defaultAction of ["allow", "deny"] as const) {
      const may = accessRules(
        control({ defaultAction }, [operation("/x", defaultAction === "allow" ? "deny" : "allow")]),
      );
      const expected = defaultAction === "allow";
      expect(may(undefined, "/x", "GET")).toBe(expected);
      expect(may({ appId: "other", namespace: "default" }, "/x", "GET")).toBe(expected);
      expect(may({ ...shop, namespace: "other" }, "/x", "GET")).toBe(expected);
      expect(may({ ...shop, trustDomain: "other" }, "/x", "GET")).toBe(expected);
      expect(may({ ...shop, trustDomain: "public" }, "/x", "GET")).toBe(!expected);
    }
  });

  it("ask the operation first, then the policy's default, then the global one", () => {
    const rules = [operation("/a", "allow")];
    expect(accessRules(control({}, rules))(shop, "/a", "GET")).toBe(true);
    expect(accessRules(control({}, rules))(shop, "/b", "GET")).toBe(false);
    expect(accessRules(control({ defaultAction: "allow" }, rules))(shop, "/b", "GET")).toBe(true);
    expect(accessRules(control({ defaultAction: "allow" }, rules, "deny"))(shop, "/b", "GET")).toBe(false);
    expect(accessRules(control({}, rules, "allow"))(shop, "/b", "GET")).toBe(true);
  });

  it("know verbs; one that an operation does not name gets the policy's default", () => {
    const may = accessRules(control({}, [operation("/a", "allow", "GET", "PUT")]));
    expect([may(shop, "/a", "GET"), may(shop, "/a", "PUT"), may(shop, "/a", "POST")]).toEqual([true, true, false]);
  });

  it.each([
    ["/a/*", "/a/b", true],
    ["/a/*", "/a/b/c", true],
    ["/a/*", "/a", false],
    ["/a*", "/abc/d", true],
    ["/a*", "/b", false],
    ["/users/*/orders", "/users/1/orders", true],
    ["/users/*/orders", "/users/1/2/orders", false],
    ["/users/*/orders", "/users/1/orders/2", false],
    ["/*", "/anything/at/all", true],
    ["/a.b", "/axb", false],
    ["/Orders", "/orders", true],
    ["/a/", "/a", true],
  ])("take %s to mean %s: %s", (name, path, allowed) => {
    expect(accessRules(control({}, [operation(name, "allow")]))(shop, path, "GET")).toBe(allowed);
  });

  it("let the most specific operation decide, in whatever order they stand", () => {
    const rules = [operation("/*", "allow"), operation("/admin/*", "deny"), operation("/admin/health", "allow")];
    for (const order of [rules, rules.toReversed()]) {
      const may = accessRules(control({}, order));
      expect([may(shop, "/x", "GET"), may(shop, "/admin/users", "GET"), may(shop, "/admin/health", "GET")]).toEqual([
        true,
        false,
        true,
      ]);
    }
  });

  it("compare gRPC methods as they are written, without verbs", () => {
    const may = accessRules(
      control({}, [operation("/shop.Orders/Get", "allow", "POST"), operation("/shop.Items/*", "allow")]),
    );
    expect(may(shop, "/shop.Orders/Get", undefined)).toBe(true);
    expect(may(shop, "/shop.orders/get", undefined)).toBe(false);
    expect(may(shop, "/shop.Items/List", undefined)).toBe(true);
  });
});

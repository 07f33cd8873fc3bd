import { describe, expect, it } from "vitest";
import type { ApiRule } from "../../../../sidecar/kernel/config-types.ts";
import { apiAccess, toVersion, versionOfRoute, versionOfRpc } from "../../../../sidecar/wire/api-access.ts";

const rule = (protocol: "http" | "grpc", name: string, version = "v1"): ApiRule => ({ protocol, name, version });

describe("which APIs are open", () => {
  it("is all of them without rules", () => {
    const access = apiAccess({ allowed: [], denied: [] });
    expect(access.http("state", "v1", "/v1.0/state/:s")).toBe(true);
    expect(access.grpc("crypto", "v1alpha1")).toBe(true);
  });

  it("is only what is allowed, per protocol", () => {
    const access = apiAccess({ allowed: [rule("http", "state")], denied: [] });
    expect(access.http("state", "v1", "/v1.0/state/:s")).toBe(true);
    expect(access.http("publish", "v1", "/v1.0/publish/:p/*")).toBe(false);
    expect(access.grpc("publish", "v1")).toBe(true);
  });

  it("knows versions apart, however they are written", () => {
    const access = apiAccess({
      allowed: [rule("http", "state", "v1.0-alpha1"), rule("grpc", "state", "v1alpha1")],
      denied: [],
    });
    expect(access.http("state", "v1alpha1", "/v1.0-alpha1/state/:s/query")).toBe(true);
    expect(access.http("state", "v1", "/v1.0/state/:s")).toBe(false);
    expect(access.grpc("state", "v1alpha1")).toBe(true);
    expect(access.grpc("state", "v1")).toBe(false);
  });

  it("lets a denial win", () => {
    const access = apiAccess({ allowed: [rule("grpc", "state")], denied: [rule("grpc", "state")] });
    expect(access.grpc("state", "v1")).toBe(false);
  });

  it("always includes health over HTTP", () => {
    const access = apiAccess({ allowed: [rule("http", "state")], denied: [rule("http", "healthz")] });
    expect(access.http("healthz", "v1", "/v1.0/healthz")).toBe(true);
  });

  it("takes the beginning of a path, as rules were once written", () => {
    const access = apiAccess({ allowed: [], denied: [rule("http", "state/:storeName/bulk", "v1.0")] });
    expect(access.http("state", "v1", "/v1.0/state/:storeName/bulk")).toBe(false);
    expect(access.http("state", "v1", "/v1.0/state/:storeName/bulky")).toBe(true);
    expect(access.http("state", "v1", "/v1.0/state/:storeName/:key")).toBe(true);
  });
});

describe("a version", () => {
  it.each([
    ["v1.0", "v1"],
    ["v1", "v1"],
    ["v1.0-alpha1", "v1alpha1"],
    ["v1.0-alpha2", "v1alpha2"],
    ["v1.0-beta1", "v1beta1"],
  ])("%s is %s", (text, version) => {
    expect(toVersion(text)).toBe(version);
    expect(versionOfRoute(`/${text}/state/:s`)).toBe(version);
  });

  it.each([
    ["GetState", "v1"],
    ["QueryStateAlpha1", "v1alpha1"],
    ["ConverseAlpha2", "v1alpha2"],
    ["StartWorkflowBeta1", "v1beta1"],
  ])("of the rpc %s is %s", (name, version) => {
    expect(versionOfRpc(name)).toBe(version);
  });
});

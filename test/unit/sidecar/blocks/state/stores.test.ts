import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { appKey, keyPrefix, Stores, storedKey } from "../../../../../sidecar/blocks/state/stores.ts";
import type { MechaError } from "../../../../../specs/errors.ts";
import { componentsOf } from "../../../../support/components.ts";
import { openStores } from "./store-under-test.ts";

const owner = { appId: "app", namespace: "prod" };
const reasonOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return (error as MechaError).reason;
  }
  return undefined;
};

describe("the prefix of a store's keys", () => {
  it.each([
    ["appid", "app||"],
    ["AppID", "app||"],
    ["", "app||"],
    ["name", "store||"],
    ["NAME", "store||"],
    ["namespace", "prod.app||"],
    ["none", ""],
    ["shared", "shared||"],
    ["Shared Things", "Shared Things||"],
  ])("by %j is %j", (strategy, prefix) => {
    expect(keyPrefix(strategy, "store", owner)).toBe(prefix);
  });

  it("by namespace falls back to the app where there is no namespace", () => {
    expect(keyPrefix("namespace", "store", { ...owner, namespace: "" })).toBe("app||");
  });

  it("must not contain the separator", () => {
    expect(reasonOf(() => keyPrefix("a||b", "store", owner))).toBe("stateKeyIllegal");
  });
});

describe("a key", () => {
  it("that is empty or contains the separator is refused", async () => {
    const { store } = await openStores();
    expect(reasonOf(() => storedKey(store, ""))).toBe("stateKeyEmpty");
    for (const key of ["a||b", "||", "||a", "a||"])
      expect(reasonOf(() => storedKey(store, key))).toBe("stateKeyIllegal");
    expect(storedKey(store, "a|b")).toBe("app||a|b");
  });

  it("comes back from the store as the app wrote it, whatever the prefix", async () => {
    const { store } = await openStores();
    const key = fc.string({ minLength: 1 }).filter((text) => !text.includes("||"));
    fc.assert(
      fc.property(key, fc.constantFrom("", "app||", "shared||"), (text, prefix) => {
        const own = { ...store, prefix };
        expect(appKey(own, storedKey(own, text))).toBe(text);
      }),
    );
  });

  it("written by another app keeps its prefix", async () => {
    const { store } = await openStores();
    expect(appKey(store, "other||k")).toBe("other||k");
  });
});

describe("looking a store up", () => {
  it("says whether there is none or not this one", async () => {
    const { stores } = await openStores();
    const none = new Stores(componentsOf(), { appId: "app", namespace: "", components: [] });
    expect(reasonOf(() => none.require("store"))).toBe("stateNotConfigured");
    expect(() => stores.require("stor")).toThrow("state store stor is not found; configured: store");
  });

  it("works out what it needs once per component", async () => {
    const { stores } = await openStores();
    expect(stores.require("store")).toBe(stores.require("store"));
  });
});

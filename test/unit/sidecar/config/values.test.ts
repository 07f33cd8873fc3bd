import { describe, expect, test } from "vitest";
import { envRefRefusal, neededSecrets, pairResolver, type ValueSources } from "../../../../sidecar/config/values.ts";
import type { NameValuePair, SecretReference } from "../../../../sidecar/kernel/config-types.ts";

const sources: ValueSources = { env: {}, appId: "shop", namespace: "prod", podName: "shop-0" };
const noSecrets = () => Promise.reject(new Error("no secret was expected"));
const pair = (about: Partial<NameValuePair>): NameValuePair => ({ name: "n", line: 1, ...about });

async function resolved(about: Partial<NameValuePair>, changed: Partial<ValueSources> = {}) {
  const resolve = pairResolver({ ...sources, ...changed });
  return (await resolve({ name: "store" }, [pair(about)], noSecrets))[0]?.value;
}

describe("a template", () => {
  test.each([
    ["plain", "plain"],
    ["{appID}", "shop"],
    ["{namespace}", "prod.shop"],
    ["{podName}", "shop-0"],
    ["a-{appID}-{podName}", "a-shop-shop-0"],
    ["{appid}{other}", "{appid}{other}"],
  ])("%s becomes %s", async (value, filled) => {
    expect(await resolved({ value })).toBe(filled);
  });

  test("gives a fresh identifier at every place", async () => {
    let count = 0;
    expect(await resolved({ value: "{uuid}/{uuid}" }, { uuid: () => `id${++count}` })).toBe("id1/id2");
    expect(await resolved({ value: "{uuid}" })).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("of a pod that has no name is an error that says what to set", async () => {
    const { podName: _, ...podless } = sources;
    const resolving = pairResolver(podless)({ name: "store" }, [pair({ value: "{podName}" })], noSecrets);
    await expect(resolving).rejects.toThrow("store: n holds {podName}, but POD_NAME is not set; set it or use {appID}");
  });
});

describe("a variable", () => {
  test("gives its value, templates filled in, or nothing", async () => {
    expect(await resolved({ envRef: "HOST" }, { env: { HOST: "{appID}.local" } })).toBe("shop.local");
    expect(await resolved({ envRef: "HOST" })).toBe("");
  });

  test.each(["DAPR_API_TOKEN", "dapr_x", "APP_API_TOKEN", "TWO WORDS"])("called %s is refused", async (name) => {
    expect(await resolved({ envRef: name }, { env: { [name]: "secret" } })).toBe("");
    expect(envRefRefusal(name, {})).toBeTypeOf("string");
  });

  test("must be on the list, when there is one", () => {
    expect(envRefRefusal("HOST", {})).toBeUndefined();
    expect(envRefRefusal("HOST", { DAPR_ENV_KEYS: "PORT HOST" })).toBeUndefined();
    expect(envRefRefusal("HOST", { DAPR_ENV_KEYS: "PORT" })).toBe("is not listed in DAPR_ENV_KEYS");
  });
});

describe("a secret", () => {
  const secret = (name: string, key = name) => ({ secretKeyRef: { name, key } });

  test("is asked for once, by store, name and key, and templates in it are filled", async () => {
    const asked: SecretReference[] = [];
    const read = async (reference: SecretReference) => {
      asked.push(reference);
      return "{appID}-secret";
    };
    const pairs = [pair({ name: "a", ...secret("s", "k") }), pair({ name: "b", ...secret("s", "k") })];
    const values = await pairResolver(sources)({ name: "store", secretStore: "vault" }, pairs, read);
    expect(values).toEqual([
      { name: "a", value: "shop-secret" },
      { name: "b", value: "shop-secret" },
    ]);
    expect(asked).toEqual([{ store: "vault", name: "s", key: "k" }]);
    expect(neededSecrets("vault", pairs)).toEqual(asked);
  });

  test("that cannot be read rejects with the store's own error", async () => {
    const resolving = pairResolver(sources)({ name: "store", secretStore: "vault" }, [pair(secret("s"))], noSecrets);
    await expect(resolving).rejects.toThrow("no secret was expected");
  });

  test("without a store is an error that says what to add", async () => {
    const resolving = pairResolver(sources)({ name: "store" }, [pair(secret("s"))], noSecrets);
    await expect(resolving).rejects.toThrow("no store is named; add auth.secretStore");
    expect(neededSecrets(undefined, [pair(secret("s"))])).toEqual([]);
  });
});

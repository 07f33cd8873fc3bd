import { expect, test, vi } from "vitest";
import localEnv from "../../../../components/local.env/secretstores.ts";
import { openDriver } from "../../../support/open-driver.ts";

test("tokens and settings of the sidecar read as empty and are not listed", async () => {
  vi.stubEnv("APP_API_TOKEN", "t1");
  vi.stubEnv("DAPR_API_TOKEN", "t2");
  const store = await openDriver(localEnv, {});
  expect(await store.get("APP_API_TOKEN", {}, {})).toEqual({ APP_API_TOKEN: "" });
  expect(await store.get("dapr_api_token", {}, {})).toEqual({ dapr_api_token: "" });
  const all = await store.getAll({}, {});
  expect(Object.keys(all).filter((name) => /^(APP_API_TOKEN|DAPR_)/i.test(name))).toEqual([]);
  expect(await store.get("constructor", {}, {})).toEqual({ constructor: "" });
  expect(all["PATH"]).toEqual({ PATH: process.env["PATH"] });
});

test("a prefix that leads to a denied name does not open it", async () => {
  vi.stubEnv("DAPR_API_TOKEN", "t2");
  const store = await openDriver(localEnv, { prefix: "DAPR_" });
  expect(await store.get("API_TOKEN", {}, {})).toEqual({ API_TOKEN: "" });
  expect(await store.getAll({}, {})).toEqual({});
});

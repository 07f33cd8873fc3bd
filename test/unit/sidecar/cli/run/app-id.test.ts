import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseAppId } from "../../../../../sidecar/cli/run/app-id.ts";
import { findResourceFolder } from "../../../../../sidecar/cli/run/resource-folder.ts";
import { writeRecord } from "../../../../../sidecar/cli/run-records.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

test("an app without a name gets its folder's, without what an id may not hold", async () => {
  const env = { MECHA_HOME: tempFolder() };
  expect(await chooseAppId({ cwd: "/home/me/orders", env })).toBe("orders");
  expect(await chooseAppId({ cwd: "/home/me/my.shop v2", env })).toBe("my-shop-v2");
  expect(await chooseAppId({ cwd: "/", env })).toMatch(/^app-[0-9a-f]{4}$/);
});

test("a name that is running gets an ending of its own", async () => {
  const env = { MECHA_HOME: tempFolder() };
  const self = { pid: process.pid };
  await writeRecord(
    { appId: "orders", command: [], cwd: "/", created: "", logFile: "", cli: self, sidecar: self },
    env,
  );
  expect(await chooseAppId({ cwd: "/home/me/orders", env })).toMatch(/^orders-[0-9a-f]{4}$/);
});

test("the first folder with YAML files counts; others of the same name do not", () => {
  const base = tempFolder({ "components/Button.tsx": "", "resources/store.yaml": "", ".dapr/resources/store.yml": "" });
  expect(findResourceFolder(base)).toBe(join(base, "resources"));
  mkdirSync(join(base, ".mecha/components"), { recursive: true });
  expect(findResourceFolder(base)).toBe(join(base, "resources"));
  expect(findResourceFolder(tempFolder())).toBeUndefined();
});

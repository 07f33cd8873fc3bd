import { resolve } from "node:path";
import { expect, test } from "vitest";
import { parseLocation } from "../../../../components/sqlite/location.ts";

test.each([
  ["", "/data/mecha.db"],
  ["  ", "/data/mecha.db"],
  ["/var/app.db", "/var/app.db"],
  ["app.db", resolve("app.db")],
  ["what?.db", resolve("what?.db")],
  ["file:app.db", resolve("app.db")],
  ["file:/var/my%20app.db?cache=shared", "/var/my app.db"],
  ["file:///var/app.db", "/var/app.db"],
  [":memory:", undefined],
  ["file::memory:?cache=shared", undefined],
  ["file:any.db?mode=memory", undefined],
])("the connection string %j leads to %s", (connectionString, path) => {
  expect(parseLocation(connectionString, "/data/mecha.db")).toEqual({ path, ignored: [] });
});

test("parameters that mean nothing here are named", () => {
  const { ignored } = parseLocation("file:app.db?_pragma=busy_timeout(1)&_pragma=x&mode=ro&cache=shared", "x");
  expect(ignored).toEqual(["_pragma", "mode"]);
});

import { describe, expect, test } from "vitest";
import mysqlBinding from "../../components/mysql/bindings.ts";
import mysqlState from "../../components/mysql/state.ts";
import { openContext, openDriver } from "../support/open-driver.ts";
import { requireService, startServer } from "../support/server.ts";

const isMissing = !(await requireService("mariadb"));
const address = async () => (await startServer("mariadb")).settings["connectionString"] ?? "";

describe.skipIf(isMissing)("a component for MySQL", { timeout: 60_000 }, () => {
  const refused = async (settings: object) => {
    const context = openContext({ name: "orders" });
    return openDriver(mysqlState, settings as never, context).then(
      () => "opened",
      (error: { readonly reason?: string; readonly message: string }) => `${error.reason}: ${error.message}`,
    );
  };

  test.each([
    ["an address that is none", async () => "nonsense", /openFailed: .*connectionString/],
    [
      "a server that is not there",
      async () => (await address()).replace(/tcp\([^)]*\)/, "tcp(127.0.0.1:1)"),
      /openFailed|backendUnavailable/,
    ],
    [
      "a wrong password",
      async () => (await address()).replace(/^[^@]*@/, "nobody:hunter2@"),
      /openFailed: .*connectionString/s,
    ],
  ])("says what is wrong with %s, and no password", async (_, connection, expected) => {
    const said = await refused({ connectionString: await connection(), timeoutInSeconds: 5 });
    expect(said).toMatch(expected);
    expect(said).not.toContain("hunter2");
  });

  test("makes its database and its tables, and shares them with a second one", async () => {
    const connectionString = await address();
    const settings = { connectionString, schemaName: "made_here", tableName: "values_of_it" };
    const [first, second] = [await openDriver(mysqlState, settings), await openDriver(mysqlState, settings)];
    await first.set("k", Buffer.from("1"), {}, {});
    expect(Buffer.from((await second.get("k", {}, {}))?.data ?? []).toString()).toBe("1");
  });

  test("refuses a statement of a binding that has the wrong number of values", async () => {
    const binding = await openDriver(mysqlBinding, { url: await address() });
    const request = { operation: "query", data: Buffer.alloc(0), metadata: { sql: "SELECT ?", params: "{}" } };
    await expect(binding.invoke?.(request, {})).rejects.toMatchObject({
      reason: "requestMetadataInvalid",
      message: expect.stringContaining("must be a JSON array"),
    });
    await expect(binding.invoke?.({ ...request, operation: "drop" }, {})).rejects.toMatchObject({
      message: expect.stringContaining("operation drop is not one of exec, query, close"),
    });
  });
});

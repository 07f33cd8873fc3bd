import { describe, expect, test } from "vitest";
import { ClosedError, isConflict, isLost, openFailure, translate } from "../../../../components/mysql/failures.ts";

const error = (message: string, more: object) => Object.assign(new Error(message), more);
const tried = { setting: "url", host: "db", port: 3306, user: "app", database: "shop", timeoutMs: 500 };

describe("errors of MySQL", () => {
  test.each([
    [error("lost", { code: "PROTOCOL_CONNECTION_LOST", fatal: true })],
    [error("refused", { code: "ECONNREFUSED", errno: -111 })],
    [error("Can't add new command when connection is in closed state", { fatal: true })],
    [error("Server shutdown in progress", { errno: 1053 })],
    [error("Connection was killed", { errno: 1927 })],
  ])("%s means that the connection is of no use any more, and that the backend is not there", (one) => {
    expect(isLost(one)).toBe(true);
    expect(translate(one, "store")).toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringContaining("store does not answer: "),
    });
  });

  test("a deadlock may be tried again, and is not the end of the connection", () => {
    const deadlock = error("Deadlock found", { errno: 1213, code: "ER_LOCK_DEADLOCK" });
    expect([isConflict(deadlock), isLost(deadlock)]).toEqual([true, false]);
  });

  test("what the statement is to blame for stays as it is", () => {
    const wrong = error("You have an error in your SQL syntax", { errno: 1064, code: "ER_PARSE_ERROR" });
    expect(translate(wrong, "store")).toBe(wrong);
    expect(isLost(wrong)).toBe(false);
    expect(translate(new ClosedError(), "store")).toMatchObject({ reason: "backendUnavailable" });
  });

  test.each([
    [1040, "takes no more connections; raise its max_connections"],
    [1044, "user app may not do what the component needs"],
    [1130, "takes no connections from here"],
    [3159, "wants TLS; write ?tls=true"],
  ])("number %d is explained when opening", (errno, why) => {
    expect(openFailure(error("said so", { errno }), tried).message).toContain(why);
  });

  test("a server that only reads is told with the fix", () => {
    expect(translate(error("read only", { errno: 1290 }), "store")).toMatchObject({
      message: expect.stringContaining("name the primary"),
    });
  });
});

import { expect, test } from "vitest";
import { isConflict, isLost, openFailure, translate } from "../../../../components/postgresql/failures.ts";
import { fail } from "../../../../specs/errors.ts";

const failure = (code: string | undefined, message = "what the server said") =>
  Object.assign(new Error(message), code === undefined ? {} : { code });
const tried = { host: "db", port: 5432, database: "app", user: "ann", timeoutMs: 20_000 };

test.each([
  ["28P01", /user ann; correct user or password/],
  ["28000", /does not let user ann in: what the server said; correct the user/],
  ["3D000", /database app does not exist at db:5432; create it, or name another/],
  ["42501", /user ann may not do what the component needs: what the server said; grant it/],
  ["53300", /takes no more connections; lower maxConns/],
  ["ECONNREFUSED", /nothing listens at db:5432; start the server, or correct host and port/],
  ["ENOTFOUND", /host db is not known to the name service; correct host/],
  ["57P03", /db:5432 is not ready yet/],
  ["ETIMEDOUT", /db:5432 does not answer within 20000 ms/],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", /the certificate of db:5432 is not accepted: .*; name its authority as sslRootCert/],
  ["42P16", /cannot use database app at db:5432: what the server said/],
])("opening says for %s what to do", (code, text) => {
  const error = openFailure(failure(code), tried);
  expect(error).toMatchObject({ reason: "openFailed", message: expect.stringMatching(text) });
});

test.each([
  ["The server does not support SSL connections", /offers no TLS; write sslmode=disable/],
  ["SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string", /asks for a password; give password/],
  ["timeout expired", /does not answer within/],
])("opening says for %j what to do", (message, text) => {
  expect(openFailure(failure(undefined, message), tried).message).toMatch(text);
});

test("a socket is named as a file", () => {
  const error = openFailure(failure("ENOENT"), { ...tried, host: "/run/pg" });
  expect(error.message).toContain("nothing listens at /run/pg/.s.PGSQL.5432");
});

test.each(["57P01", "57P02", "08006", "53300", "ECONNRESET", "25006", "28P01"])(
  "%s means that the backend is not available",
  (code) => {
    expect(translate(failure(code), "store")).toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringContaining("store does not answer: what the server said"),
    });
  },
);

test.each([
  ["Connection terminated unexpectedly", "Connection terminated unexpectedly"],
  ["timeout exceeded when trying to connect", "no connection was free in time; raise maxConns"],
])("%j of the library means it too", (message, text) => {
  expect(translate(failure(undefined, message), "store")).toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringContaining(text),
  });
});

test("all addresses of a host that do not answer are named", () => {
  const refused = Object.assign(new AggregateError([new Error("::1 refused"), new Error("127.0.0.1 refused")]), {
    code: "ECONNREFUSED",
  });
  expect((translate(refused, "store") as Error).message).toContain("::1 refused; 127.0.0.1 refused");
});

test("a NUL in a key is the caller's mistake", () => {
  expect(translate(failure("22021"), "store")).toMatchObject({ reason: "malformedRequest" });
});

test("other errors, and reasons, stay what they are", () => {
  const reason = fail("etagMismatch", { key: "k" });
  for (const error of [failure("42P01"), failure(undefined, "odd"), reason, "text"]) {
    expect(translate(error, "store")).toBe(error);
  }
});

test.each([
  ["40001", true, false],
  ["40P01", true, false],
  ["57P01", false, true],
  ["ECONNRESET", false, true],
  ["23505", false, false],
])("%s: a conflict %s, a lost connection %s", (code, conflict, lost) => {
  expect([isConflict(failure(code)), isLost(failure(code))]).toEqual([conflict, lost]);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseConnection } from "../../../../components/postgresql/connection-string.ts";

const parse = (connectionString: string, more = {}) => parseConnection({ connectionString, ...more });

test.each([
  ["postgres://ann:s%40cret@db.example:6432/app", {}],
  ["postgresql://ann:s%40cret@db.example:6432/app", {}],
  ["host=db.example port=6432 user=ann password=s@cret dbname=app", {}],
  [" host = 'db.example'  port=6432 user=ann password='s@cret' database=app ", {}],
  ["", { host: "db.example", port: "6432", user: "ann", password: "s@cret", database: "app" }],
  [
    "postgres://bob:x@other:1/y",
    { host: "db.example", port: "6432", user: "ann", password: "s@cret", database: "app" },
  ],
])("%j and the settings beside it name one address", (text, more) => {
  expect(parse(text, more)).toMatchObject({
    host: "db.example",
    port: 6432,
    user: "ann",
    password: "s@cret",
    database: "app",
    sslMode: "prefer",
  });
});

test.each([
  ["postgres:///app?host=/var/run/postgresql", { host: "/var/run/postgresql", database: "app", user: undefined }],
  ["postgres://%2Fvar%2Frun/app", { host: "/var/run", database: "app" }],
  ["postgres://[::1]:5433/app", { host: "::1", port: 5433 }],
  ["postgres://ann@/app", { host: undefined, user: "ann", password: undefined }],
  ["postgres://h/db?sslmode=verify-full&sslrootcert=ca.pem", { sslMode: "verify-full", sslRootCert: "ca.pem" }],
  ["postgres://h/db?sslmode=require&sslrootcert=ca.pem", { sslMode: "verify-ca" }],
  ["host=h connect_timeout=10 application_name=me", { connectTimeoutMs: 10_000, applicationName: "me" }],
  ["host=h pool_max_conns=3 default_query_exec_mode=exec", { poolMaxConns: 3, queryExecMode: "exec" }],
  ["host=h search_path='a, b' statement_timeout=5000", { options: "-c search_path=a,\\ b -c statement_timeout=5000" }],
  ["host=h target_session_attrs=any pool_min_conns=1", { ignored: ["target_session_attrs", "pool_min_conns"] }],
])("%j is read", (text, expected) => {
  expect(parse(text)).toMatchObject(expected);
});

test.each([
  ["", "connectionString: is required; write it like postgres://user:password@localhost:5432/database"],
  ["postgres:", "is not a URL"],
  ["host=a,b", "names several hosts; name one"],
  ["postgres://a:1,b:2/db", "names several hosts; name one"],
  ["host=h port=much", 'port is not a whole number, got "much"'],
  [
    "host=h sslmode=maybe",
    'sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full, got "maybe"',
  ],
  ["postgres://h/db%zz", "write a % that stands for itself as %25"],
  ["host=h secret stuff", "the part behind character 7 is not a pair like host=localhost"],
])("%j is refused with the reason", (text, why) => {
  expect(() => parse(text)).toThrow(why);
});

test("a refusal does not quote the text, which may hold a password", () => {
  expect(() => parse("postgres://ann:hunter2@h/db%zz")).toThrow(expect.not.stringContaining("hunter2"));
  expect(() => parse("password=hunter2 'oops")).toThrow(expect.not.stringContaining("hunter2"));
});

test("any password comes through both forms", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (password) => {
      expect(parse(`postgres://u:${encodeURIComponent(password)}@h/db`).password).toBe(password);
      const escaped = password.replace(/['\\]/g, "\\$&");
      expect(parse(`host=h password='${escaped}' user=u`)).toMatchObject({ password, user: "u" });
    }),
  );
});

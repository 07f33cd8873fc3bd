import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { type Row, reasons } from "../../specs/errors.ts";

/** The table of errors is the only place where an error is worded, and it holds nothing that nobody throws. */

const root = resolve(import.meta.dirname, "../..");
const sources = (pattern: string) =>
  globSync(pattern, { cwd: root }).map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
const names = Object.keys(reasons);
const rows: readonly (readonly [string, Row])[] = Object.entries(reasons);

/** Lines of code, without those that only comment. */
const codeLines = (text: string) => text.split("\n").filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line));
const offences = (pattern: RegExp, files: ReturnType<typeof sources>, allowed: readonly string[] = []) =>
  files
    .filter(({ path }) => !allowed.includes(path))
    .flatMap(({ path, text }) =>
      codeLines(text)
        .filter((line) => pattern.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );

describe("the table of errors", () => {
  it("has no row that nobody throws", () => {
    const all = [...sources("sidecar/**/*.ts"), ...sources("components/**/*.ts")].map(({ text }) => text).join("\n");
    expect(names.filter((name) => !all.includes(`"${name}"`))).toEqual([]);
  });

  it("gives every row a code to answer", () => {
    expect(rows.filter(([, row]) => !row.tag && !row.info).map(([name]) => name)).toEqual([]);
  });

  it("names a resource only where the row can carry it", () => {
    // Details hang on ErrorInfo: without one a resource or a help would never be sent.
    expect(rows.filter(([, row]) => (row.resource || row.help) && !row.info).map(([name]) => name)).toEqual([]);
  });

  it("is documented row by row, and the page names nothing else", () => {
    const page = readFileSync(join(root, "specs/ERRORS.md"), "utf8");
    const documented = [...page.matchAll(/^\| (\w+) \| \w+ \(\d+\) \|/gm)].map(([, name]) => name);
    expect(documented).toEqual(names);
    for (const [name, row] of rows) {
      const line = page.split("\n").find((one) => one.startsWith(`| ${name} |`)) ?? "";
      for (const part of [row.code, row.tag, row.info]) if (part) expect(line).toContain(part);
    }
  });
});

describe("outside the table", () => {
  it("no error code is written", () => {
    const files = [...sources("sidecar/**/*.ts"), ...sources("components/**/*.ts")];
    // Compared there, to tell a failure of ours from the app's.
    expect(offences(/["'`]ERR_[A-Z_]+["'`]/, files, ["sidecar/blocks/invoke/http-call.ts"])).toEqual([]);
  });

  it("the wires build no error of their own", () => {
    expect(offences(/new (Type|Range)?Error\(/, sources("sidecar/wire/**/*.ts"))).toEqual([]);
    expect(offences(/errorCode/, sources("sidecar/wire/**/*.ts"), wordedByProtocols)).toEqual([]);
    expect(offences(/status: [45]\d\d|writeHead\([45]/, sources("sidecar/wire/**/*.ts"), allowedStatuses)).toEqual([]);
  });

  it("only MechaError and the callee's own refusal cross from a block to the wires", () => {
    expect(offences(/class \w+ extends (MechaError|StatusFailure)/, sources("sidecar/**/*.ts"))).toEqual([]);
  });
});

/** The HTTP form of an error, and a field of the reflection protocol that happens to have its name. */
const wordedByProtocols = ["sidecar/wire/http/errors.ts", "sidecar/wire/grpc/reflection.ts"];
/** A path that cannot be decoded is refused in plain text, as published; the metrics page is no API. */
const allowedStatuses = ["sidecar/wire/http/server.ts", "sidecar/wire/metrics-server.ts"];

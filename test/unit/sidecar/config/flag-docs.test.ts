import { expect, test } from "vitest";
import { flagsHelp, flagsMarkdown } from "../../../../sidecar/config/flag-docs.ts";
import { flags } from "../../../../sidecar/config/flags.ts";

test("the help and the table name every flag", () => {
  for (const name of Object.keys(flags)) {
    expect(flagsHelp("mechad")).toContain(`  --${name}`);
    expect(flagsMarkdown()).toContain(`| \`--${name}\` |`);
  }
});

test("the help says what a flag takes, its default and its successor", () => {
  const help = flagsHelp("mechad");
  expect(help).toMatch(/^Usage: mechad --app-id <id> \[flags\]$/m);
  expect(help).toContain("--dapr-http-port <port>\n        Port of the HTTP API; 0 = any free. (default 3500)");
  expect(help).toContain("one of debug, info, warn, error, fatal; default info");
  expect(help).toContain("Deprecated: use --max-body-size.");
});

test("the table has five columns in every row", () => {
  for (const row of flagsMarkdown().trim().split("\n")) expect(row.split("|")).toHaveLength(7);
});

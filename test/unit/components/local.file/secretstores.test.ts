import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import localFile from "../../../../components/local.file/secretstores.ts";
import { type Given, openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const open = (text: string, settings: Given = {}) =>
  openDriver(localFile, { secretsFile: join(tempFolder({ "secrets.json": text }), "secrets.json"), ...settings });

const nested = `{"redis": {"password": "p", "ports": [1, 2]}, "plain": "x", "big": 12345678901234567890, "on": true, "none": null}`;

test("nested values are named by the way to them", async () => {
  const store = await open(nested);
  expect(await store.getAll({}, {})).toEqual({
    "redis:password": { "redis:password": "p" },
    "redis:ports:0": { "redis:ports:0": "1" },
    "redis:ports:1": { "redis:ports:1": "2" },
    plain: { plain: "x" },
    big: { big: "12345678901234567890" },
    on: { on: "true" },
    none: { none: "" },
  });
  await expect(store.get("redis", {}, {})).rejects.toMatchObject({ reason: "secretNotFound" });
});

test("the separator is a setting", async () => {
  const store = await open(nested, { nestedSeparator: "." });
  expect(await store.get("redis.ports.1", {}, {})).toEqual({ "redis.ports.1": "2" });
});

test("with multiValued a name at the top is one secret with all values below it", async () => {
  const store = await open(nested, { multiValued: true });
  expect(await store.get("redis", {}, {})).toEqual({ password: "p", "ports:0": "1", "ports:1": "2" });
  expect(await store.get("plain", {}, {})).toEqual({ plain: "x" });
});

test("the file may start with a byte order mark", async () => {
  const store = await open('\uFEFF{"a": "1"}');
  expect(await store.get("a", {}, {})).toEqual({ a: "1" });
});

test.each([
  ['{"a": "1"\n "b": "2"}', "2:2", 'expected "," or "}"'],
  ['{"a": s3cret}', "1:7", "expected a value"],
  ['{"a": "s3cret}', "1:7", "expected a text in double quotes"],
  ['{"a": 1,}', "1:9", "expected a name in double quotes"],
  ['{"a": 1} {', "1:10", "expected the end of the file"],
  ['{"a": [1 2]}', "1:10", 'expected "," or "]"'],
  ['{"a" 1}', "1:6", 'expected ":"'],
  ["", "1:1", "expected a value"],
])("a mistake in %j is told with its place and without the text around it", async (text, place, expected) => {
  const failure = await open(text).catch((error: unknown) => String(error));
  expect(failure).toContain(`secrets.json:${place}: ${expected}`);
  expect(failure).not.toContain("s3cret");
});

test("a file that is not there, and one without an object, are told by name", async () => {
  await expect(openDriver(localFile, { secretsFile: "nowhere.json" })).rejects.toThrow(/secretsFile.*nowhere\.json/);
  await expect(open('["a"]')).rejects.toThrow(/must hold a JSON object/);
});

test("a file that has changed is read again, and one that is wrong takes nothing away", async () => {
  const folder = tempFolder({ "secrets.json": '{"a": "1"}' });
  const secretsFile = join(folder, "secrets.json");
  const store = await openDriver(localFile, { secretsFile });
  writeFileSync(secretsFile, '{"a": "two"}');
  expect(await store.get("a", {}, {})).toEqual({ a: "two" });
  writeFileSync(secretsFile, '{"a": ');
  expect(await store.get("a", {}, {})).toEqual({ a: "two" });
  rmSync(secretsFile);
  expect(await store.getAll({}, {})).toEqual({ a: { a: "two" } });
});

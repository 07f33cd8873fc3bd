import { expect, test } from "vitest";
import { fromBase64, readObject, readOptions, unquoted } from "../../../../components/aws.s3/request.ts";

const defaults = { decodeBase64: false, encodeBase64: true };

test("a request says what it wants of an object, and the component what it leaves out", () => {
  const metadata = {
    key: "a",
    decodeBase64: "true",
    tags: "env = test, size=",
    presignTTL: "1h30m",
    storageClass: "GLACIER",
  };
  expect(readOptions(metadata, defaults)).toEqual({
    key: "a",
    decodeBase64: true,
    encodeBase64: true,
    filePath: undefined,
    contentType: undefined,
    tags: { env: "test", size: "" },
    storageClass: "GLACIER",
    presignSeconds: 5400,
  });
  expect(readOptions({}, { ...defaults, storageClass: "STANDARD_IA" }).storageClass).toBe("STANDARD_IA");
});

test.each([
  ["decodeBase64", "perhaps"],
  ["tags", "alone"],
  ["tags", "=value"],
  ["presignTTL", "15"],
  ["presignTTL", "0s"],
  ["presignTTL", "169h"],
  ["presignTTL", "-5m"],
])("metadata %s of %j is refused by its name", (key, value) => {
  expect(() => readOptions({ [key]: value }, defaults)).toThrow(`metadata ${key}: must be`);
});

test("a JSON text loses its quotes, and other data stays as it is", () => {
  expect(unquoted(Buffer.from('"a\\nb"')).toString()).toBe("a\nb");
  for (const same of ["plain", '{"a":1}', '"', '"a"b"', ""]) expect(unquoted(Buffer.from(same)).toString()).toBe(same);
});

test("base64 may be broken into lines, and nothing else is taken for it", () => {
  expect(fromBase64(Buffer.from("aGVs\r\nbG8=\n")).toString()).toBe("hello");
  expect(() => fromBase64(Buffer.from("hello"))).toThrow(/decodeBase64 is set and the data is not base64/);
});

test("the data of a list is a JSON object or nothing", () => {
  expect(readObject(Buffer.alloc(0), "list")).toEqual({});
  expect(readObject(Buffer.from('{"prefix":"a"}'), "list")).toEqual({ prefix: "a" });
  for (const other of ["[1]", "null", "x"]) {
    expect(() => readObject(Buffer.from(other), "list")).toThrow(/the data of list must be a JSON object/);
  }
});

import { describe, expect, test } from "vitest";
import { HeaderRules } from "../../../../components/kafka/headers.ts";

const rules = (excludeHeaderMetaRegex = "", escapeHeaders = false) =>
  new HeaderRules({ excludeHeaderMetaRegex, escapeHeaders });
const texts = (headers: Map<Buffer, Buffer>) =>
  Object.fromEntries([...headers].map(([k, v]) => [String(k), String(v)]));
const header = (name: string, value: string) => [Buffer.from(name), Buffer.from(value)] as const;

describe("headers", () => {
  test("are all metadata but the number of the partition", () => {
    const metadata = { partitionKey: "blue", color: "red", partitionNumber: "3" };
    expect(texts(rules().toHeaders(metadata, undefined))).toEqual({ partitionKey: "blue", color: "red" });
  });

  test("hold the end of a message, which is no metadata", () => {
    const headers = rules().toHeaders({ color: "red" }, 1234);
    expect(rules().expiry([...headers])).toBe(1234);
    expect({ ...rules().toMetadata([...headers]) }).toEqual({ color: "red" });
    expect(rules().expiry([header("color", "red")])).toBeUndefined();
  });

  test.each([
    ["^secret", "secretWord"],
    ["(?i)^SECRET", "secretWord"],
    ["Word$|x", "secretWord"],
  ])("leave out what %s matches, in both directions", (source, name) => {
    expect(texts(rules(source).toHeaders({ [name]: "1", color: "2" }, undefined))).toEqual({ color: "2" });
    expect({ ...rules(source).toMetadata([header(name, "1"), header("color", "2")]) }).toEqual({ color: "2" });
  });

  test("may have any name and no value", () => {
    const metadata = rules().toMetadata([
      header("__proto__", "1"),
      [Buffer.from("empty"), null],
      [null, Buffer.from("nameless")],
    ]);
    expect(Object.entries(metadata)).toEqual([
      ["__proto__", "1"],
      ["empty", ""],
      ["", "nameless"],
    ]);
  });

  test("are escaped as in a URL where that is wanted", () => {
    expect(rules("", true).toMetadata([header("a", "x y&z=ü\r\n")])["a"]).toBe("x+y%26z%3D%C3%BC%0D%0A");
  });

  test("cannot be left out by what is no regular expression", () => {
    expect(() => rules("(")).toThrow(/excludeHeaderMetaRegex: is no regular expression/);
  });
});

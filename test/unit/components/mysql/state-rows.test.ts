import { describe, expect, test } from "vitest";
import { fromStoredJson, toStoredJson } from "../../../../components/mysql/state-rows.ts";

const text = (json: string, keepsText = false) => toStoredJson(Buffer.from(json), keepsText);
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

describe("a value in its column", () => {
  test.each([
    "null",
    "1.5",
    '"ä 🔑"',
    ' {"a": [1, {"b": "\\n"}]} ',
    nested(30),
    '{"id": "12345678901234567890"}',
    "1e99",
  ])("is JSON as it is: %s", (json) => {
    expect(text(json)).toEqual({ json, isBinary: false });
  });

  test.each(["", "{", "plain", '"\\u0000"', '"\\ud83d"', nested(31), "12345678901234567890", "1e400"])(
    "is base64 where a server would refuse or change it: %s",
    (json) => {
      const stored = text(json);
      expect(stored).toEqual({ json: `"${Buffer.from(json).toString("base64")}"`, isBinary: true });
      expect(Buffer.from(fromStoredJson(stored.json, true)).toString()).toBe(json);
    },
  );

  test("keeps its numbers where the server keeps the text", () => {
    expect(text("12345678901234567890", true)).toEqual({ json: "12345678901234567890", isBinary: false });
  });

  test("is bytes where it is no text", () => {
    const bytes = Buffer.from([0xff, 0]);
    expect(fromStoredJson(toStoredJson(bytes, true).json, true)).toEqual(bytes);
  });

  test("that somebody else has marked as bytes, but is no text, comes as its JSON", () => {
    expect(Buffer.from(fromStoredJson('{"a":1}', true)).toString()).toBe('{"a":1}');
  });
});

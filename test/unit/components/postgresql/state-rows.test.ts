import fc from "fast-check";
import { expect, test } from "vitest";
import { fromStoredJson, toStoredJson } from "../../../../components/postgresql/state-rows.ts";

const stored = (text: string) => toStoredJson(Buffer.from(text));

test.each(['{"a": 1}', "[]", "1", "null", '"text"', '"\\ud83d\\ude00"', "1e99"])("%s is kept as JSON", (text) => {
  expect(stored(text)).toEqual({ json: text, isBinary: false });
});

test.each(["", "text", "{", '"\\u0000"', '"\\ud83d"', '"\\ude00"', '{"\\u0000": 1}', "1e400", "[1E-999]"])(
  "%s, which jsonb refuses or would change, is kept as bytes",
  (text) => {
    expect(stored(text)).toEqual({ json: JSON.stringify(Buffer.from(text).toString("base64")), isBinary: true });
  },
);

test("all bytes come back as they were", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (data) => {
      const { json, isBinary } = toStoredJson(data);
      expect(Buffer.from(fromStoredJson(json, isBinary))).toEqual(Buffer.from(data));
    }),
  );
});

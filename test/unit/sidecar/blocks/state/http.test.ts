import { describe, expect, it } from "vitest";
import {
  embedded,
  jsonBytes,
  jsonObject,
  parseConcurrency,
  parseConsistency,
  parseItems,
  parseMetadata,
  parseTransaction,
} from "../../../../../sidecar/blocks/state/http.ts";
import type { MechaError } from "../../../../../specs/errors.ts";

const items = (body: unknown, query: Record<string, string> = {}) =>
  parseItems(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), query);
const transaction = (body: unknown) => parseTransaction(Buffer.from(JSON.stringify(body)));
const textOf = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();
const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect((error as MechaError).reason).toBe("malformedRequest");
    return (error as MechaError).message;
  }
  throw new Error("it was taken");
};

describe("the items of a save", () => {
  it("keep their values as JSON text, numbers exactly", () => {
    const text =
      '[{"key":"a","value":{"n":12345678901234567890,"f":1.10}},{"key":"b","value":"t"},{"key":"c","value":null},{"key":"d"}]';
    expect(items(text).map(({ value }) => textOf(value))).toEqual([
      '{"n":12345678901234567890,"f":1.10}',
      '"t"',
      "null",
      "null",
    ]);
  });

  it("read etag, metadata and options, names in any case", () => {
    const [item] = items([
      {
        Key: "k",
        VALUE: 1,
        Etag: "",
        metadata: { ttlInSeconds: 5, b: true, none: null },
        options: { Concurrency: "first-write", consistency: "strong" },
      },
    ]);
    expect(item).toMatchObject({
      key: "k",
      etag: { value: "" },
      metadata: { ttlInSeconds: "5", b: "true" },
      options: { concurrency: 1, consistency: 2 },
    });
  });

  it("have no etag when it is absent or null", () => {
    expect(items([{ key: "k" }, { key: "k", etag: null }]).map((item) => "etag" in item)).toEqual([false, false]);
  });

  it("let metadata of the query win", () => {
    expect(items([{ key: "k", metadata: { a: "1", b: "1" } }], { a: "2" })[0]?.metadata).toEqual({ a: "2", b: "1" });
  });

  it("may be none", () => {
    expect(items([])).toEqual([]);
  });

  it.each([
    ["[", "the body is not JSON"],
    [{}, "the body must be an array of {key, value}"],
    [[5], "[0] must be an object"],
    [[null], "[0] must be an object"],
    [[{}], "[0].key must be a text"],
    [[{ key: "a" }, { key: 5 }], "[1].key must be a text"],
    [[{ key: "" }], "[0].key must be a text that is not empty"],
    [[{ key: "a", etag: 5 }], "[0].etag must be a text"],
    [[{ key: "a", metadata: [] }], "[0].metadata must be an object"],
    [[{ key: "a", metadata: { b: {} } }], "[0].metadata.b must be a text"],
    [[{ key: "a", options: 5 }], "[0].options must be an object"],
    [[{ key: "a", options: { concurrency: "maybe" } }], 'concurrency must be first-write or last-write, got "maybe"'],
    [[{ key: "a", options: { consistency: 5 } }], "consistency must be eventual or strong, got 5"],
  ])("that are %j are refused", (body, part) => {
    expect(refusal(() => items(body))).toContain(part);
  });

  it("nested deeper than can be stored are refused, not half read", () => {
    const deep = `[{"key":"a","value":${"[".repeat(50_000)}${"]".repeat(50_000)}}]`;
    expect(refusal(() => items(deep))).toContain("nested");
  });

  it("that are not UTF-8 are refused", () => {
    expect(refusal(() => parseItems(Buffer.from([0x5b, 0xff]), {}))).toContain("not UTF-8");
  });
});

describe("the body of a transaction", () => {
  it("gives operations with their items", () => {
    const { operations, metadata } = transaction({
      operations: [
        { operation: "upsert", request: { KEY: "a", value: 1 } },
        { operation: "delete", request: { key: "b", etag: "7" } },
      ],
      metadata: { partitionKey: "p" },
    });
    expect(operations).toMatchObject([
      { operationType: "upsert", request: { key: "a" } },
      { operationType: "delete", request: { key: "b", etag: { value: "7" } } },
    ]);
    expect(metadata).toEqual({ partitionKey: "p" });
  });

  it("names its fields in any case", () => {
    const request = { Key: "a", Value: 1 };
    const { operations, metadata } = transaction({
      Operations: [{ Operation: "upsert", Request: request }],
      Metadata: { partitionKey: "p" },
    });
    expect(operations).toMatchObject([{ operationType: "upsert", request: { key: "a" } }]);
    expect(metadata).toEqual({ partitionKey: "p" });
  });

  it("may have no operations", () => {
    expect(transaction({}).operations).toEqual([]);
    expect(transaction({ operations: [] }).operations).toEqual([]);
  });

  it("leaves unknown operations to the method", () => {
    expect(
      transaction({ operations: [{ operation: "increment", request: { key: "a" } }] }).operations[0]?.operationType,
    ).toBe("increment");
  });

  it.each([
    [[], "the body must be an object with operations"],
    [{ operations: {} }, "operations must be an array"],
    [{ operations: [5] }, "operations[0] must be an object"],
    [{ operations: [{}] }, "operations[0].operation must be upsert or delete"],
    [{ operations: [{ operation: "upsert" }] }, "operations[0].request must be an object"],
    [{ operations: [{ operation: "upsert", request: {} }] }, "operations[0].request.key must be a text"],
    [{ metadata: 5 }, "metadata must be an object of texts"],
  ])("that is %j is refused", (body, part) => {
    expect(refusal(() => transaction(body))).toContain(part);
  });
});

describe("words", () => {
  it("for consistency and concurrency may be absent or empty", () => {
    for (const none of [undefined, null, ""]) {
      expect(parseConsistency(none)).toBe(0);
      expect(parseConcurrency(none)).toBe(0);
    }
    expect([parseConsistency("eventual"), parseConsistency("strong")]).toEqual([1, 2]);
    expect([parseConcurrency("first-write"), parseConcurrency("last-write")]).toEqual([1, 2]);
  });

  it("are compared with regard to case", () => {
    expect(refusal(() => parseConsistency("STRONG"))).toContain('got "STRONG"');
  });
});

describe("answers", () => {
  it("embed stored JSON as it is and other bytes in base64", () => {
    expect(embedded(Buffer.from('{"a": 1.10}'))).toBe('{"a": 1.10}');
    expect(embedded(Buffer.from("plain text"))).toBe('"cGxhaW4gdGV4dA=="');
    expect(embedded(Buffer.from([0xff, 0xfe]))).toBe('"//4="');
    expect(embedded(Buffer.from([0x22, 0xff, 0x22]))).toBe('"Iv8i"');
  });

  it("leave out fields that are not there", () => {
    expect(jsonObject({ key: '"k"', data: undefined, etag: '"1"' })).toBe('{"key":"k","etag":"1"}');
    expect(jsonObject({})).toBe("{}");
  });

  it("store nothing as null", () => {
    expect(textOf(jsonBytes(undefined))).toBe("null");
  });
});

it("metadata keys that objects have by themselves stay keys", () => {
  const metadata = parseMetadata(JSON.parse('{"__proto__":"a","constructor":"b"}'), "x");
  expect(Object.entries(metadata)).toEqual([
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
});

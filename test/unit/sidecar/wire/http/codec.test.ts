import { create, equals } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type AnyMethod, type HttpInput, method } from "../../../../../sidecar/kernel/method.ts";
import { decodeInput, encodeOutput } from "../../../../../sidecar/wire/http/codec.ts";
import { RoutedInput } from "../../../../../sidecar/wire/http/input.ts";
import type { MechaError } from "../../../../../specs/errors.ts";
import type {
  ConversationRequestAlpha2Schema,
  ConversationResponseAlpha2,
} from "../../../../../specs/gen/dapr/proto/runtime/v1/ai_pb.js";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { TryLockRequestSchema } from "../../../../../specs/gen/dapr/proto/runtime/v1/lock_pb.js";
import { GetBulkStateRequestSchema } from "../../../../../specs/gen/dapr/proto/runtime/v1/state_pb.js";

const http = (body: string | Uint8Array, params: Record<string, string> = {}, search = ""): HttpInput =>
  new RoutedInput("POST", "/v1.0/x", params, {}, search, typeof body === "string" ? Buffer.from(body) : body);

const shape = { verbs: ["POST"], paths: ["/v1.0/x"] } as const;
const lock = method(Dapr.method.tryLockAlpha1, "lock", shape, async () => ({}));
const bulk = method(Dapr.method.getBulkState, "state", shape, async () => ({}));
const converse = method(Dapr.method.converseAlpha2, "conversation", shape, async () => ({}));

const decode = (of: AnyMethod, input: HttpInput) => decodeInput(of, shape, input);
const refusal = (of: AnyMethod, input: HttpInput): MechaError => {
  try {
    decode(of, input);
  } catch (error) {
    return error as MechaError;
  }
  throw new Error("it was taken");
};

describe("a message from body, path and query", () => {
  it("takes field names in camel case and in snake case", () => {
    const wanted = create(TryLockRequestSchema, {
      storeName: "s",
      resourceId: "r",
      lockOwner: "o",
      expiryInSeconds: 9,
    });
    const camel = decode(lock, http('{"resourceId":"r","lockOwner":"o","expiryInSeconds":9}', { storeName: "s" }));
    const snake = decode(
      lock,
      http('{"resource_id":"r","lock_owner":"o","expiry_in_seconds":"9"}', { storeName: "s" }),
    );
    expect(equals(TryLockRequestSchema, camel as never, wanted)).toBe(true);
    expect(equals(TryLockRequestSchema, snake as never, wanted)).toBe(true);
  });

  it("ignores unknown fields and takes an empty body", () => {
    expect(decode(lock, http('{"nobody":"knows"}'))).toMatchObject({ resourceId: "" });
    expect(decode(lock, http("", { storeName: "s" }))).toMatchObject({ storeName: "s", resourceId: "" });
  });

  it("believes the path and not the body", () => {
    const both = '{"storeName":"from body","store_name":"from body"}';
    expect(decode(lock, http(both, { storeName: "from path" }))).toMatchObject({ storeName: "from path" });
  });

  it("puts metadata of the query over that of the body", () => {
    const input = http('{"keys":["k"],"metadata":{"a":"body","b":"body"}}', {}, "metadata.a=query&metadata.c=query");
    const wanted = create(GetBulkStateRequestSchema, { keys: ["k"], metadata: { a: "query", b: "body", c: "query" } });
    expect(equals(GetBulkStateRequestSchema, decode(bulk, input) as never, wanted)).toBe(true);
  });

  it("leaves metadata of the query out where the message has no place for it", () => {
    expect(decode(lock, http("{}", {}, "metadata.a=b"))).not.toHaveProperty("metadata");
  });

  it("reads oneofs, structs and durations", () => {
    const text = '{"inputs":[{"messages":[{"ofUser":{"content":[{"text":"hi"}]}}]}],"responseFormat":{"a":[1]}}';
    const read = decode(converse, http(text)) as ReturnType<typeof create<typeof ConversationRequestAlpha2Schema>>;
    expect(read.inputs[0]?.messages[0]?.messageTypes.case).toBe("ofUser");
    expect(read.responseFormat).toEqual({ a: [1] });
  });

  it.each([
    ["a body that is not JSON", "{", "the body is not JSON"],
    ["an array", "[]", "the body must be a JSON object"],
    ["null", "null", "the body must be a JSON object"],
    ["a text", '"x"', "the body must be a JSON object"],
    ["a wrong type", '{"resourceId":5}', "resourceId: expected string, got 5"],
    ["a number out of range", '{"expiryInSeconds":3000000000}', "expiryInSeconds: expected number"],
    ["a broken number", '{"expiryInSeconds":1.5}', "expiryInSeconds: expected number"],
  ])("refuses %s and says what is wrong", (_, body, part) => {
    const error = refusal(lock, http(body));
    expect(error.reason).toBe("malformedRequest");
    expect(error.message).toContain(part);
    expect(error.message).not.toMatch(/cannot decode message|protobuf/);
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(refusal(lock, http(new Uint8Array([0x7b, 0xff, 0x7d]))).message).toContain("the body is not UTF-8 text");
  });

  it("refuses a body that is nested too deep", () => {
    const deep = `{"responseFormat":${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}}`;
    const error = refusal(converse, http(deep));
    expect(error.reason).toBe("malformedRequest");
    expect(error.message).toContain("nested deeper than 100 levels");
  });

  it("is left to the shape's own codec where there is one", () => {
    const own = { ...shape, input: (input: HttpInput) => ({ resourceId: `own ${input.params["storeName"]}` }) };
    expect(decodeInput(lock, own, http("not JSON", { storeName: "s" }))).toMatchObject({
      $typeName: "dapr.proto.runtime.v1.TryLockRequest",
      resourceId: "own s",
    });
  });

  it("comes one by one where the method takes a stream", async () => {
    const streaming = method(Dapr.method.encryptAlpha1, "crypto", shape, async () => [] as never);
    async function* inits() {
      yield { payload: { seq: 0n } };
      yield { payload: { seq: 1n } };
    }
    const messages: unknown[] = [];
    for await (const one of decodeInput(streaming, { ...shape, input: inits }, http("")) as AsyncIterable<unknown>)
      messages.push(one);
    expect(messages).toMatchObject([{ $typeName: "dapr.proto.runtime.v1.EncryptRequest" }, { payload: { seq: 1n } }]);
  });
});

describe("an answer", () => {
  const encode = (of: AnyMethod, output: unknown, part: object = {}) =>
    encodeOutput(of, { ...shape, ...part }, output, http(""));

  it("is JSON in camel case with status 200", () => {
    expect(encode(lock, { success: true })).toEqual({ status: 200, body: '{"success":true}' });
  });

  it("writes 64 bit numbers as texts and bytes in base64", () => {
    const output = {
      outputs: [{ choices: [{ index: 2n ** 53n }], usage: { totalTokens: 1n } }],
    } as ConversationResponseAlpha2;
    const { body } = encode(converse, output) as { body: string };
    expect(JSON.parse(body)).toEqual({
      outputs: [{ choices: [{ index: "9007199254740992" }], usage: { totalTokens: "1" } }],
    });
    const state = method(Dapr.method.getState, "state", shape, async () => ({}));
    expect(encode(state, { data: Buffer.from("hi") })).toEqual({ status: 200, body: '{"data":"aGk="}' });
  });

  it("without content is 204, unless the shape names a status", () => {
    expect(encode(lock, {})).toEqual({ status: 204 });
    expect(encode(lock, {}, { status: 202 })).toEqual({ status: 202, body: "{}" });
  });

  it("of a shape with status 204 is empty whatever the method gave", () => {
    expect(encode(lock, { success: true }, { status: 204 })).toEqual({ status: 204 });
  });

  it("is built by the shape's own codec where there is one", () => {
    expect(encode(lock, { success: true }, { output: () => ({ status: 299 }) })).toEqual({ status: 299 });
  });
});

import { describe, expect, it } from "vitest";
import type { Binding, BindingAnswer, BindingRequest } from "../../../../../components/contract/bindings.ts";
import { bindingMethods } from "../../../../../sidecar/blocks/bindings/methods.ts";
import { fail, MechaError } from "../../../../../specs/errors.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { componentsOf, type OpenPart } from "../../../../support/components.ts";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

type Answering = (request: BindingRequest) => Promise<BindingAnswer | undefined>;

/** A binding named `out` with the operation `create`, and what it was asked. */
function binding(answer: Answering = async () => undefined, runtime = {}) {
  const asked: BindingRequest[] = [];
  const opened: Binding = {
    operations: ["create"],
    async invoke(request) {
      asked.push(request);
      return answer(request);
    },
    close: async () => {},
  };
  const driver = {
    kind: "bindings",
    type: "bindings.fake",
    capabilities: ["output"],
  } as unknown as OpenPart<"bindings">["driver"];
  return { asked, methods: bindingMethods(componentsOf({ name: "out", driver, opened, runtime })) };
}

async function http(answer?: Answering, runtime?: object) {
  const { asked, methods } = binding(answer, runtime);
  const wire = await startHttpWire({ methods });
  const post = (body: unknown, headers: Record<string, string> = {}, path = "/v1.0/bindings/out") =>
    wire.call({ verb: "POST", path, headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  return { asked, post };
}
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("an output binding over HTTP", () => {
  it("is given operation, data as JSON text, and metadata as texts", async () => {
    const { asked, post } = await http();
    const reply = await post(
      '{"operation":"create","data":{"n":12345678901234567890},"metadata":{"a":"b","n":5,"t":true}}',
    );
    expect(reply).toMatchObject({ status: 204, text: "" });
    expect(Buffer.from(asked[0]?.data ?? []).toString()).toBe('{"n":12345678901234567890}');
    expect(asked[0]).toMatchObject({ operation: "create", metadata: { a: "b", n: "5", t: "true" } });
  });

  it("takes field names in any case, and null as if it were not there", async () => {
    const { asked, post } = await http();
    await post({ Operation: "create", Data: 1, Metadata: { a: "b", none: null } });
    expect(asked).toMatchObject([{ operation: "create", data: Buffer.from("1"), metadata: { a: "b" } }]);
    expect(asked[0]?.metadata).not.toHaveProperty("none");
    expect((await post({ operation: null })).json()).toMatchObject({ errorCode: "ERR_INVOKE_OUTPUT_BINDING" });
  });

  it("is given a text with its quotes, and nothing where there is no data", async () => {
    const { asked, post } = await http();
    for (const body of [{ data: "text" }, { data: null }, {}]) await post({ operation: "create", ...body });
    expect(asked.map(({ data }) => Buffer.from(data).toString())).toEqual(['"text"', "null", ""]);
  });

  it("answers with its data and metadata", async () => {
    const { post } = await http(async () => ({ data: Buffer.from("raw bytes"), metadata: { statusCode: "200" } }));
    const reply = await post({ operation: "create" });
    expect(reply).toMatchObject({ status: 200, text: "raw bytes" });
    expect(reply.headers).toMatchObject({ "metadata.statuscode": "200", "content-type": "application/json" });
  });

  it("answers metadata even without data, and when it fails", async () => {
    const only = await http(async () => ({ metadata: { a: "b" } }));
    expect(await only.post({ operation: "create" })).toMatchObject({ status: 204, headers: { "metadata.a": "b" } });
    const answer = { metadata: { statusCode: "500" } };
    const failing = await http(() =>
      Promise.reject(new MechaError("bindingFailed", { name: "out", cause: "received 500", answer })),
    );
    const reply = await failing.post({ operation: "create" });
    expect(reply).toMatchObject({ status: 500, headers: { "metadata.statuscode": "500" } });
    expect(reply.json()).toMatchObject({
      errorCode: "ERR_INVOKE_OUTPUT_BINDING",
      message: "error invoking output binding out: received 500",
    });
  });

  it.each([
    [
      "an unknown binding",
      { operation: "create" },
      "/v1.0/bindings/other",
      "couldn't find output binding other; configured: out",
    ],
    ["no operation", {}, "/v1.0/bindings/out", "field operation is required; out offers create"],
    [
      "an operation it has not",
      { operation: "delete" },
      "/v1.0/bindings/out",
      "operation delete is not offered by out; it offers create",
    ],
  ])("refuses %s", async (_, body, path, message) => {
    const { asked, post } = await http();
    const reply = await post(body, {}, path);
    expect(reply.status).toBe(500);
    expect(reply.json()).toMatchObject({
      errorCode: "ERR_INVOKE_OUTPUT_BINDING",
      message: expect.stringContaining(message),
    });
    expect(asked).toEqual([]);
  });

  it.each([
    ["", "the body is not JSON"],
    ["[]", "the body must be an object"],
    ['{"operation":5}', "operation must be a text"],
    ['{"operation":"create","metadata":[]}', "metadata must be an object of texts"],
    ['{"operation":"create","metadata":{"a":{}}}', "metadata.a must be a text"],
    [`{"operation":"create","data":${"[".repeat(5000)}${"]".repeat(5000)}}`, "nested deeper"],
  ])("refuses the body %.60s", async (body, part) => {
    const { post } = await http();
    const reply = await post(body);
    expect(reply.status).toBe(400);
    expect(reply.json()).toMatchObject({ errorCode: "ERR_MALFORMED_REQUEST", message: expect.stringContaining(part) });
  });

  it("fails with what its driver said", async () => {
    const { post } = await http(() => Promise.reject(fail("backendUnavailable", { name: "out", cause: "refused" })));
    expect((await post({ operation: "create" })).json()).toMatchObject({
      errorCode: "ERR_INVOKE_OUTPUT_BINDING",
      message: "error invoking output binding out: out does not answer: refused",
    });
  });

  it("is not one when its direction says input", async () => {
    const only = await http(undefined, { direction: "input" });
    expect((await only.post({ operation: "create" })).status).toBe(500);
    const both = await http(undefined, { direction: "input, output" });
    expect((await both.post({ operation: "create" })).status).toBe(204);
  });
});

describe("the context of a call", () => {
  it("goes to the binding: trace and baggage, unless its metadata says otherwise", async () => {
    const { asked, post } = await http();
    const headers = { traceparent, tracestate: "a=b", baggage: "user=1;p, x=%20", "x-own": "no" };
    await post({ operation: "create" }, headers);
    expect(asked[0]?.metadata).toEqual({ traceparent, tracestate: "a=b", baggage: "user=1;p, x=%20" });
    await post({ operation: "create", metadata: { traceparent: "mine" } }, headers);
    expect(asked[1]?.metadata).toMatchObject({ traceparent: "mine" });
  });

  it("is left out where there is none, or none that can be read", async () => {
    const { asked, post } = await http();
    await post({ operation: "create" });
    await post({ operation: "create" }, { traceparent: "nonsense" });
    expect(asked.map(({ metadata }) => metadata)).toEqual([{}, {}]);
  });

  it.each([
    "novalue",
    "a=b,,c=d",
    "a b=c",
    'a="quoted"',
    `a=${"x".repeat(3000)},b=${"x".repeat(3000)},c=${"x".repeat(3000)}`,
  ])("is refused with the baggage %.30s", async (baggage) => {
    const methods = binding().methods;
    const wire = await startHttpWire({ methods, maxHeaderBytes: 16_384 });
    const reply = await wire.call({
      verb: "POST",
      path: "/v1.0/bindings/out",
      headers: { baggage },
      body: '{"operation":"create"}',
    });
    expect(reply.status).toBe(400);
    expect(reply.json()).toMatchObject({
      errorCode: "ERR_MALFORMED_REQUEST",
      message: expect.stringContaining("baggage"),
    });
  });

  it("includes the caller's metadata over gRPC, but not our token", async () => {
    const { asked, methods } = binding(async () => ({ data: Buffer.from("d"), metadata: { a: "b" } }));
    const wire = await startGrpcWire({ methods });
    const reply = await wire.call(
      Dapr.method.invokeBinding,
      { name: "out", operation: "create", data: Buffer.from("raw"), metadata: { "x-own": "given" } },
      { "x-own": "lost", "x-other": "1", "dapr-api-token": "secret", traceparent },
    );
    expect(reply).toMatchObject({
      code: 0,
      headers: { "metadata.a": "b" },
      messages: [{ data: Buffer.from("d"), metadata: { a: "b" } }],
    });
    expect(asked[0]?.metadata).toMatchObject({ "x-own": "given", "x-other": "1", traceparent });
    expect(Object.keys(asked[0]?.metadata ?? {}).filter((name) => /token|grpc|^user-agent|^:|^te$/.test(name))).toEqual(
      [],
    );
  });
});

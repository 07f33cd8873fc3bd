import { describe, expect, it } from "vitest";
import type { HttpShape } from "../../../../../sidecar/kernel/method.ts";
import { fail } from "../../../../../specs/errors.ts";
import { startHttpWire } from "../../../../support/wires.ts";
import { type GetState, getState } from "./scripted-methods.ts";

describe("answers", () => {
  it("are JSON unless the method says otherwise, with its headers", async () => {
    const wire = await startHttpWire({
      methods: [
        getState(
          (key, request) => {
            request.reply("metadata.a", "b");
            return { data: Buffer.from(key) };
          },
          { output: ({ data }) => ({ status: 200, headers: { etag: "7" }, body: data ?? "" }) },
        ),
      ],
    });
    const { status, headers, text } = await wire.call({ path: "/v1.0/state/s/k" });
    expect({ status, text }).toEqual({ status: 200, text: "k" });
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": "1",
      etag: "7",
      "metadata.a": "b",
    });
  });

  it("survive header values and names that a backend made up", async () => {
    const odd = {
      "metadata.line": "a\r\nb: c\0",
      "metadata.ü": "x",
      "metadata.price": "3 €",
      "metadata.": "ok",
      "metadata.a b": "x",
    };
    const wire = await startHttpWire({
      methods: [
        getState((key, request) => {
          for (const [name, value] of Object.entries(odd)) request.reply(name, value);
          if (key === "fail") throw fail("internal", { why: "no" });
          return { etag: "1" };
        }),
      ],
    });
    for (const [key, status] of [
      ["k", 200],
      ["fail", 500],
    ] as const) {
      const reply = await wire.call({ path: `/v1.0/state/s/${key}` });
      expect(reply.status).toBe(status);
      expect(reply.headers["metadata.line"]).toBe("a  b: c");
      expect(Buffer.from(reply.headers["metadata.price"] as string, "latin1").toString()).toBe("3 €");
      expect(Object.keys(reply.headers).filter((name) => name.startsWith("metadata"))).toEqual([
        "metadata.line",
        "metadata.price",
        "metadata.",
      ]);
    }
  });

  it("tell an error of the table in its own words", async () => {
    const wire = await startHttpWire({
      methods: [getState(() => Promise.reject(fail("stateStoreNotFound", { name: "s" })))],
    });
    const reply = await wire.call({ path: "/v1.0/state/s/k" });
    expect(reply.status).toBe(400);
    expect(reply.json()).toEqual({
      errorCode: "ERR_STATE_STORE_NOT_FOUND",
      message: "state store s is not found",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.ErrorInfo",
          reason: "DAPR_STATE_NOT_FOUND",
          domain: "dapr.io",
          metadata: { appID: "app" },
        },
      ],
    });
  });

  it.each([
    ["an Error", new Error("boom"), "boom"],
    ["a text", "boom", "boom"],
    ["nothing", undefined, "undefined"],
  ])("to %s that nobody expected are 500 ERROR", async (_, thrown, message) => {
    const wire = await startHttpWire({ methods: [getState(() => Promise.reject(thrown))] });
    const reply = await wire.call({ path: "/v1.0/state/s/k" });
    expect({ status: reply.status, body: reply.json() }).toEqual({
      status: 500,
      body: { errorCode: "ERROR", message },
    });
  });

  it("may fail in the method's own form", async () => {
    const own: Partial<HttpShape<GetState>> = {
      failure: (error) => ((error as Error).message === "mine" ? { status: 418, body: '"mine"' } : undefined),
    };
    const wire = await startHttpWire({ methods: [getState((key) => Promise.reject(new Error(key)), own)] });
    expect(await wire.call({ path: "/v1.0/state/s/mine" })).toMatchObject({ status: 418, text: '"mine"' });
    expect(await wire.call({ path: "/v1.0/state/s/other" })).toMatchObject({ status: 500 });
  });

  it("may be streams, whose first chunk decides between an answer and an error", async () => {
    async function* chunks(key: string) {
      if (key === "early") throw fail("cryptoRequest", { why: "early" });
      yield Buffer.from("one");
      if (key === "late") throw new Error("late");
      yield Buffer.from("two");
    }
    const shape: Partial<HttpShape<GetState>> = {
      output: (_, http) => ({ status: 200, body: chunks(http.params["key"] ?? "") }),
    };
    const wire = await startHttpWire({ methods: [getState(() => ({}), shape)] });
    expect(await wire.call({ path: "/v1.0/state/s/k" })).toMatchObject({ status: 200, text: "onetwo" });
    expect(await wire.call({ path: "/v1.0/state/s/early" })).toMatchObject({
      status: 400,
      text: expect.stringContaining("early"),
    });
    await expect(wire.call({ path: "/v1.0/state/s/late" })).rejects.toThrow();
    expect(await wire.call({ path: "/v1.0/state/s/k" })).toMatchObject({ status: 200 });
  });

  it("of a stream that ends before its first chunk have no content", async () => {
    async function* none(): AsyncGenerator<Uint8Array> {}
    const wire = await startHttpWire({
      methods: [getState(() => ({}), { output: () => ({ status: 200, body: none() }) })],
    });
    expect(await wire.call({ path: "/v1.0/state/s/k" })).toMatchObject({ status: 200, text: "" });
  });
});

import { describe, expect, it } from "vitest";
import {
  abandoned,
  endedAnswer,
  failedAnswer,
  grpcCodeOf,
  httpStatusOf,
  laterAnswer,
  StatusFailure,
  statusOfError,
} from "../../../../sidecar/kernel/status.ts";
import { fail } from "../../../../specs/errors.ts";
import { whole } from "../../../support/raw-calls.ts";

describe("statuses of the other wire", () => {
  it("stand for gRPC codes over HTTP", () => {
    const statuses = Array.from({ length: 17 }, (_, code) => httpStatusOf(code));
    expect(statuses).toEqual([200, 408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
    expect(httpStatusOf(99)).toBe(500);
  });

  it("stand for HTTP statuses over gRPC", () => {
    const codes = [200, 204, 408, 500, 400, 504, 404, 409, 403, 401, 429, 501, 503, 302, 418].map(grpcCodeOf);
    expect(codes).toEqual([0, 0, 1, 2, 13, 4, 5, 6, 7, 16, 8, 12, 14, 2, 2]);
  });

  it("are both known of a refusal", () => {
    expect(new StatusFailure({ http: 404 }, "m")).toMatchObject({ httpStatus: 404, grpcCode: 5, metadata: {} });
    expect(new StatusFailure({ grpc: 5 }, "m", { a: "b" })).toMatchObject({
      httpStatus: 404,
      grpcCode: 5,
      metadata: { a: "b" },
    });
  });
});

describe("the status of something thrown", () => {
  it("is the refusal's, the reason's, or internal", () => {
    expect(statusOfError(new StatusFailure({ grpc: 9 }, "m", { a: "b" }))).toEqual({
      code: 9,
      details: "m",
      metadata: { a: "b" },
    });
    expect(statusOfError(fail("invokeDenied", { id: "a", operation: "/x" }))).toMatchObject({ code: 7, metadata: {} });
    expect(statusOfError(new Error("boom"))).toEqual({ code: 13, details: "boom", metadata: {} });
    expect(statusOfError("boom")).toMatchObject({ code: 13, details: "boom" });
  });

  it("is a policy's reason when a call was given up for it, else that its caller has left", () => {
    const late = fail("deadlineExceeded", { what: "x", ms: 1 });
    expect(abandoned(AbortSignal.abort(late), "the call")).toBe(late);
    expect(abandoned(AbortSignal.abort(), "the call")).toMatchObject({
      reason: "canceled",
      message: "the call was cancelled by the caller",
    });
  });
});

describe("the answer of a call", () => {
  it("that failed before it began is its status", async () => {
    expect(await whole(failedAnswer(new Error("boom")))).toEqual({
      metadata: {},
      messages: [],
      status: { code: 13, details: "boom", metadata: {} },
    });
  });

  it("that is not there yet comes when it comes, or ends with what went wrong", async () => {
    const status = { code: 0, details: "", metadata: {} };
    async function* messages() {
      yield Buffer.from("a");
    }
    const answer = { metadata: Promise.resolve({ m: "1" }), messages: messages(), status: Promise.resolve(status) };
    expect(await whole(laterAnswer(Promise.resolve(answer)))).toEqual({
      metadata: { m: "1" },
      messages: ["a"],
      status,
    });
    expect((await whole(laterAnswer(Promise.reject(new Error("boom"))))).status).toMatchObject({
      code: 13,
      details: "boom",
    });
  });

  it("that is over is known to be over by whoever has waited for its metadata, through any number of hands", async () => {
    const over = endedAnswer({ code: 5, details: "no", metadata: {} });
    const answer = laterAnswer(Promise.resolve(laterAnswer(Promise.resolve(over))));
    let ended = false;
    void answer.status.then(() => {
      ended = true;
    });
    await answer.metadata;
    expect(ended).toBe(true);
  });
});

import { expect, test } from "vitest";
import { traceOf } from "../../../../sidecar/kernel/request.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("a caller's trace is kept", () => {
  expect(traceOf(traceparent, "a=b")).toEqual({ traceparent, tracestate: "a=b" });
});

test.each([undefined, "", "x", traceparent.toUpperCase(), `${traceparent}-more`])(
  "%s becomes a new, unsampled trace",
  (given) => {
    expect(traceOf(given, "a=b")).toEqual({
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/),
      tracestate: undefined,
    });
  },
);

test("no two new traces are the same", () => {
  const traces = Array.from({ length: 2000 }, () => traceOf(undefined, undefined).traceparent);
  expect(new Set(traces).size).toBe(2000);
});

import { describe, expect, it } from "vitest";
import { detailsOf, isUnexpected, toMechaError } from "../../../../sidecar/wire/error-details.ts";
import { fail } from "../../../../specs/errors.ts";

describe("anything thrown", () => {
  it("that is ours stays as it is", () => {
    const error = fail("etagMismatch", { key: "k" });
    expect(toMechaError(error)).toBe(error);
  });

  it.each([
    [new Error("boom"), "boom"],
    ["boom", "boom"],
    [undefined, "undefined"],
    [null, "null"],
    [42, "42"],
    [{ toString: () => "odd" }, "odd"],
    [Object.create(null), "an unknown value"],
    [Symbol("s"), "Symbol(s)"],
  ])("else becomes internal with its text, and itself as the cause", (thrown, message) => {
    const error = toMechaError(thrown);
    expect(error).toMatchObject({ reason: "internal", message });
    expect(error.cause).toBe(thrown);
  });
});

describe("details", () => {
  it("are none for a row in the short form", () => {
    expect(detailsOf(fail("badRequest", { why: "x" }), { appID: "a" })).toEqual({
      resource: undefined,
      help: undefined,
      info: undefined,
    });
  });

  it("name the resource, the help and the reason", () => {
    const error = fail("stateTransactionUnsupported", { name: "s" });
    expect(detailsOf(error, { appID: "a" })).toEqual({
      resource: { type: "state", name: "s", description: error.message },
      help: "mecha components --capability transaction",
      info: { reason: "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED", metadata: { appID: "a" } },
    });
  });

  it("carry limits as numbers for machines", () => {
    const { info } = detailsOf(fail("stateTransactionTooLarge", { name: "s", count: 11, max: 10 }), { appID: "a" });
    expect(info?.metadata).toEqual({ appID: "a", currentOpsTransaction: "11", maxOpsPerTransaction: "10" });
  });
});

it("only our own faults are unexpected", () => {
  expect(isUnexpected(fail("internal", { why: "x" }))).toBe(true);
  expect(isUnexpected(fail("badRequest", { why: "x" }))).toBe(false);
  expect(isUnexpected(fail("backendUnavailable", { name: "x", cause: "y" }))).toBe(false);
});

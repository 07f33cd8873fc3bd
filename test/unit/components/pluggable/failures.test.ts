import { expect, test } from "vitest";
import { codeOf, detailsOf, etagRefusal, translate } from "../../../../components/pluggable/failures.ts";
import { fail } from "../../../../specs/errors.ts";

const status = (code: number, details: string, bytes?: Uint8Array) =>
  Object.assign(new Error(`${code} X: ${details}`), {
    code,
    details,
    metadata: { get: () => (bytes ? [Buffer.from(bytes)] : []) },
  });

test("the component's own words are told, without the library's", () => {
  expect(detailsOf(status(2, "disk is full"))).toBe("disk is full");
  expect(detailsOf(status(2, ""))).toBe("2 X: ");
  expect(translate(status(2, "disk is full"), "store", "Set")).toMatchObject({ message: "disk is full" });
});

test.each([
  [14, "backendUnavailable", "store does not answer: words"],
  [4, "backendUnavailable", "store does not answer: words"],
  [12, "unimplemented", "Set of component store is not offered here"],
  [3, "malformedRequest", "the request is malformed: words"],
])("status %i becomes %s", (code, reason, message) => {
  expect(translate(status(code, "words"), "store", "Set")).toMatchObject({ reason, message });
});

test("what is no status stays what it is", () => {
  const error = new Error("left");
  expect([translate(error, "store", "Set"), codeOf(error)]).toEqual([error, undefined]);
  const known = fail("unimplemented", { what: "it" });
  expect(translate(known, "store", "Set")).toBe(known);
});

test("details that cannot be read count as none", () => {
  const torn = status(9, "no", Buffer.from([0xff, 0xff]));
  expect([etagRefusal(torn, true), etagRefusal(torn, false)]).toEqual(["etagMismatch", undefined]);
  expect(etagRefusal(new Error("left"), true)).toBeUndefined();
});

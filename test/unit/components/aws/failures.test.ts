import { inspect } from "node:util";
import { expect, test } from "vitest";
import { openFailure, translate, withoutRequest } from "../../../../components/aws/failures.ts";
import { fail } from "../../../../specs/errors.ts";

const asked = { name: "orders", address: "DynamoDB in eu-west-1" };
const failure = (name: string, message: string, more: object = {}) =>
  Object.assign(new Error(message), { name, ...more });

test.each([
  ["UnrecognizedClientException", /accessKey, secretKey: AWS does not know this key/],
  ["SignatureDoesNotMatch", /secretKey: it does not belong to accessKey; correct it \(SignatureDoesNotMatch\)$/],
  ["ExpiredTokenException", /sessionToken: it has expired/],
  ["CredentialsProviderError", /accessKey, secretKey: none are given, and neither environment/],
  ["AccessDeniedException", /the policy of these credentials does not allow it/],
  ["ProvisionedThroughputExceededException", /the service refuses more requests for now/],
])("%s is named, with what to do", (name, message) => {
  const error = failure(name, "the request GET /secret");
  expect(translate(error, asked)).toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringMatching(message),
  });
  expect(openFailure(error, asked)).toMatchObject({ reason: "openFailed", message: expect.stringMatching(message) });
});

test.each([
  [{ code: "ECONNREFUSED" }, /endpoint: nothing listens at DynamoDB in eu-west-1/],
  [{ code: "ENOTFOUND" }, /region, endpoint: the name of/],
  [{ code: "EPROTO" }, /endpoint: .* does not encrypt; write it with http/],
  [{ code: "DEPTH_ZERO_SELF_SIGNED_CERT" }, /certificate of .* is not trusted/],
  [{ $metadata: { httpStatusCode: 503 } }, /orders does not answer: boom/],
  [{ cause: Object.assign(new Error("x"), { code: "ECONNRESET" }) }, /orders does not answer: boom/],
])("a failure with %j is the backend's", (more, message) => {
  const error = translate(failure("Error", "boom", more), asked);
  expect(error).toMatchObject({ reason: "backendUnavailable", message: expect.stringMatching(message) });
});

test("what a caller has asked wrongly stays an error of that call, with a fix where the driver knows one", () => {
  const error = failure("ValidationException", "Item size has exceeded", { $metadata: { httpStatusCode: 400 } });
  expect(translate(error, asked)).toBe(error);
  expect(translate(error, asked, { ValidationException: "store less" })).toMatchObject({
    message: "store less (ValidationException: Item size has exceeded)",
    cause: error,
  });
});

test("a reason stays what it is", () => {
  const reason = fail("etagMismatch", { key: "k" });
  expect(translate(reason, asked)).toBe(reason);
  expect(openFailure(reason, asked)).toBe(reason);
});

test("the request that the library hangs on its errors is left behind, and all that they say is kept", () => {
  const error = failure("ConditionalCheckFailedException", "no", { Item: { a: 1 }, $metadata: { attempts: 2 } });
  Object.defineProperty(error, "$response", { value: { token: "5ecret" }, enumerable: false });
  const bare = withoutRequest(error);
  expect(inspect(bare, { depth: 9, showHidden: true })).not.toContain("5ecret");
  expect(bare).toMatchObject({ name: error.name, message: "no", Item: { a: 1 }, $metadata: { attempts: 2 } });
  expect(bare).toBeInstanceOf(Error);
  expect(withoutRequest(bare)).toBe(bare);
});

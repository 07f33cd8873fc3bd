import { AuthenticationError, MultipleErrors, NetworkError, ProtocolError, UserError } from "@platformatic/kafka";
import { describe, expect, test } from "vitest";
import {
  BrokerError,
  brokerCode,
  ClosedError,
  isFinal,
  isPassing,
  openFailure,
  saying,
  translate,
} from "../../../../components/kafka/failures.ts";
import { fail } from "../../../../specs/errors.ts";

/** As Node gives what the system says, in what the library makes of it. */
const system = (code: string, message = `connect ${code}`) =>
  new NetworkError("Connection to a:1 failed.", { cause: Object.assign(new Error(message), { code }) });
const answered = (code: string) => new MultipleErrors("Received response with error", [new ProtocolError(code)]);

describe("what a broker answered", () => {
  test.each([
    [answered("NOT_COORDINATOR"), "NOT_COORDINATOR"],
    [new BrokerError("NONE"), "NONE"],
    [new MultipleErrors("", [system("ECONNRESET")]), undefined],
    [new Error("x"), undefined],
    ["text", undefined],
  ])("is found in %s", (error, code) => {
    expect(brokerCode(error)).toBe(code);
  });

  test("is said in the broker's words", () => {
    expect(saying(answered("NOT_COORDINATOR"))).toBe("NOT_COORDINATOR: This is not the correct coordinator.");
    expect(saying(new BrokerError("INVALID_RECORD", "no key"))).toBe("INVALID_RECORD: no key");
    expect(saying(system("ECONNREFUSED"))).toBe("connect ECONNREFUSED");
  });
});

test.each([
  [system("ECONNREFUSED"), true],
  [new NetworkError("Connection closed"), true],
  [new ClosedError(), true],
  [answered("NOT_LEADER_OR_FOLLOWER"), true],
  [new BrokerError("COORDINATOR_LOAD_IN_PROGRESS"), true],
  [answered("TOPIC_AUTHORIZATION_FAILED"), false],
  [answered("UNKNOWN_TOPIC_OR_PARTITION"), false],
  [new Error("x"), false],
])("%s is passing: %s", (error, expected) => {
  expect(isPassing(error)).toBe(expected);
});

test.each([
  [fail("openFailed", { why: "x" }), true],
  [
    new NetworkError("failed", {
      cause: new AuthenticationError("no", { cause: answered("SASL_AUTHENTICATION_FAILED") }),
    }),
    true,
  ],
  [
    new NetworkError("failed", {
      cause: new AuthenticationError("no", { cause: new NetworkError("Connection closed") }),
    }),
    false,
  ],
  [system("DEPTH_ZERO_SELF_SIGNED_CERT"), true],
  [new UserError("Broker requires TLS."), true],
  [system("ECONNREFUSED"), false],
])("%s is final: %s", (error, expected) => {
  expect(isFinal(error)).toBe(expected);
});

describe("a first connection that does not come about", () => {
  test.each([
    [
      system("ECONNREFUSED"),
      /^brokers: nothing listens at a:1; start Kafka there, or correct brokers \(connect ECONNREFUSED\)$/,
    ],
    [system("ENOTFOUND"), /^brokers: a name in a:1 is not known/],
    [new NetworkError("Connection to a:1 timed out."), /^brokers: a:1 does not answer within dialTimeout/],
    [system("SELF_SIGNED_CERT_IN_CHAIN"), /^caCert: the certificate of a:1 is not trusted/],
    [new UserError("Broker requires TLS."), /^authType, disableTls: a:1 speaks TLS/],
    [system("EPROTO", "wrong version number"), /^disableTls: a:1 does not speak TLS/],
    [new NetworkError("Connection closed"), /^authType, disableTls: a:1 ends the connection/],
    [new Error("odd"), /^brokers: a:1 cannot be used \(odd\)/],
  ])("%s names the setting and the fix", (error, message) => {
    expect(openFailure(error, "a:1")).toMatchObject({ reason: "openFailed", message: expect.stringMatching(message) });
  });
});

describe("translate", () => {
  test.each([
    [system("ECONNRESET"), /^orders does not answer: connect ECONNRESET/],
    [answered("NOT_ENOUGH_REPLICAS"), /^orders does not answer: NOT_ENOUGH_REPLICAS/],
    [answered("TOPIC_AUTHORIZATION_FAILED"), /^orders does not answer: the sidecar's user may not use the topic/],
    [new ClosedError(), /^orders does not answer: the component is closed/],
  ])("%s means that the backend does not serve", (error, message) => {
    expect(translate(error, "orders")).toMatchObject({
      reason: "backendUnavailable",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    [answered("UNKNOWN_TOPIC_OR_PARTITION"), /the topic does not exist and the brokers do not make it/],
    [answered("INCONSISTENT_GROUP_PROTOCOL"), /consumerGroupRebalanceStrategy/],
    [answered("INVALID_SESSION_TIMEOUT"), /sessionTimeout: .*group\.min\.session\.timeout\.ms/],
  ])("%s says what to do", (error, message) => {
    expect(translate(error, "orders")).toMatchObject({ name: "Error", message: expect.stringMatching(message) });
  });

  test("a name that no topic has is the caller's fault", () => {
    expect(translate(answered("INVALID_TOPIC_EXCEPTION"), "orders")).toMatchObject({ reason: "malformedRequest" });
  });

  test("reasons of ours and of callers stay as they are", () => {
    const reason = fail("requestMetadataInvalid", { key: "k", why: "w" });
    const timeout = new DOMException("late", "TimeoutError");
    expect([translate(reason, "x"), translate(timeout, "x"), translate("text", "x")]).toEqual([
      reason,
      timeout,
      "text",
    ]);
  });
});

import { describe, expect, test } from "vitest";
import { findMismatch, isBlamed, isLost, translate } from "../../../../components/rabbitmq/failures.ts";

const closed = (code: number, text: string) =>
  Object.assign(new Error(`Channel closed by server: ${code} (X) with message "${text}"`), { code });

describe("an error of RabbitMQ", () => {
  test.each([
    [
      "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'orders' in vhost '/': received 'fanout' but current is 'direct'",
      { argument: "type", kind: "exchange", name: "orders", received: "fanout", current: "direct" },
    ],
    [
      "PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue 'q' in vhost '/': received the value '5' of type 'byte' but current is none",
      { argument: "x-max-priority", kind: "queue", name: "q", received: "5", current: "none" },
    ],
    [
      "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost 'a': received none but current is the value '9' of type 'signedint'",
      { argument: "x-max-length", kind: "queue", name: "q", received: "none", current: "9" },
    ],
  ])("tells what differs: %s", (text, mismatch) => {
    expect(findMismatch(closed(406, text))).toEqual(mismatch);
  });

  test("of another kind tells no difference", () => {
    expect(findMismatch(closed(404, "NOT_FOUND - no queue 'q' in vhost '/'"))).toBeUndefined();
  });

  test.each([
    [new Error("channel closed"), true],
    [Object.assign(new Error("Connection closed: 320"), { code: 320 }), true],
    [Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }), true],
    [new Error("Heartbeat timeout"), true],
    [new Error("message nacked"), false],
    [closed(403, "ACCESS_REFUSED"), false],
    [new RangeError("table too large"), false],
  ])("%s is of a lost connection: %s", (error, answer) => {
    expect(isLost(error)).toBe(answer);
  });

  test("is blamed on the message that it names, or whose size it names", () => {
    const refused = closed(403, "ACCESS_REFUSED - access to exchange 'a' in vhost '/' refused for user 'u'");
    expect([isBlamed(refused, "a", 1), isBlamed(refused, "b", 1)]).toEqual([true, false]);
    const large = closed(406, "PRECONDITION_FAILED - message size 100 is larger than configured max size 50");
    expect([isBlamed(large, "a", 100), isBlamed(large, "a", 10)]).toEqual([true, false]);
  });

  test("reaches callers with the component's name and a fix", () => {
    expect(translate(new Error("channel closed"), "broker")).toMatchObject({
      reason: "backendUnavailable",
      message: "broker does not answer: the connection was lost (channel closed); it may be done or not",
    });
    expect(translate(new Error("message nacked"), "broker")).toMatchObject({
      message: expect.stringMatching(/the server did not take the message; a queue has reached its limit/),
    });
    expect(translate(closed(405, "RESOURCE_LOCKED - queue 'q'"), "broker")).toMatchObject({
      message: "broker does not answer: another connection has the queue for itself: RESOURCE_LOCKED - queue 'q'",
    });
  });
});

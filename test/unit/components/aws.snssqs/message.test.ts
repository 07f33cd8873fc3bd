import fc from "fast-check";
import { expect, test } from "vitest";
import { fromQueued, type Notification, sizeOf, toNotification } from "../../../../components/aws.snssqs/message.ts";

const topicArn = "arn:aws:sns:eu-west-1:123456789012:orders";
/** What SQS holds when SNS has put its envelope around a message. */
const enveloped = ({ text, attributes }: Notification) => {
  const MessageAttributes = Object.fromEntries(
    Object.entries(attributes).map(([key, Value]) => [key, { Type: "String", Value }]),
  );
  const body = JSON.stringify({ Type: "Notification", TopicArn: topicArn, Message: text, MessageAttributes });
  return { id: "1", receipt: "1", body, attributes: {}, attempt: 1 };
};

test("any message comes out as it went in, and what SNS gets of it is text that it takes", () => {
  const message = fc.record({
    topic: fc.constant("orders"),
    data: fc.oneof(
      fc.uint8Array(),
      fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
    ),
    contentType: fc.option(fc.constantFrom("application/json", "text/plain; charset=utf-8"), { nil: undefined }),
    metadata: fc.dictionary(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "grapheme" })),
  });
  fc.assert(
    fc.property(message, (given) => {
      const notification = toNotification(given);
      const texts = [notification.text, ...Object.values(notification.attributes)];
      for (const text of texts) expect(text).toMatch(/^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u);
      expect(Object.keys(notification.attributes).length).toBeLessThanOrEqual(10);
      const { data, contentType, metadata, topicArn: arn } = fromQueued(enveloped(notification));
      expect([arn, Buffer.compare(data, given.data), contentType]).toEqual([topicArn, 0, given.contentType]);
      expect(metadata).toEqual({ ...given.metadata });
    }),
  );
});

test("text stays text, and metadata are attributes for filter policies to see", () => {
  const metadata = { color: "blue", "not a name": "x", empty: "", "aws.x": "1" };
  expect(toNotification({ topic: "orders", data: Buffer.from('{"n":1}'), metadata })).toEqual({
    text: '{"n":1}',
    attributes: { color: "blue", "mecha.metadata": '{"not a name":"x","empty":"","aws.x":"1"}' },
  });
});

test("a message without SNS's envelope is taken as it is, with its attributes", () => {
  const bare = { id: "1", receipt: "1", body: '{"Type":"Order"}', attributes: { color: "blue" }, attempt: 1 };
  const { topicArn: arn, data, metadata } = fromQueued(bare);
  expect([arn, Buffer.from(data).toString(), metadata]).toEqual([undefined, '{"Type":"Order"}', { color: "blue" }]);
});

test("attributes count for the size of a message", () => {
  expect(sizeOf({ text: "äö", attributes: {} })).toBe(4);
  expect(sizeOf({ text: "ab", attributes: { key: "value" } })).toBe(2 + 3 + 5 + 6);
});

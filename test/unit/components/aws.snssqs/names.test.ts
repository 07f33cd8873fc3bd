import { expect, test } from "vitest";
import { groupName, queueName, topicName } from "../../../../components/aws.snssqs/names.ts";

test("names keep what AWS takes, and FIFO ones end as AWS wants it", () => {
  expect(topicName("orders", false)).toBe("orders");
  expect(topicName("orders.created/v1_x-y", false)).toBe("orderscreatedv1_x-y");
  expect(topicName("orders", true)).toBe("orders.fifo");
  expect(queueName("orders.fifo", true)).toBe("orders.fifo");
  expect(() => queueName("鍵", false)).toThrow(/"鍵" has no letter or digit/);
});

test("long names fit, keep their beginning and stay apart", () => {
  const [one, two] = ["1", "2"].map((end) => queueName(`${"q".repeat(100)}${end}`, true));
  expect(one).toHaveLength(80);
  expect(one).toMatch(/^q{50,}-[0-9a-f]{16}\.fifo$/);
  expect(one).not.toBe(two);
  expect(topicName("t".repeat(256), false)).toBe("t".repeat(256));
  expect(topicName("t".repeat(257), false)).toHaveLength(256);
});

test("each topic has message groups of its own, of characters and a length that AWS takes", () => {
  expect(groupName("orders", "blue")).toBe("orders.blue");
  for (const key of ["two words", "ключ", "k".repeat(200)]) expect(groupName("orders", key)).toMatch(/^[0-9a-f]{64}$/);
  expect(groupName("orders", "ключ")).not.toBe(groupName("orders2", "ключ"));
});

import { expect, test } from "vitest";
import { parseBrokers, toText } from "../../../../components/kafka/addresses.ts";

test.each([
  ["localhost:9092", [{ host: "localhost", port: 9092 }]],
  [
    " a:1 , b ,",
    [
      { host: "a", port: 1 },
      { host: "b", port: 9092 },
    ],
  ],
  ["[::1]:19092", [{ host: "::1", port: 19092 }]],
  ["[::1]", [{ host: "::1", port: 9092 }]],
  ["fe80::1", [{ host: "fe80::1", port: 9092 }]],
])("brokers %j are read", (text, addresses) => {
  expect(parseBrokers(text)).toEqual(addresses);
});

test.each([
  ["kafka://a:1", /is a URL/],
  ["", /names no broker/],
  [" , ", /names no broker/],
  [":9092", /names no host/],
  ["a:b", /has no port between 1 and 65535/],
  ["a:0", /has no port/],
  ["a:65536", /has no port/],
])("brokers %j are refused", (text, message) => {
  expect(() => parseBrokers(text)).toThrow(message);
});

test("addresses are written as people write them", () => {
  expect(parseBrokers("a:1,[::1]:2").map(toText)).toEqual(["a:1", "[::1]:2"]);
});

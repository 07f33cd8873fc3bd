import { expect, test } from "vitest";
import { parseAddresses } from "../../../../components/jetstream/addresses.ts";

test.each([
  ["localhost", { servers: ["localhost:4222"], hosts: ["localhost"], isEncrypted: false }],
  ["nats://a:1, b:2", { servers: ["a:1", "b:2"], hosts: ["a", "b"], isEncrypted: false }],
  ["tls://[::1]:5", { servers: ["[::1]:5"], hosts: ["::1"], isEncrypted: true }],
  ["nats://u:p%40%zz@a", { servers: ["a:4222"], hosts: ["a"], isEncrypted: false, user: "u", password: "p%40%zz" }],
  ["nats://u:p%40@a", { servers: ["a:4222"], hosts: ["a"], isEncrypted: false, user: "u", password: "p@" }],
  ["nats://t0ken@a", { servers: ["a:4222"], hosts: ["a"], isEncrypted: false, token: "t0ken" }],
])("natsURL %j is read", (text, expected) => {
  expect(parseAddresses(text)).toEqual(expected);
});

test.each(["", ",", "nats://", "http://a", "ws://u:secret@a"])(
  "natsURL %j is refused, without what is secret",
  (text) => {
    expect(() => parseAddresses(text)).toThrow(/^natsURL: (?!.*secret).*write it as nats:\/\/localhost:4222/);
  },
);

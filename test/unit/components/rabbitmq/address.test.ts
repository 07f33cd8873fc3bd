import { describe, expect, test } from "vitest";
import { addressOf, parseAddress, toText } from "../../../../components/rabbitmq/address.ts";

const guest = { username: "guest", password: "guest" };

describe("the address of RabbitMQ", () => {
  test.each([
    ["amqp://host", { protocol: "amqp", hostname: "host", port: 5672, vhost: "/", ...guest }],
    ["amqps://host/", { protocol: "amqps", hostname: "host", port: 5671, vhost: "/", ...guest }],
    [
      "amqp://a:b%40c@host:1/v%2Fx",
      { protocol: "amqp", hostname: "host", port: 1, vhost: "v/x", username: "a", password: "b@c" },
    ],
    ["AMQP://a@[::1]:7", { protocol: "amqp", hostname: "::1", port: 7, vhost: "/", username: "a", password: "" }],
  ])("%s is read", (text, address) => {
    expect(parseAddress("host", text)).toEqual(address);
  });

  test.each([
    ["host:5672", /^host: is not for amqp or amqps but for host/],
    ["", /^host: is no address; write it as amqp:\/\/user:password@host:5672\/vhost/],
    ["amqp://", /^host: names no host/],
    ["amqp://a,b", /^host: names several hosts/],
    ["amqp://a:%zz@b", /^host: holds a % that encodes nothing/],
  ])("%j is refused by name and without its secrets", (text, message) => {
    expect(() => parseAddress("host", text)).toThrow(message);
  });

  test("is put together from hostname and its companions", () => {
    const parts = { protocol: "amqps", hostname: "host:1/v", username: "a b", password: "p@:/" };
    expect(addressOf(parts)).toMatchObject({
      hostname: "host",
      port: 1,
      vhost: "v",
      username: "a b",
      password: "p@:/",
    });
    expect(() => addressOf({ protocol: "http", hostname: "h" })).toThrow(/^protocol, hostname: is not for amqp/);
    expect(() => addressOf({ protocol: "amqp" })).toThrow(/^connectionString: say where/);
  });

  test("is shown without user and password", () => {
    expect(toText(parseAddress("host", "amqp://a:secret@[::1]"))).toBe("[::1]:5672");
  });
});

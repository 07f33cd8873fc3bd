import { describe, expect, test } from "vitest";
import { parseUrl, toText } from "../../../../components/mqtt3/address.ts";

describe("the address of an MQTT broker", () => {
  test.each([
    ["tcp://host", { protocol: "mqtt", host: "host", port: 1883, username: undefined, password: undefined }],
    ["ssl://a:b%40c@host:1", { protocol: "mqtts", host: "host", port: 1, username: "a", password: "b@c" }],
    ["mqtts://a@[::1]", { protocol: "mqtts", host: "::1", port: 8883, username: "a", password: undefined }],
    ["wss://host/mqtt?x=1", { protocol: "wss", host: "host", port: 443, path: "/mqtt?x=1" }],
  ])("%s is read", (text, address) => {
    expect(parseUrl(text)).toMatchObject(address);
  });

  test.each([
    ["host:1883", /^url: begins with host, not with tcp, ssl, ws or wss/],
    ["", /^url: is no address; write it as tcp:\/\/user:password@host:1883/],
    ["tcp://", /^url: names no host/],
    ["tcp://%zz@b", /^url: holds a % that encodes nothing/],
  ])("%j is refused by name", (text, message) => {
    expect(() => parseUrl(text)).toThrow(message);
  });

  test("is shown without user and password", () => {
    expect(toText(parseUrl("tcp://a:secret@[::1]"))).toBe("[::1]:1883");
  });
});

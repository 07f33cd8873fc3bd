import { describe, expect, test } from "vitest";
import { parseHosts, toText } from "../../../../components/redis/hosts.ts";

describe("parseHosts", () => {
  test.each([
    ["localhost:6379", undefined, [{ host: "localhost", port: 6379 }]],
    ["localhost", undefined, [{ host: "localhost", port: 6379 }]],
    ["localhost", "7000", [{ host: "localhost", port: 7000 }]],
    ["localhost:1", "7000", [{ host: "localhost", port: 1 }]],
    ["[::1]:7000", undefined, [{ host: "::1", port: 7000 }]],
    ["[::1]", "7000", [{ host: "::1", port: 7000 }]],
    ["::1", undefined, [{ host: "::1", port: 6379 }]],
    [
      " a:1, b:2 ,",
      undefined,
      [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
      ],
    ],
  ])("reads %j with redisPort %j", (redisHost, redisPort, hosts) => {
    expect(parseHosts(redisHost, redisPort)).toEqual(hosts);
  });

  test.each([
    ["redis://localhost:6379", undefined, /redisHost: .*is a URL; write it as localhost:6379/],
    ["localhost:port", undefined, /redisHost: .*no port between 1 and 65535/],
    ["localhost:70000", undefined, /no port between/],
    ["localhost", "none", /redisPort: "none" has no port/],
    [":6379", undefined, /names no host/],
    [",", undefined, /names no host/],
  ])("refuses %j with redisPort %j and says how it is written", (redisHost, redisPort, message) => {
    expect(() => parseHosts(redisHost, redisPort)).toThrow(message);
  });

  test("an address reads as people write it", () => {
    expect([toText({ host: "::1", port: 1 }), toText({ host: "a", port: 2 })]).toEqual(["[::1]:1", "a:2"]);
  });
});

import { describe, expect, test } from "vitest";
import { resolveOptions } from "../../../sdk/src/client-options.ts";

describe("options of a client", () => {
  test("have defaults", () => {
    expect(resolveOptions({}, {})).toEqual({
      ...{ transport: "http", grpc: undefined, apiToken: undefined, timeoutMs: 30_000 },
      http: new URL("http://127.0.0.1:3500"),
    });
    expect(resolveOptions({ transport: "grpc" }, {}).grpc).toEqual({ address: "127.0.0.1:50001", tls: false });
  });

  test("come from the environment, an endpoint before a port, MECHA before DAPR", () => {
    const ports = { DAPR_HTTP_PORT: "3501", DAPR_GRPC_PORT: "50002", DAPR_API_TOKEN: "t" };
    expect(resolveOptions({}, ports)).toMatchObject({
      ...{ http: new URL("http://127.0.0.1:3501"), grpc: { address: "127.0.0.1:50002" }, apiToken: "t" },
    });
    const endpoints = { ...ports, DAPR_HTTP_ENDPOINT: "https://mesh", DAPR_GRPC_ENDPOINT: "https://mesh" };
    expect(resolveOptions({}, endpoints)).toMatchObject({
      ...{ http: new URL("https://mesh"), grpc: { address: "mesh:443", tls: true } },
    });
    const ours = { ...endpoints, MECHA_HTTP_ENDPOINT: "http://a:1", MECHA_GRPC_ENDPOINT: "b:2", MECHA_API_TOKEN: "m" };
    expect(resolveOptions({}, ours)).toMatchObject({
      ...{ http: new URL("http://a:1"), grpc: { address: "b:2", tls: false }, apiToken: "m" },
    });
    const given = { httpEndpoint: "http://c:3", grpcEndpoint: "d:4", apiToken: "o" };
    expect(resolveOptions(given, ours)).toMatchObject({
      ...{ http: new URL("http://c:3"), grpc: { address: "d:4" }, apiToken: "o" },
    });
  });

  test.each([
    ["127.0.0.1:50001", "127.0.0.1:50001", false],
    ["mesh:443?tls=true", "mesh:443", true],
    ["http://mesh:5000", "mesh:5000", false],
    ["dns:///mesh:5000", "dns:///mesh:5000", false],
    ["unix:/run/mecha.sock", "unix:/run/mecha.sock", false],
    ["[::1]:50001", "[::1]:50001", false],
  ])("take the gRPC endpoint %s", (grpcEndpoint, address, tls) => {
    expect(resolveOptions({ grpcEndpoint }, {}).grpc).toEqual({ address, tls });
  });

  test.each([
    ["127.0.0.1:3500", "http://127.0.0.1:3500/"],
    ["localhost:3500", "http://localhost:3500/"],
    ["https://mesh/base", "https://mesh/base"],
    ["unix:/run/mecha.sock", "unix:/run/mecha.sock"],
  ])("take the HTTP endpoint %s", (httpEndpoint, href) => {
    expect(resolveOptions({ httpEndpoint }, {}).http.href).toBe(href);
  });

  test.each([
    [{ transport: "http2" as "http" }, 'transport must be "http" or "grpc", got "http2"'],
    [{ timeoutMs: -1 }, "timeoutMs must be 0 or more milliseconds, got -1"],
    [{ httpEndpoint: "http://" }, 'the HTTP endpoint "http://" must look like http://127.0.0.1:3500 or unix:/path'],
    [{ grpcEndpoint: "50001" }, 'the gRPC endpoint "50001" must look like 127.0.0.1:50001'],
  ])("name what is wrong in %o", (options, message) => {
    expect(() => resolveOptions(options, {})).toThrow(message);
  });
});

import { createServer } from "node:net";
import { expect, test } from "vitest";
import { findFreePorts } from "../../../../../sidecar/cli/run/free-ports.ts";
import { type AppPlan, completePlans } from "../../../../../sidecar/cli/run/plan.ts";

const plan = (about: Partial<AppPlan> & { given?: Record<string, string[]> } = {}): AppPlan => {
  const { given = {}, ...rest } = about;
  return {
    appId: "orders",
    cwd: "/project",
    command: [],
    flags: new Map(Object.entries(given)),
    env: {},
    dataDir: "/project/.mecha",
    resources: undefined,
    appLog: "console",
    sidecarLog: "console",
    ...rest,
  };
};

const ready = async (about?: Parameters<typeof plan>[0], env: Record<string, string> = {}) => {
  const [done] = await completePlans([plan(about)], env);
  if (!done) throw new Error("no plan");
  return done;
};

test("without flags the sidecar gets free ports, this machine only, and the embedded default", async () => {
  const { sidecarArgs, place, grpcPort, metricsPort, appPort, resourcesSaid } = await ready();
  expect(sidecarArgs).toEqual(
    expect.arrayContaining([
      "--app-id=orders",
      `--dapr-http-port=${place.httpPort}`,
      `--dapr-grpc-port=${grpcPort}`,
      `--metrics-port=${metricsPort}`,
      "--dapr-listen-addresses=127.0.0.1",
      "--dapr-internal-grpc-listen-address=127.0.0.1",
      "--metrics-listen-address=127.0.0.1",
      "--data-dir=/project/.mecha",
      "--embedded=true",
    ]),
  );
  expect(new Set([place.httpPort, grpcPort, metricsPort]).size).toBe(3);
  expect(appPort).toBeUndefined();
  expect(resourcesSaid).toBe("embedded");
});

test("flags that are given stay, and a port of 0 is chosen", async () => {
  const given = {
    "dapr-http-port": ["4000"],
    "dapr-grpc-port": ["0"],
    "dapr-listen-addresses": ["0.0.0.0"],
    "data-dir": ["/data"],
  };
  const { sidecarArgs, place, grpcPort } = await ready({ given });
  expect(place).toEqual({ httpPort: 4000 });
  expect(grpcPort).toBeGreaterThan(0);
  expect(sidecarArgs).toEqual(expect.arrayContaining(["--dapr-listen-addresses=0.0.0.0", "--data-dir=/data"]));
});

test("resources are used instead of the embedded default, those of a flag before those that were found", async () => {
  const found = await ready({ resources: ["/project/components"] });
  expect(found.sidecarArgs).toContain("--resources-path=/project/components");
  expect(found.sidecarArgs.join(" ")).not.toContain("--embedded");
  const given = await ready({ resources: ["/project/components"], given: { "resources-path": ["./a", "./b"] } });
  expect(given.sidecarArgs.filter((arg) => arg.startsWith("--resources-path"))).toEqual([
    "--resources-path=./a",
    "--resources-path=./b",
  ]);
  expect(given.resourcesSaid).toBe("./a, ./b");
  const old = await ready({ given: { "components-path": ["./old"] } });
  expect(old.sidecarArgs.join(" ")).not.toContain("--embedded");
});

test("the app is told where the sidecar is, under both names; its own variables and the token are kept", async () => {
  const env = { PATH: "/bin", DAPR_API_TOKEN: "secret", DAPR_HTTP_PORT: "1" };
  const { appEnv, sidecarEnv, place, grpcPort, metricsPort } = await ready(
    { env: { COLOR: "red" }, given: { "app-port": ["8080"], "app-protocol": ["grpc"] } },
    env,
  );
  expect(appEnv).toEqual({
    PATH: "/bin",
    COLOR: "red",
    APP_ID: "orders",
    MECHA_APP_ID: "orders",
    APP_PORT: "8080",
    MECHA_APP_PORT: "8080",
    APP_PROTOCOL: "grpc",
    MECHA_APP_PROTOCOL: "grpc",
    DAPR_HTTP_PORT: String(place.httpPort),
    MECHA_HTTP_PORT: String(place.httpPort),
    DAPR_GRPC_PORT: String(grpcPort),
    MECHA_GRPC_PORT: String(grpcPort),
    DAPR_METRICS_PORT: String(metricsPort),
    MECHA_METRICS_PORT: String(metricsPort),
    DAPR_API_TOKEN: "secret",
    MECHA_API_TOKEN: "secret",
  });
  expect(sidecarEnv).toMatchObject({ COLOR: "red", DAPR_API_TOKEN: "secret" });
});

test("a sidecar on sockets has no ports to tell", async () => {
  const { place, grpcPort, appEnv } = await ready({ given: { "unix-domain-socket": ["run"] } });
  expect(place).toEqual({ httpSocket: "/project/run/dapr-orders-http.socket" });
  expect(grpcPort).toBeUndefined();
  expect(appEnv["DAPR_HTTP_PORT"]).toBeUndefined();
});

test("without metrics there is no port of metrics", async () => {
  const { metricsPort, appEnv } = await ready({ given: { "enable-metrics": ["false"] } });
  expect(metricsPort).toBeUndefined();
  expect(appEnv["DAPR_METRICS_PORT"]).toBeUndefined();
});

test.each([
  [{ given: { "log-level": ["verbose"] } }, /--log-level: "verbose" is not one of debug, info/],
  [{ given: { "app-port": ["eighty"] } }, /--app-port: "eighty" is not a port number/],
  [{ appId: "a.b" }, /--app-id: "a\.b" holds a dot; write --app-id a-b/],
])("%j is refused before anything is started", async (about, message) => {
  await expect(ready(about)).rejects.toThrow(message);
});

test("free ports differ from one another and can be listened on", async () => {
  const ports = await findFreePorts(8);
  expect(new Set(ports).size).toBe(8);
  await Promise.all(
    ports.map(async (port) => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
      await new Promise((resolve) => server.close(resolve));
    }),
  );
});

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig, pairResolverOf, reloadResources } from "../../../../sidecar/config/config.ts";
import { ConfigError } from "../../../../sidecar/config/problems.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const component = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\nspec: {type: state.x}\n";
const load = (argv: string, env: Readonly<Record<string, string>> = {}) => loadConfig(argv.split(" "), env);

test("an app id is all that is needed", async () => {
  const config = await load("--app-id shop");
  expect(config).toMatchObject({
    mode: "standalone",
    appId: "shop",
    namespace: "default",
    app: {
      protocol: "http",
      address: "127.0.0.1",
      maxConcurrency: 0,
      healthCheck: { enabled: false, path: "/healthz", intervalMs: 5000, timeoutMs: 500, threshold: 3 },
      bindingOptionsTimeoutMs: 3000,
    },
    listen: {
      addresses: [],
      httpPort: 3500,
      grpcPort: 50_001,
      internalGrpcPort: 0,
      h2c: true,
      metrics: { enabled: true, port: 9090, address: "0.0.0.0" },
      allowedOrigins: [],
    },
    limits: { maxBodyBytes: 4 * 2 ** 20, readBufferBytes: 4096 },
    shutdown: { gracefulMs: 5000 },
    log: { level: "info", json: false, apiLogging: { enabled: false } },
    secretRefreshMs: 60_000,
    hotReload: { enabled: true, reconcileIntervalMs: 60_000 },
    componentSocketsFolder: "/tmp/dapr-components-sockets",
    dataDir: ".mecha",
    strict: false,
    components: [],
    problems: [],
  });
  expect(Object.keys(config.app)).not.toContain("port");
  expect(Object.keys(config.listen)).not.toContain("publicPort");
  expect(Object.keys(config.shutdown)).not.toContain("blockMs");
  expect(Object.keys(config)).not.toContain("apiToken");
});

test("everything in it is frozen, at every depth", async () => {
  const config = await load(`--app-id shop --resources-path ${tempFolder({ "a.yaml": component })}`);
  const loose: string[] = [];
  const visit = (value: unknown, path: string) => {
    if (typeof value !== "object" || value === null) return;
    if (!Object.isFrozen(value)) loose.push(path);
    for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`);
  };
  visit(config, "config");
  expect(loose).toEqual([]);
  expect(() => Object.assign(config.app, { port: 1 })).toThrow(TypeError);
});

test("the environment gives tokens, names and addresses", async () => {
  const config = await load("--app-id shop", {
    NAMESPACE: "prod",
    POD_NAME: "shop-0",
    DAPR_HOST_IP: "10.0.0.7",
    DAPR_API_TOKEN: "in",
    APP_API_TOKEN: "out",
    DAPR_HTTP_DISABLE_H2C: "true",
    DAPR_COMPONENT_SOCKETS_FOLDER: "/sockets",
  });
  expect(config).toMatchObject({ namespace: "prod", podName: "shop-0", hostIp: "10.0.0.7", apiToken: "in" });
  expect(config.app.apiToken).toBe("out");
  expect(config.listen.h2c).toBe(false);
  expect(config.componentSocketsFolder).toBe("/sockets");
});

describe("deprecated flags", () => {
  test.each([
    ["--app-ssl", "https"],
    ["--app-ssl --app-protocol grpc", "grpcs"],
    ["--app-ssl --app-protocol h2c", "h2c"],
    ["--app-protocol grpc", "grpc"],
  ])("%s speaks %s to the app", async (argv, protocol) => {
    expect((await load(`--app-id shop ${argv}`)).app.protocol).toBe(protocol);
  });

  test("sizes count in MiB and KiB, and the new flags win", async () => {
    const old = "--dapr-http-max-request-size 16 --dapr-http-read-buffer-size 8";
    expect((await load(`--app-id shop ${old}`)).limits).toEqual({ maxBodyBytes: 2 ** 24, readBufferBytes: 8192 });
    const both = await load(`--app-id shop ${old} --max-body-size 4Mi --read-buffer-size 1Ki`);
    expect(both.limits).toEqual({ maxBodyBytes: 2 ** 22, readBufferBytes: 1024 });
    const none = await load("--app-id shop --dapr-http-max-request-size -1");
    expect(none.limits.maxBodyBytes).toBe(2 ** 22);
  });

  test("--components-path is another name of --resources-path", async () => {
    const config = await load(`--app-id shop --components-path ${tempFolder({ "a.yaml": component })}`);
    expect(config.components.map(({ name }) => name)).toEqual(["store"]);
  });
});

describe("numbers that mean the default", () => {
  test("health checks at 0 or less", async () => {
    const argv = "--app-health-probe-interval 0 --app-health-probe-timeout -1 --app-health-threshold 0";
    const { healthCheck } = (await load(`--app-id shop ${argv}`)).app;
    expect(healthCheck).toMatchObject({ intervalMs: 5000, timeoutMs: 500, threshold: 3 });
  });

  test("a shutdown of less than 0 seconds, a reconcile interval of 0", async () => {
    const config = await load("--app-id a --dapr-graceful-shutdown-seconds -1 --hot-reload-reconcile-interval 0");
    expect(config.shutdown.gracefulMs).toBe(5000);
    expect(config.hotReload.reconcileIntervalMs).toBe(60_000);
  });
});

test("logging of calls follows the flag, else the Configuration", async () => {
  const text =
    "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec: {logging: {apiLogging: {enabled: true, omitHealthChecks: true}}}";
  const path = join(tempFolder({ "c.yaml": text }), "c.yaml");
  const resource = await load(`--app-id a --config ${path}`);
  expect(resource.log.apiLogging).toEqual({ enabled: true, obfuscateUrls: false, omitHealthChecks: true });
  const flag = await load(`--app-id a --config ${path} --enable-api-logging=false`);
  expect(flag.log.apiLogging.enabled).toBe(false);
});

test("metrics are there unless the flag or the Configuration says no", async () => {
  const text = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec: {metrics: {enabled: false}}";
  const path = join(tempFolder({ "c.yaml": text }), "c.yaml");
  const enabled = async (flags: string) => (await load(`--app-id a ${flags}`)).listen.metrics.enabled;
  expect(await enabled("")).toBe(true);
  expect(await enabled("--enable-metrics=false")).toBe(false);
  expect(await enabled(`--config ${path}`)).toBe(false);
});

test("components that a Configuration denies are not loaded", async () => {
  const text = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec: {components: {deny: [state.x]}}";
  const folder = tempFolder({ "a.yaml": component, "c.yaml": text });
  const config = await load(`--app-id a --resources-path ${folder} --config ${join(folder, "c.yaml")}`);
  expect(config.components).toEqual([]);
  expect(config.problems.map(({ message }) => message)).toEqual(['component "store" is not loaded: state.x is denied']);
});

test("in Kubernetes a --config that is not a file leaves the defaults, with a warning", async () => {
  const config = await load("--app-id a --mode kubernetes --config daprsystem");
  expect(config.configPaths).toEqual([]);
  expect(config.problems).toMatchObject([{ severity: "warning", flag: "config" }]);
});

test("an error carries all problems, and its text only the errors", async () => {
  const folder = tempFolder({ "a.yaml": `${component}---\n${component}`, "notes.txt": "" });
  const error: unknown = await load(`--app-id a --resources-path ${folder}`).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).problems).toHaveLength(2);
  expect((error as ConfigError).message).toMatch(/a\.yaml:8: metadata\.name: another Component is called "store"/);
  expect((error as ConfigError).message).not.toContain("notes.txt");
});

test("with --strict what would be skipped stops the start", async () => {
  const folder = tempFolder({ "a.yaml": component.replace("type", "tpye") });
  const argv = `--app-id a --resources-path ${folder}`;
  expect((await load(argv)).components).toEqual([]);
  await expect(load(`${argv} --strict`)).rejects.toThrow('spec.type: is missing; "tpye" should be "type"');
});

test("resources are read again by the rules of the start", async () => {
  const folder = tempFolder({ "a.yaml": component });
  const config = await load(`--app-id shop --resources-path ${folder}`);
  const { components } = await reloadResources(config, {});
  expect(components).toEqual(config.components);
  expect(Object.isFrozen(components)).toBe(true);
});

test("values are resolved for the sidecar's own names", async () => {
  const config = await load("--app-id shop", { NAMESPACE: "prod", POD_NAME: "shop-0" });
  const resolve = pairResolverOf(config, {});
  const pairs = [{ name: "n", value: "{namespace}/{podName}", line: 1 }];
  expect(await resolve({ name: "c" }, pairs, async () => "")).toEqual([{ name: "n", value: "prod.shop/shop-0" }]);
});

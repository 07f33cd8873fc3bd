import { expect, test } from "vitest";
import { loadConfig } from "../../../../sidecar/config/config.ts";
import { ConfigError, formatProblem } from "../../../../sidecar/config/problems.ts";

/** Command line, and what the error says: the flag, the value, the fix. */
const errors: readonly (readonly [argv: string, says: string])[] = [
  ["", "--app-id: is required; write --app-id <name of the app>"],
  ["--app-id", "--app-id: has no value; write --app-id <value>"],
  ["--app-id --app-port 80", "--app-id: has no value; write --app-id <value>"],
  ["--app-id a.b", '--app-id: "a.b" holds a dot; write --app-id a-b'],
  ["--app-id Shop_1 --mode kubernetes", "lower-case letters, digits and dashes; write --app-id shop-1"],
  ["--app-id a --app-port", "--app-port: has no value; write --app-port 8080"],
  ["--app-id a --app-port web", '--app-port: "web" is not a port number; write a number from 0 to 65535'],
  ["--app-id a --app-port 70000", '--app-port: "70000" is not a port number; write a number from 0 to 65535'],
  ["--app-id a --app-port localhost:8080", '--app-port: "localhost:8080" is not a port number; write 8080'],
  ["--app-id a --dapr-http-port=-1", '--dapr-http-port: "-1" is not a port number'],
  ["--app-id a --dapr-grpc-port :50001", '--dapr-grpc-port: ":50001" is not a port number; write 50001'],
  ["--app-id a --dapr-internal-grpc-port 1.5", '--dapr-internal-grpc-port: "1.5" is not a port number'],
  [
    "--app-id a --app-port 3500",
    "--dapr-http-port: 3500 is the port of the app; change --dapr-http-port or --app-port",
  ],
  ["--app-id a --app-port 50001", "--dapr-grpc-port: 50001 is the port of the app"],
  ["--app-id a --app-protocol htpp", 'is not one of http, https, h2c, grpc, grpcs; did you mean "http"?'],
  ["--app-id a --app-protocol tcp", '--app-protocol: "tcp" is not one of http, https, h2c, grpc, grpcs; use http'],
  ["--app-id a --mode k8s", '--mode: "k8s" is not one of standalone, kubernetes; use standalone'],
  ["--app-id a --log-level warning", '--log-level: "warning" is not one of'],
  ["--app-id a --log-level warning", 'did you mean "warn"?'],
  ["--app-id a --log-level 3", '--log-level: "3" is not one of debug, info, warn, error, fatal; use info'],
  ["--app-id a --enable-mtls=yes", '--enable-mtls: "yes" is not true or false; write true'],
  ["--app-id a --log-as-json=off", '--log-as-json: "off" is not true or false; write false'],
  ["--app-id a --enable-metrics=maybe", "write true or false, or leave the value out for true"],
  ["--app-id a --app-max-concurrency many", '--app-max-concurrency: "many" is not a whole number; write digits only'],
  ["--app-id a --app-max-concurrency 4.5", '--app-max-concurrency: "4.5" is not a whole number; write 4'],
  ["--app-id a --app-health-probe-interval 5s", '--app-health-probe-interval: "5s" is not a whole number; write 5'],
  ["--app-id a --dapr-graceful-shutdown-seconds 5s", '"5s" is not a whole number; write 5'],
  ["--app-id a --app-binding-options-timeout 3", '--app-binding-options-timeout: "3" is not a duration; write "3s"'],
  ["--app-id a --dapr-block-shutdown-duration 1d", '"1d" is not a duration; write "24h"'],
  ["--app-id a --dapr-block-shutdown-duration=-5s", '"-5s" is not a duration of 0 or more; write 5s'],
  ["--app-id a --actors-disseminate-timeout 0s", '"0s" is not a duration above 0; write 30s'],
  ["--app-id a --hot-reload-reconcile-interval soon", '--hot-reload-reconcile-interval: "soon" is not a duration'],
  ["--app-id a --max-body-size 4MB", '--max-body-size: "4MB" is not a size; write "4Mi"'],
  ["--app-id a --max-body-size 0", '--max-body-size: "0" is not a size above 0; write 4Mi'],
  ["--app-id a --read-buffer-size big", '--read-buffer-size: "big" is not a size; write bytes as a number'],
  ["--app-id a --disable-init-endpoints confg", 'list of config, subscribe; did you mean "config"?'],
  ["--app-id a --app-health-probe-timeout 9000", "9000 ms is longer than the interval of 5000 ms; write 5000 or less"],
  ["--app-id a --resources-path /no/such/folder", "--resources-path: /no/such/folder: does not exist; check the path"],
  ["--app-id a --config /no/such/file.yaml", "/no/such/file.yaml: does not exist; check the path"],
];

test.each(errors)("[%s] stops the start with: %s", async (argv, says) => {
  const error = await loadConfig(argv.split(" ").filter(Boolean), {}).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect(String(error)).toContain(says);
});

/** Command line, and what the warning says; the sidecar starts. */
const warnings: readonly (readonly [argv: string, says: string])[] = [
  ["--app-prot 80", '--app-prot: is unknown and has no effect; did you mean "--app-port"?'],
  ["--appid x", '--appid: is unknown and has no effect; did you mean "--app-id"?'],
  ["--enable-mlts", 'did you mean "--enable-mtls"?'],
  ["--resource-path x", 'did you mean "--resources-path"?'],
  ["--quantum-mode", "--quantum-mode: is unknown and has no effect; see --help for the flags of this release"],
  ["app-port", 'unexpected argument "app-port"; did you mean "--app-port"?'],
  ["serve", 'unexpected argument "serve"; every argument belongs to a flag'],
  ["--app-ssl", "--app-ssl: is deprecated; use --app-protocol https or grpcs"],
  ["--dapr-http-max-request-size 8", "--dapr-http-max-request-size: is deprecated; use --max-body-size"],
  ["--dapr-http-read-buffer-size 8", "--dapr-http-read-buffer-size: is deprecated; use --read-buffer-size"],
];

test.each(warnings)("[%s] is met with: %s", async (argv, says) => {
  const { problems } = await loadConfig(["--app-id", "a", ...argv.split(" ")], {});
  expect(problems.map(formatProblem).join("\n")).toContain(says);
});

test("all errors are told at once", async () => {
  const error = await loadConfig(["--app-port", "x", "--log-level", "y"], {}).catch((thrown: unknown) => thrown);
  expect(String(error).split("\n")).toHaveLength(3);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Flag } from "../../../../sidecar/config/flag.ts";
import { type FlagName, flags } from "../../../../sidecar/config/flags.ts";
import { parseFlags } from "../../../../sidecar/config/parse-flags.ts";
import { formatProblem } from "../../../../sidecar/config/problems.ts";

const parse = (...argv: string[]) => parseFlags(argv, {});
const value = (name: FlagName, ...argv: string[]) => parse(...argv).values[name];
const problems = (...argv: string[]) => parse(...argv).problems.map(formatProblem);

describe("forms of writing a flag", () => {
  test.each([
    [["--app-id", "shop"]],
    [["-app-id", "shop"]],
    [["--app-id=shop"]],
    [["-app-id=shop"]],
    [["/daprd", "--app-id", "shop"]],
    [["--app-id", "first", "--app-id", "shop"]],
  ])("%j names the app", (argv) => {
    expect(value("app-id", ...argv)).toBe("shop");
    expect(problems(...argv)).toEqual([]);
  });

  test("a value may be empty, hold an equals sign or begin with a dash", () => {
    expect(value("unix-domain-socket", "--unix-domain-socket=")).toBe("");
    expect(value("app-health-check-path", "--app-health-check-path=/up?deep=1")).toBe("/up?deep=1");
    expect(value("app-max-concurrency", "--app-max-concurrency", "-1")).toBe(-1);
  });

  test("lists are split at commas and grow with each repetition", () => {
    const argv = ["--resources-path", "a,b", "--resources-path=c", "--resources-path", " d , "];
    expect(value("resources-path", ...argv)).toEqual(["a", "b", "c", "d"]);
    expect(value("dapr-listen-addresses", "--dapr-listen-addresses", "[::1],127.0.0.1")).toEqual([
      "[::1]",
      "127.0.0.1",
    ]);
    expect(value("config")).toEqual([]);
  });

  test.each([
    [["--enable-mtls"], true],
    [["--enable-mtls=true"], true],
    [["--enable-mtls", "false"], false],
    [["--enable-mtls=F"], false],
    [["--enable-mtls", "--log-as-json"], true],
    [[], false],
  ])("the switch %j is %s", (argv, on) => {
    expect(value("enable-mtls", ...argv)).toBe(on);
  });

  test("an optional switch has three states", () => {
    expect(value("enable-api-logging")).toBeUndefined();
    expect(value("enable-api-logging", "--enable-api-logging")).toBe(true);
    expect(value("enable-api-logging", "--enable-api-logging=false")).toBe(false);
  });

  test("numbers are read by their unit", () => {
    expect(value("max-body-size", "--max-body-size", "16Mi")).toBe(16 * 2 ** 20);
    expect(value("read-buffer-size", "--read-buffer-size=8192")).toBe(8192);
    expect(value("dapr-block-shutdown-duration", "--dapr-block-shutdown-duration", "1m30s")).toBe(90_000);
    expect(value("app-port", "--app-port", "0")).toBeUndefined();
    expect(value("dapr-http-port", "--dapr-http-port", "0")).toBe(0);
  });
});

describe("what stands in for a flag that is not given", () => {
  test("the published defaults", () => {
    expect(parse().values).toMatchObject({
      mode: "standalone",
      "app-protocol": "http",
      "app-channel-address": "127.0.0.1",
      "app-max-concurrency": -1,
      "app-binding-options-timeout": 3000,
      "app-health-check-path": "/healthz",
      "app-health-probe-interval": 5,
      "app-health-probe-timeout": 500,
      "app-health-threshold": 3,
      "dapr-http-port": 3500,
      "dapr-grpc-port": 50_001,
      "dapr-internal-grpc-port": 0,
      "max-body-size": 4 * 2 ** 20,
      "read-buffer-size": 4096,
      "control-plane-trust-domain": "localhost",
      "control-plane-namespace": "default",
      "actors-disseminate-timeout": 30_000,
      "dapr-graceful-shutdown-seconds": 5,
      "enable-metrics": true,
      "metrics-port": 9090,
      "metrics-listen-address": "0.0.0.0",
      "profile-port": 7777,
      "log-level": "info",
      "log-as-json": false,
    });
  });

  test("a variable, which the flag overrides", () => {
    const env = { DAPR_CONTROLPLANE_NAMESPACE: "system", DAPR_CONTROLPLANE_TRUST_DOMAIN: "" };
    expect(parseFlags([], env).values["control-plane-namespace"]).toBe("system");
    expect(parseFlags([], env).values["control-plane-trust-domain"]).toBe("localhost");
    const given = parseFlags(["--control-plane-namespace", "mine"], env);
    expect(given.values["control-plane-namespace"]).toBe("mine");
    expect([...given.given]).toEqual(["control-plane-namespace"]);
  });

  test("every default in the table can be read", () => {
    expect(problems()).toEqual([]);
  });
});

describe("flags of other releases", () => {
  test("an unknown flag is a warning, and takes the value that follows it", () => {
    const { values, problems: found } = parse("--some-new-flag", "value", "--app-id", "shop");
    expect(values["app-id"]).toBe("shop");
    expect(found).toMatchObject([{ severity: "warning", flag: "some-new-flag" }]);
  });

  test("an unknown flag leaves the flag that follows it alone", () => {
    expect(value("app-id", "--some-new-switch", "--app-id", "shop")).toBe("shop");
    expect(value("app-id", "--some-new-flag=x", "--app-id", "shop")).toBe("shop");
  });

  test("a deprecated flag works and names its successor", () => {
    expect(value("app-ssl", "--app-ssl")).toBe(true);
    expect(problems("--app-ssl")).toEqual(["--app-ssl: is deprecated; use --app-protocol https or grpcs"]);
  });
});

describe("any command line", () => {
  const known = Object.entries(flags) as [FlagName, Flag][];

  test("is read without throwing", () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(...known.map(([name]) => `--${name}`)),
      fc.constantFrom("--", "-", "--=", "--no-such=1", "true", "-1"),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (argv) => {
        const { values, problems: found } = parseFlags(argv, {});
        expect(Object.keys(values)).toHaveLength(known.length);
        expect(found.every(({ hint }) => hint !== undefined && hint !== "")).toBe(true);
      }),
    );
  });

  test("has one meaning, whichever form its flags have", () => {
    const samples: Record<Flag["type"], string> = {
      text: "word",
      choice: "",
      switch: "true",
      "optional-switch": "false",
      integer: "7",
      port: "8080",
      "optional-port": "8081",
      duration: "1m",
      bytes: "2Mi",
      list: "",
    };
    const given = known.map(([name, flag]) => [name, samples[flag.type] || (flag.values?.[0] ?? "x")] as const);
    fc.assert(
      fc.property(fc.shuffledSubarray(given), fc.constantFrom("-", "--"), (chosen, dashes) => {
        const joined = parse(...chosen.map(([name, text]) => `${dashes}${name}=${text}`));
        const apart = parse(...chosen.flatMap(([name, text]) => [`${dashes}${name}`, text]));
        expect(apart).toEqual(joined);
        expect([...joined.given].sort()).toEqual(chosen.map(([name]) => name).sort());
        expect(joined.problems.every(({ message }) => message === "is deprecated")).toBe(true);
      }),
    );
  });
});

import { Type } from "typebox";
import { describe, expect, it } from "vitest";
import {
  bytes,
  choice,
  durationMs,
  flag,
  integer,
  list,
  requiredText,
  secret,
  text,
} from "../../../../components/contract/settings.ts";
import { readSettings } from "../../../../sidecar/host/settings.ts";

const about = { description: "x" };
const schema = Type.Object({
  host: requiredText(about),
  path: text({ ...about, default: "/" }),
  tls: flag({ ...about, default: false }),
  retries: integer({ ...about, default: 3, minimum: 0, maximum: 10 }),
  timeout: durationMs({ ...about, default: 5000 }),
  poll: Type.Optional(durationMs({ ...about, unit: "ms" })),
  size: Type.Optional(bytes(about)),
  mode: choice(["single", "cluster"], { ...about, default: "single" }),
  hosts: list({ ...about, default: [] }),
  password: Type.Optional(secret({ ...about, aliases: ["redisPassword"] })),
});
const runtime = Type.Object({ keyPrefix: text({ ...about, default: "appid" }) });

const read = (pairs: Readonly<Record<string, string>>) =>
  readSettings(
    schema,
    runtime,
    Object.entries(pairs).map(([name, value]) => ({ name, value })),
  );
const settingOf = (name: string, value: string) => read({ host: "a", [name]: value }).settings[name];
const problemOf = (name: string, value: string) => read({ host: "a", [name]: value }).problems;

describe("settings", () => {
  it("have their defaults, and nothing where there is none", () => {
    expect(read({ host: "a" })).toEqual({
      settings: { host: "a", path: "/", tls: false, retries: 3, timeout: 5000, mode: "single", hosts: [] },
      runtime: { keyPrefix: "appid" },
      problems: [],
      unknown: [],
    });
  });

  it("do not share a default that can be changed", () => {
    (read({ host: "a" }).settings["hosts"] as string[]).push("b");
    expect(read({ host: "a" }).settings["hosts"]).toEqual([]);
  });

  it("match in any case and by their other names", () => {
    expect(read({ HOST: "a", RedisPassword: "p", keyprefix: "none" })).toMatchObject({
      settings: { host: "a", password: "p" },
      runtime: { keyPrefix: "none" },
      unknown: [],
    });
  });

  it("that are required are missed by name", () => {
    expect(read({}).problems).toEqual(["metadata host: is required"]);
    expect(read({ host: "" }).problems).toEqual(['metadata host: "" must not be empty']);
  });

  it("that nobody reads are told with what was probably meant", () => {
    expect(read({ host: "a", retrys: "3", zzz: "1" })).toMatchObject({
      problems: [],
      unknown: ['metadata retrys: unknown key; did you mean "retries"?', "metadata zzz: unknown key"],
    });
  });

  it.each(["1", "t", "TRUE", "y", "Yes", " on "])("read %j as true", (word) => {
    expect(settingOf("tls", word)).toBe(true);
  });

  it.each(["0", "f", "False", "n", "no", "off", ""])("read %j as false", (word) => {
    expect(settingOf("tls", word)).toBe(false);
  });

  it.each([
    ["retries", "7", 7],
    ["retries", " 0 ", 0],
    ["timeout", "30", 30_000],
    ["timeout", "1m30s", 90_000],
    ["timeout", "250ms", 250],
    ["poll", "30", 30],
    ["poll", "2s", 2000],
    ["size", "100", 100],
    ["size", "4Mi", 4 * 1024 * 1024],
    ["size", "2k", 2000],
    ["mode", "Cluster", "cluster"],
    ["hosts", " a, b ,,c", ["a", "b", "c"]],
    ["hosts", "", []],
    ["path", "  kept  ", "  kept  "],
  ])("read %s %j as %j", (name, value, expected) => {
    expect(settingOf(name, value)).toEqual(expected);
  });

  it.each([
    ["tls", "maybe", 'metadata tls: "maybe" is not a yes or no; write true or false'],
    ["retries", "many", 'metadata retries: "many" is not a whole number'],
    ["retries", "", 'metadata retries: "" is not a whole number'],
    ["retries", "1.5", 'metadata retries: "1.5" is not a whole number'],
    ["retries", "-1", 'metadata retries: "-1" must be at least 0'],
    ["retries", "11", 'metadata retries: "11" must be at most 10'],
    ["timeout", "soon", 'metadata timeout: "soon" is not a duration'],
    ["timeout", "-5", 'metadata timeout: "-5"'],
    ["size", "big", 'metadata size: "big" is not a size'],
    ["mode", "both", 'metadata mode: "both" is not one of single, cluster'],
  ])("refuse %s %j and say why", (name, value, problem) => {
    expect(problemOf(name, value)).toEqual([expect.stringContaining(problem)]);
  });

  it("of an open schema are all pairs as they are written, those that the sidecar reads too", () => {
    const open = Type.Object({}, { additionalProperties: Type.String() });
    const runtime = Type.Object({ keyPrefix: text({ ...about, default: "appid" }) });
    const pairs = [
      { name: "Any Key", value: "1" },
      { name: "KEYPREFIX", value: "none" },
    ];
    expect(readSettings(open, runtime, pairs)).toEqual({
      settings: { "Any Key": "1", KEYPREFIX: "none" },
      runtime: { keyPrefix: "none" },
      problems: [],
      unknown: [],
    });
  });

  it("do not quote a secret, whatever is wrong with it", () => {
    const strict = Type.Object({ token: Type.Unsafe<string>({ ...secret(about), minLength: 50 }) });
    const { problems } = readSettings(strict, undefined, [{ name: "token", value: "hunter2" }]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).not.toContain("hunter2");
  });
});

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AppPlan } from "../../../../../sidecar/cli/run/plan.ts";
import { findRunFile, loadRunFile, readRunFile } from "../../../../../sidecar/cli/run/run-file.ts";
import { flagKeys, portKeys, runFileSchema } from "../../../../../sidecar/cli/run/run-file-schema.ts";
import { flags } from "../../../../../sidecar/config/flags.ts";
import { formatProblem } from "../../../../../sidecar/config/problems.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

/** A folder with a mecha.yaml and the folders `a` and `b`. */
function project(text: string, files: Record<string, string> = {}): string {
  const root = tempFolder({ "mecha.yaml": text, ...files });
  for (const name of ["a", "b"]) mkdirSync(join(root, name), { recursive: true });
  return root;
}

async function plansOf(root: string): Promise<[AppPlan, ...AppPlan[]]> {
  return (await loadRunFile(join(root, "mecha.yaml"))).plans as [AppPlan, ...AppPlan[]];
}

async function problemsOf(text: string, files?: Record<string, string>): Promise<string[]> {
  const root = project(text, files);
  const { problems } = await readRunFile(join(root, "mecha.yaml"));
  return problems.map((problem) => formatProblem(problem).replaceAll(`${root}/`, ""));
}

test("an app gets what is left out: its folder's name, no command, logs in a file and on the screen", async () => {
  const root = project("version: 1\napps:\n  - appDirPath: ./a/\n");
  const [plan] = await plansOf(root);
  expect(plan).toMatchObject({
    appId: "a",
    cwd: join(root, "a"),
    command: [],
    env: {},
    dataDir: join(root, ".mecha"),
    resources: undefined,
    appLog: "fileAndConsole",
    sidecarLog: "file",
    logFolder: join(root, "a/.dapr/logs"),
    runFile: join(root, "mecha.yaml"),
  });
  expect([...plan.flags]).toEqual([]);
});

test("what an app says beats what is common, variable by variable", async () => {
  const root = project(`
common:
  env: { A: common, B: common }
  logLevel: warn
  appProtocol: http
  appLogDestination: file
  daprdLogDestination: console
apps:
  - appID: one
    appDirPath: a
    env: { B: mine, C: 3, D: true }
    logLevel: debug
    daprdLogDestination: fileAndConsole
  - appDirPath: b
`);
  const [one, two] = await plansOf(root);
  expect(one).toMatchObject({
    env: { A: "common", B: "mine", C: "3", D: "true" },
    appLog: "file",
    sidecarLog: "fileAndConsole",
  });
  expect(Object.fromEntries(one.flags)).toEqual({ "log-level": ["debug"], "app-protocol": ["http"] });
  expect(two).toMatchObject({ appId: "b", env: { A: "common", B: "common" }, sidecarLog: "console" });
  expect(Object.fromEntries(two?.flags ?? [])).toEqual({ "log-level": ["warn"], "app-protocol": ["http"] });
});

test("every key of the format is taken, and each that is a flag becomes the flag", async () => {
  const flagged = Object.entries({ ...flagKeys, ...portKeys });
  const item = runFileSchema.properties?.["apps"]?.items?.properties ?? {};
  const samples: Record<string, string> = {
    appProtocol: "grpc",
    logLevel: "debug",
    maxBodySize: "1Mi",
    readBufferSize: "1Ki",
  };
  const lines = flagged.map(([key, flag], at) => {
    const { type } = item[key] ?? {};
    const value = samples[key] ?? (type === "boolean" ? "true" : type === "integer" ? String(5000 + at) : "text");
    expect(Object.keys(flags), key).toContain(flag);
    return `    ${key}: ${value}`;
  });
  // The only pair of values that depend on one another.
  const text = lines.join("\n").replace(/appHealthProbeTimeout: \d+/, "appHealthProbeTimeout: 1");
  const root = project(
    `apps:\n  - appDirPath: a\n${text}\n    runtimePath: /x\n    containerImage: i\n    createService: true\n`,
  );
  const [plan] = await plansOf(root);
  expect([...plan.flags.keys()].sort()).toEqual(flagged.map(([, flag]) => flag).sort());
});

test("resources: the app's own, then .dapr/resources in its folder, then the common ones, then a folder beside the file", async () => {
  const files = { "a/own/x.yaml": "", "common/x.yaml": "", "components/x.yaml": "" };
  const root = project(
    "common: {resourcesPaths: [common]}\napps:\n  - {appDirPath: a, resourcesPaths: [own, .]}\n  - {appDirPath: b}\n",
    files,
  );
  const [own, common] = await plansOf(root);
  expect(own.resources).toEqual([join(root, "a/own"), join(root, "a")]);
  expect(common?.resources).toEqual([join(root, "common")]);

  const beside = project("common: {resourcesPath: common}\napps: [{appDirPath: a}]\n", {
    ...files,
    "a/.dapr/resources/x.yaml": "",
  });
  expect((await plansOf(beside))[0].resources).toEqual([join(beside, "a/.dapr/resources")]);

  const nothing = project("apps: [{appDirPath: a}]\n", files);
  expect((await plansOf(nothing))[0].resources).toEqual([join(nothing, "components")]);
});

test("the configuration: the app's own, then .dapr/config.yaml in its folder, then the common one", async () => {
  const files = { "a/own.yaml": "", "b/.dapr/config.yaml": "", "common.yaml": "" };
  const root = project(
    "common: {configFilePath: common.yaml}\napps:\n  - {appDirPath: a, configFilePath: own.yaml}\n  - {appDirPath: b}\n  - {appID: c, appDirPath: .}\n",
    files,
  );
  const plans = await plansOf(root);
  const paths = plans.map((plan) => plan.flags.get("config")?.[0]);
  expect(paths).toEqual([join(root, "a/own.yaml"), join(root, "b/.dapr/config.yaml"), join(root, "common.yaml")]);
});

test("a command is a list, or a text for the shell", async () => {
  const root = project(
    'apps:\n  - {appDirPath: a, command: [node, "a b.js"]}\n  - {appDirPath: b, command: npm start | tee log}\n',
  );
  const [list, text] = await plansOf(root);
  expect(list.command).toEqual(["node", "a b.js"]);
  expect(text?.command).toEqual(["sh", "-c", "npm start | tee log"]);
});

test.each([
  ["", "mecha.yaml:1: is empty; list apps below `apps:`"],
  ["apps: []", "mecha.yaml:1: apps: is empty; add an entry with an appDirPath"],
  ["version: 2\napps: [{appDirPath: a}]", "mecha.yaml:1: version: 2 is unknown; write 1"],
  [
    "apps:\n  - appID: x",
    "mecha.yaml:2: apps[0].appDirPath: is missing; add it: folder of the app, relative to this file",
  ],
  ["apps:\n  - appDirPath: gone", "mecha.yaml:2: apps[0].appDirPath: gone does not exist; it is relative to this file"],
  ["apps:\n  - appDirPath: a\n    comand: [x]", 'mecha.yaml:3: apps[0].comand: unknown key; did you mean "command"?'],
  ["apps:\n  - appDirPath: a\n    appid: x", 'mecha.yaml:3: apps[0].appID: is spelt "appid"; write "appID"'],
  [
    "common: {appPort: 1}\napps: [{appDirPath: a}]",
    "mecha.yaml:1: common.appPort: unknown key; it differs between apps: write it under an app",
  ],
  [
    "apps:\n  - appDirPath: a\n    appPort: eighty",
    'mecha.yaml:3: apps[0].appPort: must be a whole number, not "eighty"; write digits only, such as 3',
  ],
  [
    "apps:\n  - appDirPath: a\n    appProtocol: htp",
    'mecha.yaml:3: apps[0].appProtocol: "htp" is not one of http, https, h2c, grpc, grpcs; did you mean "http"?',
  ],
  ["apps:\n  - appDirPath: a\n    appID: a.b", 'mecha.yaml:3: apps[0].appID: "a.b" holds a dot; write appID a-b'],
  [
    "apps:\n  - appDirPath: a\n    appLogDestination: screen",
    'mecha.yaml:3: apps[0].appLogDestination: "screen" is not one of file, console, fileAndConsole; use one of these',
  ],
  [
    "apps:\n  - appDirPath: a\n    resourcesPaths: [res]",
    "mecha.yaml:3: apps[0].resourcesPaths[0]: a/res does not exist; the path is relative to ",
  ],
  [
    "apps:\n  - {appDirPath: a}\n  - {appDirPath: b, appID: a}",
    'mecha.yaml:3: apps[1].appID: another app is called "a"; give one of the two another appID',
  ],
  [
    "apps:\n  - {appDirPath: a, appPort: 80}\n  - {appDirPath: b, daprHTTPPort: 80}",
    "mecha.yaml:3: apps[1].daprHTTPPort: 80 is also apps[0].appPort; choose another port, or leave it out for a free one",
  ],
  ["apps: [", "mecha.yaml:1:8: invalid YAML: "],
])("%j is refused with the place and the fix", async (text, problem) => {
  const problems = await problemsOf(text);
  expect(problems).toEqual([expect.stringContaining(problem)]);
});

test("an unknown key is a warning for a run", async () => {
  const root = project("apps:\n  - {appDirPath: a, comand: x}\n");
  const { plans, problems } = await loadRunFile(join(root, "mecha.yaml"));
  expect(plans).toHaveLength(1);
  expect(problems).toMatchObject([{ severity: "warning" }]);
});

test("a folder stands for the mecha.yaml in it, else for its dapr.yaml", () => {
  const both = tempFolder({ "mecha.yaml": "", "dapr.yaml": "" });
  expect(findRunFile(".", both)).toBe(join(both, "mecha.yaml"));
  expect(findRunFile("dapr.yaml", both)).toBe(join(both, "dapr.yaml"));
  const one = tempFolder({ "sub/dapr.yaml": "" });
  expect(findRunFile("sub", one)).toBe(join(one, "sub/dapr.yaml"));
  expect(() => findRunFile(".", one)).toThrow(/the folder \. holds no mecha\.yaml or dapr\.yaml/);
  expect(() => findRunFile("gone.yaml", one)).toThrow(/gone\.yaml does not exist/);
});

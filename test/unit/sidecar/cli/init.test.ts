import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { initProject } from "../../../../sidecar/cli/init.ts";
import { lint } from "../../../../sidecar/cli/lint/lint.ts";
import { loadRunFile } from "../../../../sidecar/cli/run/run-file.ts";
import { runInside } from "../../../support/cli-context.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

test("an empty folder gets components and a mecha.yaml in which nothing is wrong", async () => {
  const cwd = tempFolder();
  const { created, kept } = await initProject(cwd);
  expect(created).toEqual(
    expect.arrayContaining([
      ".mecha/.gitignore",
      ".mecha/components/statestore.yaml",
      ".mecha/components/pubsub.yaml",
      "mecha.yaml",
    ]),
  );
  expect(kept).toEqual([]);
  expect((await lint([], { cwd, env: {} })).problems).toEqual([]);
  const { plans } = await loadRunFile(join(cwd, "mecha.yaml"));
  expect(plans).toMatchObject([
    { appId: basename(cwd), cwd, command: [], resources: [join(cwd, ".mecha/components")] },
  ]);
  expect(readFileSync(join(cwd, ".mecha/components/statestore.yaml"), "utf8")).toMatch(
    /^# Keeps values in a SQLite file.*\n# Settings: mecha components state\.sqlite\napiVersion: dapr\.io\/v1alpha1\n/,
  );
});

test("a second time changes nothing, and adds what is missing", async () => {
  const cwd = tempFolder();
  const first = await initProject(cwd);
  writeFileSync(join(cwd, ".mecha/components/pubsub.yaml"), "# mine\n");
  expect(await initProject(cwd)).toEqual({ created: [], kept: first.created });
  expect(readFileSync(join(cwd, ".mecha/components/pubsub.yaml"), "utf8")).toBe("# mine\n");
});

test("a project's own run file stays, and its start script becomes the command", async () => {
  const theirs = tempFolder({ "dapr.yaml": "apps: []\n" });
  expect((await initProject(theirs)).kept).toEqual(["dapr.yaml"]);
  expect(existsSync(join(theirs, "mecha.yaml"))).toBe(false);
  const cwd = tempFolder({ "package.json": '{"scripts":{"start":"node app.js"}}' });
  await initProject(cwd);
  expect((await loadRunFile(join(cwd, "mecha.yaml"))).plans).toMatchObject([{ command: ["npm", "start"] }]);
});

test("the command says what it made and what to do next", async () => {
  const cwd = tempFolder();
  const { code, stdout } = await runInside(["init"], { cwd });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^made {2}\.mecha\/\.gitignore\n[\s\S]*\nNext:\n {2}mecha run -- /);
  expect(JSON.parse((await runInside(["init", "--json"], { cwd })).stdout)).toMatchObject({ created: [] });
});

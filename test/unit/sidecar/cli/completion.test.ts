import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runInside } from "../../../support/cli-context.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const script = async (shell: string) => (await runInside(["completion", shell], { cwd: "/" })).stdout;

/** What bash offers behind these words; `mecha` itself is one that knows two apps. */
async function offered(...words: string[]): Promise<string[]> {
  const folder = tempFolder({ mecha: "#!/bin/sh\necho orders\necho payments\n" });
  const run = `${await script("bash")}
mecha() { sh ${join(folder, "mecha")}; }
COMP_WORDS=(mecha ${words.map((word) => JSON.stringify(word)).join(" ")}); COMP_CWORD=${words.length}
_mecha; printf '%s\\n' "\${COMPREPLY[@]}"`;
  writeFileSync(join(folder, "run.sh"), run);
  const { stdout, stderr } = spawnSync("bash", ["--norc", join(folder, "run.sh")], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter(Boolean);
}

test("bash offers commands, options of a command, and those of a command below", async () => {
  expect(await offered("st")).toEqual(["stop", "state"]);
  expect(await offered("state", "")).toEqual(expect.arrayContaining(["get", "set", "delete", "list"]));
  expect(await offered("state", "list", "--pre")).toEqual(["--prefix"]);
  expect(await offered("run", "--app-p")).toEqual(["--app-port", "--app-protocol"]);
});

test("bash offers ids of running apps where one is wanted", async () => {
  expect(await offered("stop", "")).toEqual(expect.arrayContaining(["orders", "payments"]));
  expect(await offered("logs", "pay")).toEqual(["payments"]);
  expect(await offered("publish", "--app-id", "or")).toEqual(["orders"]);
});

test("zsh and fish get scripts with every command", async () => {
  const zsh = await script("zsh");
  expect(zsh).toMatch(/^#compdef mecha\n/);
  const fish = await script("fish");
  for (const name of ["run", "lint", "components"]) {
    expect(zsh).toContain(`"${name}")`);
    expect(fish).toContain(`complete -c mecha -f -n '__fish_use_subcommand' -a ${name} -d '`);
  }
  expect(fish).toContain(
    "complete -c mecha -n '__fish_seen_subcommand_from state; and __fish_seen_subcommand_from list' -l prefix",
  );
});

test("another shell is refused with those there are", async () => {
  const { code, stderr } = await runInside(["completion", "tcsh"], { cwd: "/" });
  expect(code).toBe(2);
  expect(stderr).toMatch(/Allowed choices are bash, zsh, fish/);
});

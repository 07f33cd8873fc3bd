import { expect, test } from "vitest";
import { registry } from "../../../../../components/registry.gen.ts";
import { type CatalogueEntry, loadCatalogue } from "../../../../../sidecar/cli/catalogue.ts";
import { textWidth } from "../../../../../sidecar/cli/text-width.ts";
import { runInside } from "../../../../support/cli-context.ts";

const components = (...args: string[]) => runInside(["components", ...args], { cwd: "/" });
const typesOf = async (...args: string[]) =>
  (JSON.parse((await components(...args, "--json")).stdout) as CatalogueEntry[]).map(({ type }) => type);

test("every registered type is in the catalogue, as a type or as another name of one", async () => {
  const all = await loadCatalogue();
  const names = all.flatMap(({ type, version, aliases }) =>
    [type, ...aliases].map((name) => (version === "v1" ? name : `${name}/${version}`)),
  );
  expect(names.sort()).toEqual(Object.keys(registry).sort());
});

test("the list has a table for each kind with what each driver can do, and can be narrowed by kind and capability", async () => {
  const { stdout } = await components();
  expect(stdout).toMatch(/^TYPE +STATUS +ETAG +TTL +TRANSACTION +BULK GET +QUERY/m);
  expect(stdout).toMatch(/^state\.sqlite +beta +yes +yes +yes +yes +yes +yes +Keeps/m);
  expect(stdout).toMatch(/^state\.aws\.dynamodb +beta +yes +yes +yes +yes +- +- +Keeps/m);
  expect(stdout).toContain("-: not offered; `requires` refuses it");
  const states = Object.keys(registry).filter((name) => name.startsWith("state."));
  const listed = await typesOf("--kind", "state");
  expect(listed.length).toBeGreaterThan(1);
  expect(states).toEqual(expect.arrayContaining(listed));
  expect(await typesOf("--kind", "STATE", "--capability", "TRANSACTIONAL")).toContain("state.sqlite");
  expect(await typesOf("--capability", "QUERY_API")).toEqual(await typesOf("--capability", "query"));
});

test("one type shows all its settings with types and defaults", async () => {
  const { stdout } = await components("state.sqlite3");
  expect(stdout).toMatch(/^state\.sqlite\nKeeps values in a SQLite file/);
  expect(stdout).toMatch(/^also +state\.sqlite3$/m);
  expect(stdout).toMatch(/^timeout +duration +20s +Longest time of one call\.$/m);
  expect(stdout).toMatch(/^synchronous +full \| normal +full /m);
  expect(stdout).toMatch(/^keyPrefix +text +appid/m);
  expect((await components("secretstores.local.file")).stdout).toMatch(
    /^secretsFile +text +required +Path of a JSON file/m,
  );
});

test("on a narrow screen no line is longer than the screen", async () => {
  const { stdout } = await runInside(["components", "state.sqlite"], { cwd: "/", columns: 80 });
  for (const line of stdout.split("\n")) expect(textWidth(line)).toBeLessThanOrEqual(80);
});

test.each([
  [["state.sqlit"], 'mecha: there is no component type state.sqlit; did you mean "state.sqlite"?\n'],
  [["--kind", "stat"], 'mecha: there is no kind stat; did you mean "state"?\n'],
  [["--capability", "etags"], 'mecha: there is no capability etags; did you mean "etag"?\n'],
])("%j is answered with what was meant", async (args, stderr) => {
  expect(await components(...args)).toEqual({ code: 1, stdout: "", stderr });
});

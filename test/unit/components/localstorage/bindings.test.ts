import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import localStorage from "../../../../components/localstorage/bindings.ts";
import { openDriver } from "../../../support/open-driver.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

async function opened() {
  const folder = tempFolder({ "outside.txt": "outside" });
  const root = join(folder, "root");
  const binding = await openDriver(localStorage, { rootPath: root });
  const invoke = async (operation: string, fileName?: string, data = "") => {
    const metadata: Record<string, string> = fileName === undefined ? {} : { fileName };
    const answer = await binding.invoke?.({ operation, data: Buffer.from(data), metadata }, {});
    return answer?.data && Buffer.from(answer.data).toString();
  };
  return { folder, root, invoke };
}

test("a file is created, read, listed and deleted", async () => {
  const { root, invoke } = await opened();
  expect(await invoke("create", "dir/a.txt", "some text")).toBe('{"fileName":"dir/a.txt"}');
  await invoke("create", "b.txt", "more text");
  expect(readFileSync(join(root, "dir/a.txt"), "utf8")).toBe("some text");
  expect(await invoke("get", "dir/a.txt")).toBe("some text");
  expect(await invoke("list")).toBe('["b.txt","dir/a.txt"]');
  expect(await invoke("list", "dir")).toBe('["dir/a.txt"]');
  expect(await invoke("delete", "dir/a.txt")).toBeUndefined();
  expect(await invoke("delete", "dir/a.txt")).toBeUndefined();
  expect(await invoke("list")).toBe('["b.txt"]');
});

test.each(["/dir/a.txt", "dir/./a.txt", "dir//b/../a.txt"])(
  "the name %j is answered in its plain form",
  async (name) => {
    const { invoke } = await opened();
    expect(await invoke("create", name, "some text")).toBe('{"fileName":"dir/a.txt"}');
    expect(await invoke("list")).toBe('["dir/a.txt"]');
    expect(await invoke("get", name)).toBe("some text");
  },
);

test("a file without a name gets one", async () => {
  const { invoke } = await opened();
  const { fileName } = JSON.parse((await invoke("create", undefined, "text here")) ?? "");
  expect(fileName).toMatch(/^[0-9a-f-]{36}$/);
  expect(await invoke("get", fileName)).toBe("text here");
});

test.each([
  ['"quoted text!"', "quoted text!"],
  ['"a\\"b\\u00e9"', 'a"bé'],
  ["aGVsbG8gd29ybGQ=", "hello world"],
  ['"aGVsbG8gd29ybGQ="', "hello world"],
  ["aGVs\nbG8g\r\nd29ybGQ=", "hello world"],
  ["aGVsbG8gd29ybGQ", "aGVsbG8gd29ybGQ"],
  ['{"a":1}', '{"a":1}'],
  ['"broken', '"broken'],
  ["", ""],
])("the data %j is stored as %j", async (data, stored) => {
  const { invoke } = await opened();
  await invoke("create", "f", data);
  expect(await invoke("get", "f")).toBe(stored);
});

test.each(["../outside.txt", "a/../../outside.txt", "..", "/../outside.txt", "a\0b"])(
  "the name %j does not lead out of the folder",
  async (name) => {
    const { folder, invoke } = await opened();
    for (const operation of ["create", "get", "delete", "list"]) {
      await expect(invoke(operation, name, "!")).rejects.toThrow(/leads out of rootPath/);
    }
    expect(readFileSync(join(folder, "outside.txt"), "utf8")).toBe("outside");
  },
);

test("a link does not lead out of the folder either", async () => {
  const { folder, root, invoke } = await opened();
  mkdirSync(join(folder, "elsewhere"));
  writeFileSync(join(folder, "elsewhere/f"), "kept");
  symlinkSync(join(folder, "elsewhere"), join(root, "dir"));
  symlinkSync(join(folder, "outside.txt"), join(root, "file"));
  symlinkSync(join(folder, "new.txt"), join(root, "dangling"));
  for (const name of ["dir/f", "dir/new", "file", "dangling"]) {
    await expect(invoke("create", name, "!")).rejects.toThrow(/leads out of rootPath/);
    await expect(invoke("get", name)).rejects.toThrow(/leads out of rootPath/);
  }
  await expect(invoke("delete", "dir/f")).rejects.toThrow(/leads out of rootPath/);
  await expect(invoke("list", "dir")).rejects.toThrow(/leads out of rootPath/);
  expect(await invoke("list")).toBe("[]");
  expect(existsSync(join(folder, "new.txt"))).toBe(false);
  await invoke("delete", "file");
  expect(readFileSync(join(folder, "outside.txt"), "utf8")).toBe("outside");
});

test("an absolute name is taken from the folder", async () => {
  const { root, invoke } = await opened();
  await invoke("create", "/etc/hosts", "mine!");
  expect(readFileSync(join(root, "etc/hosts"), "utf8")).toBe("mine!");
});

test("what is missing, a folder or not named is told", async () => {
  const { invoke } = await opened();
  await invoke("create", "dir/f", "x!");
  await expect(invoke("get", "nowhere")).rejects.toThrow(/"nowhere" does not exist/);
  await expect(invoke("list", "nowhere")).rejects.toThrow(/"nowhere" does not exist/);
  await expect(invoke("get", "dir")).rejects.toThrow(/"dir" is a folder/);
  await expect(invoke("get")).rejects.toThrow(/get needs the name of a file/);
  await expect(invoke("delete")).rejects.toThrow(/delete needs the name of a file/);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../../../../sidecar/cli/run/log-file.ts";
import { followLines, LogTail } from "../../../../../sidecar/cli/run/read-log.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

test("a log begins anew, and one that has grown too large is put aside", async () => {
  const path = join(tempFolder({ "logs/a.log": "from an earlier run\n" }), "logs/a.log");
  const log = new LogFile(path, 20);
  for (const line of ["first line", "second line", "third"]) log.write(line);
  await log.close();
  expect(readFileSync(path, "utf8")).toBe("third\n");
  expect(readFileSync(`${path}.1`, "utf8")).toBe("first line\nsecond line\n");
});

test("a log that cannot be written says so and what to do", () => {
  const folder = tempFolder({ file: "" });
  expect(() => new LogFile(join(folder, "file/a.log"))).toThrow(/a\.log cannot be written/);
});

test("a reader sees new lines as they come, also after the log has begun anew", async () => {
  const path = join(tempFolder(), "a.log");
  const tail = new LogTail(path);
  expect(await tail.read()).toEqual([]);
  const log = new LogFile(path);
  log.write("one");
  await log.close();
  expect(await tail.read()).toEqual(["one"]);
  const second = new LogFile(path);
  second.write("2");
  await second.close();
  expect(await tail.read()).toEqual(["2"]);
  const rest: string[] = [];
  for await (const line of followLines(tail, async () => false)) rest.push(line);
  expect(rest).toEqual([]);
});

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exclusively } from "../../../../scripts/clients/exclusively.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

test("work under one lock is done one after the other, and the lock is given back when it fails", async () => {
  const lock = join(tempFolder(), "made/lock");
  const steps: string[] = [];
  let finish = () => {};
  const first = exclusively(lock, async () => {
    steps.push("first begins");
    await new Promise<void>((resolve) => (finish = resolve));
    steps.push("first fails");
    throw new Error("no");
  });
  const second = exclusively(lock, async () => void steps.push("second"));
  finish();
  await expect(first).rejects.toThrow("no");
  await second;
  expect(steps).toEqual(["first begins", "first fails", "second"]);
  expect(existsSync(lock)).toBe(false);
});

test("a lock of a process that is gone holds nobody up", async () => {
  const lock = join(tempFolder({ lock: "" }), "lock");
  writeFileSync(lock, String(2 ** 22 + 1));
  expect(await exclusively(lock, async () => "done")).toBe("done");
});

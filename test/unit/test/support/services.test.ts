import { expect, test, vi } from "vitest";
import { reportNotRun, requireTool } from "../../../support/services.ts";

test("a program on PATH is found with its full path", () => {
  vi.stubEnv("PATH", `/nowhere:${process.execPath.replace(/\/[^/]+$/, "")}`);
  expect(requireTool(process.execPath.replace(/^.*\//, ""))).toBe(process.execPath);
});

test("a missing program fails where everything must run, and the message says how to go on", () => {
  vi.stubEnv("MECHA_REQUIRE_SERVICES", "1");
  expect(() => requireTool("no-such-program")).toThrow(/no-such-program is not on PATH.*MECHA_REQUIRE_SERVICES=1/);
});

test("what cannot be tested for another reason fails there too", () => {
  vi.stubEnv("MECHA_REQUIRE_SERVICES", "1");
  expect(() => reportNotRun("python SDK", "pip cannot reach its index")).toThrow(/pip cannot reach its index/);
});

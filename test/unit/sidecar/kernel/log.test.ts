import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { LogConfig } from "../../../../sidecar/kernel/config-types.ts";
import { openLog } from "../../../../sidecar/kernel/log.ts";

function open(part: Partial<LogConfig> = {}) {
  const lines: string[] = [];
  const out = new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).trimEnd().split("\n"));
      done();
    },
  });
  const apiLogging = { enabled: false, obfuscateUrls: false, omitHealthChecks: false };
  return { lines, log: openLog({ level: "info", json: true, apiLogging, ...part }, "shop", "1.2.3", out) };
}

describe("the log in JSON", () => {
  it("has one line per message with its fields and where it comes from", () => {
    const { log, lines } = open();
    log.scope("dapr.runtime.http").warn("slow", { ms: 7, path: "/a b" });
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      level: "warn",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      app_id: "shop",
      instance: expect.any(String),
      type: "log",
      ver: "1.2.3",
      scope: "dapr.runtime.http",
      ms: 7,
      path: "/a b",
      msg: "slow",
    });
  });

  it("leaves out what is below its level", () => {
    const { log, lines } = open({ level: "warn" });
    for (const level of ["debug", "info", "warn", "error"] as const) log[level](level);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["warn", "error"]);
  });
});

describe("the log for people", () => {
  it("is logfmt, with quotes around anything but plain words", () => {
    const { log, lines } = open({ json: false });
    log.info('say "hi"', { n: 1, word: "plain", text: "two words", empty: "", object: { a: 1 }, line: "a\nb" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^time="[^"]+" level=info msg="say \\"hi\\"" app_id=shop /);
    expect(lines[0]).toContain(' n=1 word=plain text="two words" empty="" object="{\\"a\\":1}" line="a\\nb"');
    expect(lines[0]).toContain("scope=dapr.runtime");
  });

  it("cannot be forged by a message with line breaks", () => {
    const { log, lines } = open({ json: false });
    log.info("a\nlevel=error msg=forged", { field: "d\r\nlevel=error" });
    expect(lines).toHaveLength(1);
  });
});

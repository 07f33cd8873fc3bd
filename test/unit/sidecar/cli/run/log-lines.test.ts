import { expect, test } from "vitest";
import { painter } from "../../../../../sidecar/cli/paint.ts";
import { decodeLogLine, encodeLogLine } from "../../../../../sidecar/cli/run/log-line.ts";
import { shortenSidecarLine } from "../../../../../sidecar/cli/run/sidecar-line.ts";

const plain = painter({ colors: false });

test("a line of the log file reads back as it was written", () => {
  const line = { time: "2026-01-31T12:00:00.000Z", source: "sidecar", text: "app  with  spaces" } as const;
  expect(decodeLogLine(encodeLogLine(line))).toEqual(line);
  expect(decodeLogLine("anything else")).toEqual({ time: "", source: "app", text: "anything else" });
});

test("a line of the sidecar is cut down to what differs from line to line", () => {
  const line =
    'time="2026-01-31T12:00:01.234Z" level=warn msg="it is \\"odd\\"" app_id=a instance=host type=log ver=1 scope=dapr.runtime port=3500 why="no reason"';
  expect(shortenSidecarLine(line, plain)).toBe('12:00:01 warn  it is "odd" port=3500 why=no reason');
});

test.each([
  "plain words",
  '{"level":"info","msg":"json"}',
  "Error: a=b went wrong",
  "    at run (file.ts:1:2)",
  "a=1 b=2",
  "",
])("%j is no log line and stays as it is", (line) => {
  expect(shortenSidecarLine(line, plain)).toBe(line);
});

import { expect, test } from "vitest";
import { parseSchedule } from "../../../../components/cron/schedule.ts";

const from = Date.UTC(2026, 0, 1, 0, 0, 5); // a Thursday

const next = (text: string, start = from) => {
  const at = parseSchedule(text).next(start);
  return at === undefined ? undefined : new Date(at).toISOString();
};

test.each([
  ["TZ=UTC */5 * * * *", "2026-01-01T00:05:00.000Z"],
  ["TZ=UTC 10 * * * * *", "2026-01-01T00:00:10.000Z"],
  ["TZ=UTC 30/10 * * * * *", "2026-01-01T00:00:30.000Z"],
  ["TZ=UTC 0 9 ? * MON-WED", "2026-01-05T09:00:00.000Z"],
  ["CRON_TZ=Asia/Tokyo 0 6 * * *", "2026-01-01T21:00:00.000Z"],
  ["TZ=UTC @hourly", "2026-01-01T01:00:00.000Z"],
  ["TZ=UTC @midnight", "2026-01-02T00:00:00.000Z"],
  ["TZ=UTC @weekly", "2026-01-04T00:00:00.000Z"],
  ["@every 10s", "2026-01-01T00:00:15.000Z"],
  ["@every 1h30m", "2026-01-01T01:30:05.000Z"],
  ["@every 1.5m", "2026-01-01T00:01:35.000Z"],
  ["@every 1500ms", "2026-01-01T00:00:06.000Z"],
  ["@every 10ms", "2026-01-01T00:00:06.000Z"],
])("%s comes next at %s", (text, expected) => {
  expect(next(text)).toBe(expected);
});

test("an hour that the clocks skip is made up for once", () => {
  const before = Date.parse("2026-03-29T00:00:00Z");
  expect(next("CRON_TZ=Europe/Berlin 30 2 * * *", before)).toBe("2026-03-29T01:00:00.000Z");
});

test("the zone is the one written, or this machine's", () => {
  expect(parseSchedule("CRON_TZ=Asia/Tokyo @daily").timeZone).toBe("Asia/Tokyo");
  expect(parseSchedule("@daily").timeZone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
});

test.each([
  "",
  "* * *",
  "61 * * * *",
  "@every",
  "@every 5 parsecs",
  "@every 0s",
  "@sometimes",
  "TZ=Mars/Base * * * * *",
])("%j is refused", (text) => {
  expect(() => parseSchedule(text).next(from)).toThrow();
});

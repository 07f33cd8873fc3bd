import { expect, test } from "vitest";
import type { BindingEvent } from "../../../../components/contract/bindings.ts";
import cron from "../../../../components/cron/bindings.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { KeptLog, openContext, openDriver } from "../../../support/open-driver.ts";

async function started(schedule: string, clock = new FakeClock()) {
  const events: BindingEvent[] = [];
  const binding = await openDriver(cron, { schedule }, openContext({ clock }));
  await binding.read?.(async (event) => void events.push(event), {});
  return { clock, events };
}

test("an event is empty and says when and in which zone it happened", async () => {
  const { clock, events } = await started("TZ=UTC @hourly", new FakeClock(Date.UTC(2026, 0, 1, 0, 30)));
  await clock.advance(30 * 60_000);
  expect(events).toEqual([
    { data: new Uint8Array(), metadata: { timeZone: "UTC", readTimeUTC: "2026-01-01T01:00:00.000Z" } },
  ]);
});

test("a period does not drift", async () => {
  const { clock, events } = await started("@every 10s");
  for (let i = 0; i < 10; i++) await clock.advance(10_000);
  expect(events.map((event) => new Date(event.metadata["readTimeUTC"] as string).getSeconds())).toEqual([
    10, 20, 30, 40, 50, 0, 10, 20, 30, 40,
  ]);
});

test("moments missed in sleep are not made up for", async () => {
  const sleepy = new FakeClock();
  let skipped = 0;
  const clock = { now: () => sleepy.now() + skipped, after: sleepy.after.bind(sleepy) };
  const events: unknown[] = [];
  const binding = await openDriver(cron, { schedule: "@every 10s" }, openContext({ clock }));
  await binding.read?.(async (event) => void events.push(event), {});
  skipped = 3_600_000;
  await sleepy.advance(10_000);
  expect(events).toHaveLength(1);
  await sleepy.advance(10_000);
  expect(events).toHaveLength(2);
});

test("a moment further away than timers reach is waited for in steps", async () => {
  const real = new FakeClock();
  const longest = 2 ** 31 - 1;
  const clock = {
    now: () => real.now(),
    after: (ms: number, run: () => void) => real.after(Math.min(ms, longest), run),
  };
  const events: unknown[] = [];
  const binding = await openDriver(cron, { schedule: "TZ=UTC @yearly" }, openContext({ clock }));
  await binding.read?.(async (event) => void events.push(event), {});
  await real.advance(364 * 86_400_000);
  expect(events).toHaveLength(0);
  await real.advance(86_400_000);
  expect(events).toHaveLength(1);
});

test("an app that fails is told in the log", async () => {
  const clock = new FakeClock();
  const log = new KeptLog();
  const binding = await openDriver(cron, { schedule: "@every 1s" }, openContext({ clock, log }));
  await binding.read?.(() => Promise.reject(new Error("app is down")), {});
  await clock.advance(1000);
  expect(log.lines.join()).toMatch(/warn.*app is down/);
});

test("a schedule that cannot be read stops the component from opening", async () => {
  await expect(openDriver(cron, { schedule: "every day" })).rejects.toThrow(/schedule "every day" cannot be used/);
  await expect(openDriver(cron, { schedule: "0 0 30 2 *" })).rejects.toThrow(/never comes true/);
});

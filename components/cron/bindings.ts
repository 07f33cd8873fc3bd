import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { type BindingHandler, defineBinding } from "../contract/bindings.ts";
import type { OpenContext, Subscription } from "../contract/driver.ts";
import { requiredText } from "../contract/settings.ts";
import type { Schedule } from "./schedule.ts";

export default defineBinding({
  type: "bindings.cron",
  status: "stable",
  summary: "Calls the app on a schedule; every sidecar fires for itself.",
  metadata: Type.Object({
    schedule: requiredText({
      description:
        "Five or six cron fields (six: seconds first), `@every 10s`, or a word such as `@hourly`; `CRON_TZ=<zone>` may stand before.",
      example: "@every 10s",
    }),
  }),
  capabilities: ["input"],
  async open(settings, context) {
    const schedule = await readSchedule(settings.schedule, context.clock.now());
    const subscriptions = new Set<Subscription>();
    return {
      async read(handler) {
        const subscription = start(schedule, handler, context);
        subscriptions.add(subscription);
        return subscription;
      },
      async close() {
        await Promise.all([...subscriptions].map((subscription) => subscription.close()));
        subscriptions.clear();
      },
    };
  },
});

async function readSchedule(text: string, now: number): Promise<Schedule> {
  const { parseSchedule } = await import("./schedule.ts");
  try {
    const schedule = parseSchedule(text);
    if (schedule.next(now) === undefined) throw new Error("it never comes true");
    return schedule;
  } catch (error) {
    const why = `schedule ${JSON.stringify(text)} cannot be used: ${causeText(error)}`;
    throw fail("openFailed", { why }, { cause: error });
  }
}

function start(schedule: Schedule, handler: BindingHandler, { clock, log, name }: OpenContext): Subscription {
  const running = new Set<Promise<void>>();
  let cancel = () => {};
  let closed = false;

  const fire = async () => {
    const metadata = { timeZone: schedule.timeZone, readTimeUTC: new Date(clock.now()).toISOString() };
    try {
      await handler({ data: new Uint8Array(), metadata });
    } catch (error) {
      log.warn("the app did not take an event of the schedule", { component: name, error: causeText(error) });
    }
  };

  const arm = (at: number) => {
    cancel = clock.after(Math.max(0, at - clock.now()), () => {
      if (closed) return;
      const now = clock.now();
      // A timer is cut short when the moment lies further away than timers reach, and clocks drift apart.
      if (now < at) return arm(at);
      const run = fire().finally(() => running.delete(run));
      running.add(run);
      const following = schedule.next(at);
      // Counted from the moment that was due, a period does not drift; moments missed in sleep are not made up for.
      const next = following !== undefined && following <= now ? schedule.next(now) : following;
      if (next !== undefined) arm(next);
    });
  };

  const first = schedule.next(clock.now());
  if (first !== undefined) arm(first);
  return {
    async close() {
      closed = true;
      cancel();
      await Promise.all(running);
    },
  };
}

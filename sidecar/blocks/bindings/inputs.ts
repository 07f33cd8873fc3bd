import type { Subscription } from "../../../components/contract/driver.ts";
import { causeText } from "../../../specs/errors.ts";
import type { App, AppHealth, Forward } from "../../kernel/app.ts";
import type { Component, Components } from "../../kernel/components.ts";
import type { ScopedLog } from "../../kernel/log.ts";
import type { Policies } from "../../kernel/policy.ts";
import { forward } from "./outputs.ts";

export interface InputParts {
  readonly components: Components;
  readonly policies: Policies;
  readonly app: App;
  readonly health: AppHealth;
  /** Hears of each event that the app has taken or not; for metrics. */
  readonly noteEvent?: ((binding: string, success: boolean, ms: number) => void) | undefined;
  readonly log: ScopedLog;
}

/** What is read from, and how it went. */
interface Reading {
  readonly component: Component<"bindings">;
  readonly subscription: Promise<Subscription | undefined>;
}

/** The input side: events from outside go to the app while it is healthy. A component that is opened anew is read anew. */
export function openInputBindings(parts: InputParts): { close(): Promise<void> } {
  const reading = new Map<string, Reading>();
  let attached = false;
  const attach = (component: Component<"bindings">) => {
    const before = reading.get(component.name);
    if (!attached || before?.component === component) return;
    const begin = async () => {
      await end(before);
      return startReading(parts, component);
    };
    reading.set(component.name, { component, subscription: begin() });
  };
  const detach = async () => {
    const open = [...reading.values()];
    reading.clear();
    await Promise.all(open.map(end));
  };
  const endOpen = parts.components.onOpen("bindings", attach);
  const endWatch = parts.health.watch((healthy) => {
    attached = healthy;
    if (healthy) for (const component of parts.components.all("bindings")) attach(component);
    else void detach();
  });
  return {
    async close() {
      endOpen();
      endWatch();
      attached = false;
      await detach();
    },
  };
}

const end = async (reading: Reading | undefined): Promise<void> => (await reading?.subscription)?.close();

async function startReading(parts: InputParts, component: Component<"bindings">): Promise<Subscription | undefined> {
  const { app, policies, noteEvent, log } = parts;
  const { name, opened, runtime } = component;
  if (!opened.read) return undefined;
  const pass = (answer: Forward) => forward(parts.components, answer);
  const route = String(runtime["route"] ?? name);
  try {
    if (!(await wanted(app, component, route))) return undefined;
    const policy = policies.component(name, "bindings", "inbound");
    const subscription = await opened.read(async ({ data, metadata }) => {
      const event = { name, route, data, metadata, forward: pass };
      const deliver = (signal?: AbortSignal) => app.bindingEvent({ ...event, signal });
      const started = performance.now();
      try {
        const answer = await (policy ? policy.run(deliver) : deliver());
        noteEvent?.(name, true, performance.now() - started);
        return answer;
      } catch (error) {
        noteEvent?.(name, false, performance.now() - started);
        log.warn("the app did not take an event", { binding: name, error: causeText(error) });
        throw error;
      }
    }, {});
    log.info("app is subscribed to an input binding", { binding: name, route });
    return subscription;
  } catch (error) {
    log.error("an input binding could not be started", { binding: name, error: causeText(error) });
    return undefined;
  }
}

/** Declared by `direction`, else asked from the app. */
async function wanted(app: App, { name, runtime }: Component<"bindings">, route: string): Promise<boolean> {
  const direction = runtime["direction"];
  if (typeof direction === "string" && direction !== "")
    return direction.split(",").some((one) => one.trim().toLowerCase() === "input");
  return app.wantsBinding(name, route);
}

import { describe, expect, it } from "vitest";
import type { BindingHandler } from "../../../../../components/contract/bindings.ts";
import { openInputBindings } from "../../../../../sidecar/blocks/bindings/inputs.ts";
import type { App, AppHealth } from "../../../../../sidecar/kernel/app.ts";
import type { Component, Components } from "../../../../../sidecar/kernel/components.ts";
import type { Policies, Policy } from "../../../../../sidecar/kernel/policy.ts";
import { componentsOf, type OpenPart } from "../../../../support/components.ts";
import { KeptScopedLog } from "../../../../support/wires.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));
type Event = Parameters<App["bindingEvent"]>[0];

class Source {
  handler: BindingHandler | undefined;
  opened = 0;
  closed = 0;
  refuse = false;

  part(name: string, runtime = {}, capabilities = ["input"]): OpenPart<"bindings"> {
    const driver = {
      kind: "bindings",
      type: "bindings.fake",
      capabilities,
    } as unknown as OpenPart<"bindings">["driver"];
    const opened = {
      close: async () => {},
      read: async (handler: BindingHandler) => {
        if (this.refuse) throw new Error("no queue");
        this.opened++;
        this.handler = handler;
        return {
          close: async () => {
            this.closed++;
            this.handler = undefined;
          },
        };
      },
    };
    return { name, driver, opened, runtime };
  }
}

interface Given {
  readonly wants?: boolean | Error;
  readonly policy?: Policy;
  readonly others?: readonly OpenPart<"bindings">[];
}

function open(part: OpenPart<"bindings">, { wants = true, policy, others = [] }: Given = {}) {
  let follow = (_: Component<"bindings">) => {};
  const fixed = componentsOf(...([part, ...others] as unknown as OpenPart[]));
  const components: Components = {
    ...fixed,
    onOpen(kind, listener) {
      follow = listener as unknown as typeof follow;
      return fixed.onOpen(kind, listener);
    },
  };
  const events: Event[] = [];
  const asked: string[] = [];
  const log = new KeptScopedLog();
  const listeners = new Set<(healthy: boolean) => void>();
  const state = { answer: async (_: Event): Promise<Uint8Array | undefined> => undefined };
  const app = {
    async wantsBinding(name: string, route: string) {
      asked.push(`${name} ${route}`);
      if (wants instanceof Error) throw wants;
      return wants;
    },
    async bindingEvent(event: Event) {
      events.push(event);
      return state.answer(event);
    },
  } as unknown as App;
  const health: AppHealth = {
    healthy: true,
    watch(listener) {
      listeners.add(listener);
      listener(true);
      return () => void listeners.delete(listener);
    },
  };
  const policies = { component: () => policy } as unknown as Policies;
  const inputs = openInputBindings({
    components,
    policies,
    app,
    health,
    log,
  });
  const turn = async (healthy: boolean) => {
    for (const listener of listeners) listener(healthy);
    await settled();
  };
  const openAnew = async (other: OpenPart<"bindings">) => {
    const [component] = componentsOf(other as unknown as OpenPart).all("bindings");
    if (component) follow(component);
    await settled();
  };
  return { inputs, events, asked, log, state, turn, listeners, openAnew };
}

describe("an input binding", () => {
  it("gives its events to the app's route and the answer to its source", async () => {
    const source = new Source();
    const { events, state, asked } = open(source.part("orders", { route: "/in/orders" }));
    await settled();
    state.answer = async () => Buffer.from("done");
    const answer = await source.handler?.({ data: Buffer.from("e"), metadata: { a: "b" } });
    expect(Buffer.from(answer ?? []).toString()).toBe("done");
    expect(events).toMatchObject([
      { name: "orders", route: "/in/orders", data: Buffer.from("e"), metadata: { a: "b" } },
    ]);
    expect(asked).toEqual(["orders /in/orders"]);
  });

  it("is taken once the output bindings that the app names have taken its answer", async () => {
    const source = new Source();
    const given: string[] = [];
    const opened = {
      operations: ["create"],
      invoke: async ({ data }: { data: Uint8Array }) => void given.push(Buffer.from(data).toString()),
      close: async () => {},
    };
    const out = { ...source.part("out", {}, ["output"]), opened } as unknown as OpenPart<"bindings">;
    const { state } = open(source.part("orders"), { others: [out] });
    await settled();
    state.answer = async ({ forward }) => {
      await forward?.({ to: ["out"], data: Buffer.from("answer"), parallel: false });
      return undefined;
    };
    const event = { data: Buffer.from("e"), metadata: {} };
    await source.handler?.(event);
    expect(given).toEqual(["answer"]);
    state.answer = async ({ forward }) => {
      await forward?.({ to: ["nope"], data: Buffer.from("answer"), parallel: false });
      return undefined;
    };
    await expect(source.handler?.(event)).rejects.toThrow("couldn't find output binding nope; configured: out");
  });

  it("has its name for a route unless one is set", async () => {
    const source = new Source();
    const { asked } = open(source.part("orders"));
    await settled();
    expect(asked).toEqual(["orders orders"]);
  });

  it("is not read when the app does not want it, or cannot be asked", async () => {
    for (const wants of [false, new Error("timeout")]) {
      const source = new Source();
      const { log } = open(source.part("orders"), { wants });
      await settled();
      expect(source.opened).toBe(0);
      if (wants instanceof Error) expect(log.lines.join()).toContain("an input binding could not be started");
    }
  });

  it("is not asked about when its direction is declared", async () => {
    const source = new Source();
    const { asked } = open(source.part("orders", { direction: "output, Input" }), { wants: false });
    await settled();
    expect(source.opened).toBe(1);
    expect(asked).toEqual([]);
    const output = new Source();
    await open(output.part("orders", { direction: "output" }));
    await settled();
    expect(output.opened).toBe(0);
  });

  it("tells its source of an event that the app did not take", async () => {
    const source = new Source();
    const { state, log } = open(source.part("orders"));
    await settled();
    state.answer = () => Promise.reject(new Error("the app answered 500"));
    await expect(source.handler?.({ data: Buffer.from("e"), metadata: {} })).rejects.toThrow("the app answered 500");
    expect(log.lines.join()).toContain("the app did not take an event");
  });

  it("that is opened anew is read anew, and what it was before no more", async () => {
    const [source, next] = [new Source(), new Source()];
    const { openAnew, events, turn } = open(source.part("orders"));
    await settled();
    await openAnew(next.part("orders"));
    expect([source.opened, source.closed, next.opened, next.closed]).toEqual([1, 1, 1, 0]);
    await next.handler?.({ data: Buffer.from("e"), metadata: {} });
    expect(events).toHaveLength(1);
    await turn(false);
    expect(next.closed).toBe(1);
  });

  it("delivers under its inbound policy", async () => {
    const source = new Source();
    const policy: Policy = {
      retries: true,
      run: async (attempt) => attempt(undefined, 1).catch(() => attempt(undefined, 2)),
    };
    const { state, events } = open(source.part("orders"), { policy });
    await settled();
    state.answer = async () => {
      if (events.length === 1) throw new Error("once");
      return undefined;
    };
    await source.handler?.({ data: Buffer.from("e"), metadata: {} });
    expect(events).toHaveLength(2);
  });

  it("is read only while the app is healthy, and once", async () => {
    const source = new Source();
    const { turn } = open(source.part("orders"));
    await settled();
    await turn(true);
    expect([source.opened, source.closed]).toEqual([1, 0]);
    await turn(false);
    expect([source.opened, source.closed]).toEqual([1, 1]);
    await turn(true);
    expect([source.opened, source.closed]).toEqual([2, 1]);
  });

  it("that cannot be read is logged and does not stop the others", async () => {
    const source = new Source();
    source.refuse = true;
    const { log } = open(source.part("orders"));
    await settled();
    expect(log.lines.join()).toContain("no queue");
  });

  it("is closed once, and for good", async () => {
    const source = new Source();
    const { inputs, listeners } = open(source.part("orders"));
    await settled();
    await inputs.close();
    await inputs.close();
    expect(source.closed).toBe(1);
    expect(listeners.size).toBe(0);
  });
});

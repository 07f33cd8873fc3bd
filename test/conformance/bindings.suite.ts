import { expect, test } from "vitest";
import type { Binding, BindingDriver, BindingEvent, BindingRequest } from "../../components/contract/bindings.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";

/** A binding under test. */
export interface BindingTarget {
  readonly driver: BindingDriver;
  /** The server it needs is not on this machine, which has been reported; its cases are skipped. */
  readonly isMissing?: boolean;
  /** Settings of a binding that works; called inside a test. */
  prepare(): Promise<Given> | Given;
  /** For an output: a request that succeeds, and how to see in the answer that it did. */
  readonly output?: { readonly request: BindingRequest; readonly answer: unknown };
  /** For an input: makes exactly one event happen. */
  readonly input?: { happen(clock: FakeClock): Promise<void> };
}

/** What every binding must do in the directions it declares. */
export function bindingSuite(target: BindingTarget): void {
  const open = async (clock = new FakeClock()): Promise<Binding> =>
    openDriver(target.driver, await target.prepare(), openContext({ clock }));

  test("offers the directions it declares and no other", async () => {
    const binding = await open();
    const offered = [...(binding.read ? ["input"] : []), ...(binding.invoke ? ["output"] : [])];
    expect(offered).toEqual([...target.driver.capabilities].sort());
    expect(Boolean(target.input)).toBe(offered.includes("input"));
    expect(Boolean(target.output)).toBe(offered.includes("output"));
  });

  test("closing twice is closing once", async () => {
    const binding = await open();
    await binding.close();
    await binding.close();
  });

  if (target.output) outputCases(target.output, open);
  if (target.input) inputCases(target.input, open);
}

function outputCases(output: NonNullable<BindingTarget["output"]>, open: () => Promise<Binding>): void {
  test("an operation it names is done and answered", async () => {
    const binding = await open();
    expect(binding.operations).toContain(output.request.operation);
    const answer = await binding.invoke?.(output.request, {});
    expect(Buffer.from(answer?.data ?? []).toString()).toEqual(output.answer);
  });

  test("an operation it does not name is refused by name", async () => {
    const binding = await open();
    const answer = binding.invoke?.({ ...output.request, operation: "levitate" }, {});
    await expect(answer).rejects.toThrow(/levitate/);
  });
}

function inputCases(
  { happen }: NonNullable<BindingTarget["input"]>,
  open: (clock: FakeClock) => Promise<Binding>,
): void {
  const read = async (handler: (event: BindingEvent) => Promise<Uint8Array | undefined>) => {
    const clock = new FakeClock();
    const binding = await open(clock);
    const subscription = await binding.read?.(handler, {});
    return { binding, subscription, happen: () => happen(clock) };
  };

  test("an event reaches the handler once", async () => {
    const events: BindingEvent[] = [];
    const { happen } = await read(async (event) => void events.push(event));
    await happen();
    expect(events).toHaveLength(1);
  });

  test("a handler that fails does not end the subscription", async () => {
    let calls = 0;
    const { happen } = await read(async () => {
      calls++;
      throw new Error("not now");
    });
    await happen();
    await happen();
    expect(calls).toBe(2);
  });

  test("a closed subscription takes no more events and settles after the one in flight", async () => {
    let calls = 0;
    let finish = () => {};
    const { subscription, happen } = await read(() => {
      calls++;
      return new Promise((resolve) => {
        finish = () => resolve(undefined);
      });
    });
    await happen();
    let closed = false;
    const closing = subscription?.close().then(() => {
      closed = true;
    });
    await happen();
    expect({ calls, closed }).toEqual({ calls: 1, closed: false });
    finish();
    await closing;
    await subscription?.close();
    expect(closed).toBe(true);
  });

  test("closing the component closes its subscriptions", async () => {
    let calls = 0;
    const { binding, happen } = await read(async () => void calls++);
    await binding.close();
    await happen();
    expect(calls).toBe(0);
  });
}

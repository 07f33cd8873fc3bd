import { expect, test } from "vitest";
import configuration from "../../../../components/memory/configuration.ts";
import lock from "../../../../components/memory/lock.ts";
import state from "../../../../components/memory/state.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { openContext, openDriver } from "../../../support/open-driver.ts";

test("first items of a configuration store come from its settings", async () => {
  const store = await openDriver(configuration, { values: '{"a": "1", "b": {"value": "2", "version": "v7"}}' });
  expect(await store.get([], {}, {})).toEqual({
    a: { value: "1", version: "1", metadata: {} },
    b: { value: "2", version: "v7", metadata: {} },
  });
});

test.each([
  ["{", "must be a JSON object"],
  ["[]", "must be a JSON object"],
  ['{"a": 1}', "a must be a text or an object"],
  ['{"a": {"value": "1", "version": 2}}', "a.version must be a text"],
])("first items written %j are refused", async (values, why) => {
  const opening = openDriver(configuration, { values });
  await expect(opening).rejects.toMatchObject({ reason: "openFailed", message: expect.stringContaining(why) });
});

test("closed stores leave no timer behind", async () => {
  const clock = new FakeClock();
  const opening = [
    () => openDriver(state, {}, openContext({ clock })),
    () => openDriver(lock, {}, openContext({ clock })),
  ];
  for (const open of opening) {
    const store = await open();
    await clock.advance(5000);
    expect(clock.pending).toBe(1);
    await store.close();
    expect(clock.pending).toBe(0);
  }
});

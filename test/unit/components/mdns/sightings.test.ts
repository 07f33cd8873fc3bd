import { expect, test } from "vitest";
import { Sightings } from "../../../../components/mdns/sightings.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const seen = (appId: string, address: string) => ({ appId, address, gone: false });

test("an address is remembered for a minute after it was last heard", async () => {
  const clock = new FakeClock();
  const sightings = new Sightings(clock);
  sightings.add(seen("Orders", "a:1"));
  await clock.advance(30_000);
  sightings.add(seen("orders", "b:1"));
  expect(sightings.addresses("orders")).toEqual(["a:1", "b:1"]);
  await clock.advance(30_000);
  expect(sightings.addresses("orders")).toEqual(["b:1"]);
  await clock.advance(30_000);
  expect(sightings.apps()).toEqual([]);
});

test("an app with its last address goes", () => {
  const sightings = new Sightings(new FakeClock());
  sightings.add({ appId: "orders", gone: false });
  sightings.add(seen("orders", "a:1"));
  sightings.add(seen("orders", "b:1"));
  sightings.add({ ...seen("orders", "a:1"), gone: true });
  expect(sightings.apps()).toEqual(["orders"]);
  sightings.add({ ...seen("orders", "b:1"), gone: true });
  expect(sightings.apps()).toEqual([]);
});

test("who waits is told of an address, not of the mere existence of the app", () => {
  const sightings = new Sightings(new FakeClock());
  let told = 0;
  const stop = sightings.listen("Orders", () => told++);
  sightings.add({ appId: "orders", gone: false });
  sightings.add(seen("payments", "a:1"));
  expect(told).toBe(0);
  sightings.add(seen("orders", "a:1"));
  stop();
  sightings.add(seen("orders", "b:1"));
  expect(told).toBe(1);
});

test("a flood of names does not fill the memory, and old ones make room", async () => {
  const clock = new FakeClock();
  const sightings = new Sightings(clock);
  for (let i = 0; i < 2000; i++) sightings.add(seen(`app${i}`, "a:1"));
  expect(sightings.apps()).toHaveLength(1000);
  await clock.advance(60_000);
  sightings.add(seen("late", "a:1"));
  expect(sightings.apps()).toEqual(["late"]);
});

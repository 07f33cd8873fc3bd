import { describe, expect, it } from "vitest";
import { Fixture, fromSecret, resource, store } from "./fake-components.ts";

/** A state store `a` that was opened with the secret `db` of the store `vault`. */
async function opened(ping?: () => Promise<void>) {
  const resources = [store("vault"), resource("a", { secretStore: "vault", metadata: [fromSecret("password", "db")] })];
  const fixture = new Fixture(resources);
  const { behaviours, host, clock, events } = fixture;
  const passwords: unknown[] = [];
  behaviours["vault"] = { secrets: { db: { db: "one" } } };
  behaviours["a"] = { open: (_, { password }) => void passwords.push(password), ...(ping ? { ping } : {}) };
  await host.start();
  events.length = 0;
  return { ...fixture, log: fixture.log, behaviours, host, clock, events, passwords };
}

describe("a component whose secret changes", () => {
  it("is opened with the new one beside the old, then takes its place", async () => {
    const { behaviours, clock, events, passwords, host, log } = await opened();
    const told: string[] = [];
    host.onOpen("state", ({ name }) => void told.push(name));
    behaviours["vault"] = { secrets: { db: { db: "two" } } };
    await clock.advance(60_000);
    expect(passwords).toEqual(["one", "two"]);
    expect(events).toEqual(["opening a", "opened a", "closed a"]);
    expect(told).toEqual(["a", "a"]);
    expect(log.lines.join()).not.toMatch(/"(one|two)"/);
    await clock.advance(120_000);
    expect(passwords).toHaveLength(2);
  });

  it.each([
    ["cannot be opened with it", () => ({ open: () => Promise.reject(new Error("denied")) })],
    ["does not answer with it", () => ({ ping: () => Promise.reject(new Error("denied")) })],
  ])("goes on with the old one when it %s, and takes the next one that works", async (_, bad) => {
    const { behaviours, clock, host, events, log, passwords } = await opened();
    const before = host.find("state", "a");
    const good = behaviours["a"] ?? {};
    behaviours["vault"] = { secrets: { db: { db: "two" } } };
    behaviours["a"] = bad();
    await clock.advance(60_000);
    expect(host.find("state", "a")).toBe(before);
    expect(events.filter((event) => event === "opened a").length).toBe(
      events.filter((event) => event === "closed a").length,
    );
    expect(log.lines.join()).toContain("it goes on with those it had");
    behaviours["a"] = good;
    await clock.advance(60_000);
    expect(host.find("state", "a")).not.toBe(before);
    expect(passwords).toEqual(["one", "two"]);
  });

  it("stays as it is while the secret store is away", async () => {
    const { behaviours, clock, passwords, log } = await opened();
    behaviours["vault"] = { secrets: {} };
    await clock.advance(60_000);
    expect(passwords).toEqual(["one"]);
    expect(log.lines.join()).toContain("the secrets of a component cannot be read now");
  });

  it("is opened anew at once when it no longer answers", async () => {
    let valid = "one";
    const { behaviours, clock, passwords } = await opened(async () => {
      if (passwords.at(-1) !== valid) throw new Error("denied");
    });
    valid = "two";
    behaviours["vault"] = { secrets: { db: { db: "two" } } };
    await clock.advance(15_000);
    expect(passwords).toEqual(["one", "two"]);
  });
});

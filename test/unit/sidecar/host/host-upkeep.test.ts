import { describe, expect, it } from "vitest";
import type { Component } from "../../../../sidecar/kernel/components.ts";
import type { ComponentResource } from "../../../../sidecar/kernel/config-types.ts";
import type { Policy } from "../../../../sidecar/kernel/policy.ts";
import { Fixture, resource, settled, store } from "./fake-components.ts";

describe("a component that may fail", () => {
  it("is tried again in the background, more and more rarely, until it opens", async () => {
    const fixture = new Fixture([resource("a", { ignoreErrors: true }), resource("b")]);
    const { host, clock, events, behaviours } = fixture;
    let tries = 0;
    behaviours["a"] = {
      open: () => {
        if (++tries < 4) throw new Error(`down ${tries}`);
      },
    };
    await host.start();
    expect(fixture.stateOf("a")).toEqual(["failed", "down 1"]);
    expect(host.all("state").map(({ name }) => name)).toEqual(["b"]);
    await clock.advance(999);
    expect(tries).toBe(1);
    await clock.advance(1);
    expect(fixture.stateOf("a")).toEqual(["failed", "down 2"]);
    await clock.advance(2000);
    expect(tries).toBe(3);
    const opened: string[] = [];
    host.onOpen("state", ({ name }) => opened.push(name));
    await clock.advance(4000);
    expect(fixture.stateOf("a")).toEqual(["ready", undefined]);
    expect(opened).toEqual(["b", "a"]);
    expect(host.find("state", "a")?.name).toBe("a");
    await clock.advance(600_000);
    expect(tries).toBe(4);
    expect(events).toContain("opened a");
  });

  it("is tried once a minute at the most", async () => {
    const { host, clock, behaviours } = new Fixture([resource("a", { ignoreErrors: true })]);
    let tries = 0;
    behaviours["a"] = {
      open: () => {
        tries++;
        throw new Error("down");
      },
    };
    await host.start();
    await clock.advance(63_000);
    expect(tries).toBe(7);
    await clock.advance(120_000);
    expect(tries).toBe(9);
  });

  it("is not tried any more once the host is closed", async () => {
    const { host, clock, behaviours } = new Fixture([resource("a", { ignoreErrors: true })]);
    let tries = 0;
    behaviours["a"] = {
      open: () => {
        tries++;
        throw new Error("down");
      },
    };
    await host.start();
    await host.close();
    expect(clock.pending).toBe(0);
    await clock.advance(60_000);
    expect(tries).toBe(1);
  });

  it("that opens while the host closes is closed again", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { host, clock, behaviours, events } = new Fixture([resource("a", { ignoreErrors: true })]);
    let tries = 0;
    behaviours["a"] = { open: () => (++tries === 1 ? Promise.reject(new Error("down")) : promise) };
    await host.start();
    await clock.advance(1000);
    await host.close();
    resolve();
    await settled();
    expect(events.at(-1)).toBe("closed a");
    expect(host.all("state")).toEqual([]);
  });
});

describe("the health of components", () => {
  it("is asked every fifteen seconds and shows as degraded until it is back", async () => {
    const fixture = new Fixture([resource("a")]);
    const { host, clock, behaviours, log } = fixture;
    let broken: Error | undefined;
    behaviours["a"] = {
      ping: async () => {
        if (broken) throw broken;
      },
    };
    await host.start();
    await clock.advance(15_000);
    expect(fixture.stateOf("a")).toEqual(["ready", undefined]);
    broken = new Error("connection lost");
    await clock.advance(15_000);
    expect(fixture.stateOf("a")).toEqual(["degraded", "connection lost"]);
    expect(host.find("state", "a")?.name).toBe("a");
    await clock.advance(15_000);
    broken = undefined;
    await clock.advance(15_000);
    expect(fixture.stateOf("a")).toEqual(["ready", undefined]);
    expect(log.lines.filter((entry) => entry.includes("does not answer"))).toHaveLength(1);
  });

  it("counts an answer that does not come as none", async () => {
    const fixture = new Fixture([resource("a")]);
    fixture.behaviours["a"] = { ping: () => new Promise(() => {}) };
    await fixture.host.start();
    await fixture.clock.advance(20_000);
    expect(fixture.stateOf("a")).toEqual(["degraded", "ping of a did not finish within 5000 ms"]);
  });
});

describe("changed resources", () => {
  const isSame = (a: ComponentResource, b: ComponentResource) => a === b;

  it("open what is new, replace what is changed and close what is gone", async () => {
    const [kept, changed, gone] = [resource("kept"), resource("changed"), resource("gone")];
    const { host, events } = new Fixture([kept, changed, gone]);
    await host.start();
    const before = host.find("state", "changed") as Component;
    events.length = 0;
    const result = await host.apply([kept, resource("changed"), resource("new")], isSame);
    expect(result).toEqual({ opened: ["changed", "new"], closed: ["gone"], failed: [] });
    expect(events).toEqual([
      "opening changed",
      "opened changed",
      "closed changed",
      "opening new",
      "opened new",
      "closed gone",
    ]);
    expect(host.find("state", "changed")).not.toBe(before);
    expect(host.find("state", "gone")).toBeUndefined();
    expect(host.all("state").map(({ name }) => name)).toEqual(["kept", "changed", "new"]);
  });

  it("that cannot be opened leave the old one in place", async () => {
    const a = resource("a");
    const { host, behaviours } = new Fixture([a]);
    await host.start();
    const before = host.find("state", "a");
    behaviours["a"] = { open: () => Promise.reject(new Error("down")) };
    expect(await host.apply([resource("a")], isSame)).toMatchObject({ opened: [], failed: ["down"] });
    expect(host.find("state", "a")).toBe(before);
  });

  it("open secret stores before what may need them", async () => {
    const { host, events } = new Fixture([]);
    await host.start();
    await host.apply([resource("a"), store("vault")], isSame);
    expect(events.filter((event) => event.startsWith("opened"))).toEqual(["opened vault", "opened a"]);
  });

  it("that make a second store for actors wait until the first is gone", async () => {
    const metadata = [{ name: "actorStateStore", value: "true", line: 1 }];
    const first = resource("first", { metadata });
    const second = resource("second", { metadata });
    const { host } = new Fixture([first]);
    await host.start();
    const other = resource("other");
    const { opened, failed } = await host.apply([second, first, other], isSame);
    expect(opened).toEqual(["other"]);
    expect(failed).toEqual([expect.stringContaining("actorStateStore is already set by first")]);
    expect(await host.apply([second, other], isSame)).toMatchObject({ opened: ["second"], closed: ["first"] });
  });

  it("of policies are put around what is open, and followers are told", async () => {
    let ran = 0;
    const policy: Policy = {
      retries: false,
      run: (attempt) => {
        ran++;
        return attempt(undefined, 1);
      },
    };
    let inForce: Policy | undefined;
    const policies = {
      component: () => inForce,
      componentWith: () => policy,
      app: () => undefined,
      builtIn: () => policy,
    };
    const { host, events } = new Fixture([resource("a")], { policies });
    await host.start();
    const told: string[] = [];
    host.onOpen("state", ({ name }) => void told.push(name));
    await host.find("state", "a")?.opened.get("k", { metadata: {} }, {});
    inForce = policy;
    host.rewrap();
    await host.find("state", "a")?.opened.get("k", { metadata: {} }, {});
    expect([ran, told]).toEqual([1, ["a", "a"]]);
    inForce = undefined;
    host.rewrap();
    await host.find("state", "a")?.opened.get("k", { metadata: {} }, {});
    expect(ran).toBe(1);
    await host.close();
    expect(events.filter((event) => event === "closed a")).toHaveLength(1);
  });
});

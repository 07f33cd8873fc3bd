import { describe, expect, it } from "vitest";
import type { MechaError } from "../../../../specs/errors.ts";
import { Fixture, fromSecret, resource, settled, store } from "./fake-components.ts";

const refusal = async (running: Promise<unknown>): Promise<string> =>
  running.then(
    () => "nothing",
    (error: MechaError) => {
      expect(error.reason).toBe("openFailed");
      return error.message;
    },
  );

describe("opening components", () => {
  it("is done for all at once", async () => {
    const { host, events } = new Fixture([resource("a"), resource("b"), resource("c")]);
    await host.start();
    expect(events.map((event) => event.split(" ")[0])).toEqual([
      "opening",
      "opening",
      "opening",
      "opened",
      "opened",
      "opened",
    ]);
    expect(host.statuses().map(({ name, state, capabilities }) => [name, state, capabilities])).toEqual([
      ["a", "ready", ["etag"]],
      ["b", "ready", ["etag"]],
      ["c", "ready", ["etag"]],
    ]);
  });

  it("waits for the store of a secret, over any number of steps", async () => {
    const { host, events, behaviours } = new Fixture([
      resource("app", { secretStore: "vault", metadata: [fromSecret("password", "db", "pw")] }),
      store("vault", { secretStore: "env", metadata: [fromSecret("token", "vault-token")] }),
      store("env"),
      resource("other"),
    ]);
    const seen: Record<string, unknown>[] = [];
    behaviours["env"] = { open: settled, secrets: { "vault-token": { "vault-token": "t" } } };
    behaviours["vault"] = { secrets: { db: { pw: "hunter2" } } };
    behaviours["app"] = { open: (_, settings) => void seen.push(settings) };
    await host.start();
    expect(events.filter((event) => !event.includes("other"))).toEqual([
      "opening env",
      "opened env",
      "opening vault",
      "opened vault",
      "opening app",
      "opened app",
    ]);
    expect(events.indexOf("opening other")).toBeLessThan(events.indexOf("opened env"));
    expect(seen).toEqual([{ url: "", password: "hunter2" }]);
  });

  it("refuses a circle of secrets instead of waiting for ever", async () => {
    const { host } = new Fixture([
      store("a", { secretStore: "b", metadata: [fromSecret("token", "x")] }),
      store("b", { secretStore: "a", metadata: [fromSecret("token", "y")] }),
    ]);
    const message = await refusal(host.start());
    expect(message).toContain("need each other's secrets");
    expect(message).toMatch(/component a .*\n.*component b /);
  });

  it("says which store, secret or key is missing, but no value", async () => {
    const { host, behaviours } = new Fixture([
      resource("a", { secretStore: "nowhere", metadata: [fromSecret("password", "x")] }),
      resource("b", { secretStore: "vault", metadata: [fromSecret("password", "x", "wrong")] }),
      resource("c", { secretStore: "vault", metadata: [fromSecret("password", "none")] }),
      store("vault"),
    ]);
    behaviours["vault"] = { secrets: { x: { right: "hunter2" } } };
    const message = await refusal(host.start());
    expect(message).toContain("secret store nowhere is not declared (auth.secretStore); declared: vault");
    expect(message).toContain("secretKeyRef x: secret store vault holds no key wrong; it holds right");
    expect(message).toContain("secretKeyRef none: secret store vault holds no key none; it holds nothing");
    expect(message).not.toContain("hunter2");
  });

  it("names everything that is wrong at once, with file and line", async () => {
    const { host, behaviours } = new Fixture([
      resource("a", { source: { file: "a.yaml", line: 3 } }),
      resource("b", { type: "state.fak", source: { file: "b.yaml", line: 4 } }),
      resource("c", { version: "v9", source: { file: "c.yaml", line: 5 } }),
      resource("good"),
    ]);
    behaviours["a"] = { open: () => Promise.reject(new Error("no route to host")) };
    const message = await refusal(host.start());
    expect(message.split("\n")).toEqual([
      "a.yaml:3: component a (state.fake): no route to host",
      'b.yaml:4: component b: spec.type state.fak/v1: there is no such driver; did you mean "state.fake"?; `mecha components` lists them',
      "c.yaml:5: component c: spec.type state.fake/v9: there is no such version; leave spec.version out or write v1",
    ]);
  });

  it("gives up after initTimeout, and closes what comes too late", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const fixture = new Fixture([resource("slow", { initTimeoutMs: 700 })]);
    fixture.behaviours["slow"] = { open: () => promise };
    const started = refusal(fixture.host.start());
    await fixture.clock.advance(700);
    expect(await started).toContain("opening slow did not finish within 700 ms");
    resolve();
    await settled();
    expect(fixture.events).toEqual(["opening slow", "opened slow", "closed slow"]);
    expect(() => fixture.host.find("state", "slow")).toThrow("component slow is failed");
  });

  it("warns of unknown metadata, and refuses it when it is strict", async () => {
    const metadata = [{ name: "ulr", value: "x", line: 1 }];
    const lenient = new Fixture([resource("a", { metadata })]);
    await lenient.host.start();
    expect(lenient.log.lines.join("\n")).toMatch(
      /warn components.yaml:\d+: component a: metadata ulr: unknown key; did you mean \\?"url/,
    );
    const strict = new Fixture([resource("a", { metadata })], { strict: true });
    expect(await refusal(strict.host.start())).toContain("metadata ulr: unknown key");
  });

  it("refuses two stores for actors", async () => {
    const flagged = (name: string) =>
      resource(name, { metadata: [{ name: "ActorStateStore", value: "TRUE", line: 1 }] });
    expect(await refusal(new Fixture([flagged("a"), flagged("b")]).host.start())).toMatch(
      /component b: actorStateStore is already set by a; only one store may have it/,
    );
    await new Fixture([flagged("a"), resource("b")]).host.start();
  });

  it("counts what was opened and what was not", async () => {
    const { host, behaviours, metrics } = new Fixture([resource("a"), resource("b", { ignoreErrors: true })]);
    behaviours["b"] = { open: () => Promise.reject(new Error("down")) };
    await host.start();
    const { text: lines } = await metrics.expose();
    expect(lines).toContain("dapr_runtime_component_loaded 2");
    expect(lines).toContain('dapr_runtime_component_init_total{component="state.fake"} 1');
    expect(lines).toContain(
      'dapr_runtime_component_init_fail_total{component="state.fake",reason="init",componentName="b"} 1',
    );
  });
});

describe("finding components", () => {
  it("tells apart what is open, what is not, and what is not declared", async () => {
    const { host, behaviours } = new Fixture([resource("a"), resource("b", { ignoreErrors: true })]);
    behaviours["b"] = { open: () => Promise.reject(new Error("down")) };
    await host.start();
    expect(host.find("state", "a")?.type).toBe("state.fake");
    expect(host.find("state", "none")).toBeUndefined();
    expect(host.find("lock", "a")).toBeUndefined();
    expect(() => host.find("state", "b")).toThrow("component b is failed: down");
    expect(host.names("state")).toEqual(["a", "b"]);
    expect(host.names("lock")).toEqual([]);
  });

  it("ends telling of new ones when it is asked to", async () => {
    const { host, clock, behaviours } = new Fixture([resource("a", { ignoreErrors: true })]);
    let down = true;
    behaviours["a"] = {
      open: () => {
        if (down) throw new Error("down");
      },
    };
    await host.start();
    const opened: string[] = [];
    const end = host.onOpen("state", ({ name }) => opened.push(name));
    end();
    down = false;
    await clock.advance(1000);
    expect(host.find("state", "a")?.name).toBe("a");
    expect(opened).toEqual([]);
  });
});

describe("closing components", () => {
  it("is done one by one, last opened first, and goes on after one that fails", async () => {
    const { host, events, behaviours, log } = new Fixture([
      resource("needs", { secretStore: "vault", metadata: [fromSecret("password", "x")] }),
      store("vault"),
    ]);
    behaviours["vault"] = { secrets: { x: { x: "1" } } };
    behaviours["needs"] = { close: () => Promise.reject(new Error("stuck")) };
    await host.start();
    events.length = 0;
    await host.close();
    expect(events).toEqual(["closed needs", "closed vault"]);
    expect(log.lines.join()).toContain("a component did not close cleanly");
    expect(host.statuses().map(({ state }) => state)).toEqual(["closed", "closed"]);
    expect(() => host.find("state", "needs")).toThrow("component needs is closed");
  });

  it("is done once", async () => {
    const { host, events } = new Fixture([resource("a")]);
    await host.start();
    await host.close();
    await host.close();
    expect(events.filter((event) => event === "closed a")).toHaveLength(1);
  });
});

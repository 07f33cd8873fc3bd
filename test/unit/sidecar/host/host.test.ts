import { type TObject, Type } from "typebox";
import { describe, expect, it, onTestFinished } from "vitest";
import type { OpenContext } from "../../../../components/contract/driver.ts";
import { secret, text } from "../../../../components/contract/settings.ts";
import { Host, type HostParts } from "../../../../sidecar/host/host.ts";
import type { Component } from "../../../../sidecar/kernel/components.ts";
import type { ComponentResource, NameValuePair } from "../../../../sidecar/kernel/config-types.ts";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import type { MechaError } from "../../../../specs/errors.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { KeptScopedLog } from "../../../support/wires.ts";

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What drivers of these tests do, by component name; what is not said succeeds. */
interface Behaviour {
  open?: (context: OpenContext, settings: Record<string, unknown>) => Promise<void> | void;
  ping?: (signal: AbortSignal | undefined) => Promise<void>;
  close?: () => Promise<void>;
  /** Values of a secret store. */
  secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

class Fixture {
  readonly clock = new FakeClock();
  readonly log = new KeptScopedLog();
  readonly metrics = new Metrics({}, [1]);
  /** In the order in which they happened. */
  readonly events: string[] = [];
  readonly behaviours: Record<string, Behaviour> = {};
  readonly host: Host;

  constructor(resources: readonly ComponentResource[], part: Partial<HostParts> = {}) {
    const driver = (kind: string, metadata: TObject) => async () => ({
      default: {
        kind,
        type: `${kind}.fake`,
        status: "stable",
        summary: "",
        metadata,
        capabilities: ["etag"],
        open: this.#open,
      },
    });
    this.host = new Host({
      registry: {
        "state.fake": driver(
          "state",
          Type.Object({
            url: text({ description: "x", default: "" }),
            password: Type.Optional(secret({ description: "x" })),
          }),
        ),
        "secretstores.fake": driver("secretstores", Type.Object({ token: text({ description: "x", default: "" }) })),
      },
      resources,
      resolvePairs: async (owner, pairs, readSecret) =>
        Promise.all(
          pairs.map(async ({ name, value, secretKeyRef: ref }) => ({
            name,
            value: ref ? await readSecret({ store: owner.secretStore ?? "none", ...ref }) : (value ?? ""),
          })),
        ),
      policies: {
        component: () => undefined,
        app: () => undefined,
        builtIn: () => ({ retries: false, run: (attempt) => attempt(undefined, 1) }),
      },
      metrics: this.metrics,
      appId: "app",
      namespace: "default",
      dataDir: "/nowhere",
      strict: false,
      clock: this.clock,
      log: this.log,
      ...part,
    });
    onTestFinished(() => this.host.close());
  }

  readonly #open = async (settings: Record<string, unknown>, context: OpenContext) => {
    const { name } = context;
    const behaviour = this.behaviours[name] ?? {};
    this.events.push(`opening ${name}`);
    await behaviour.open?.(context, settings);
    this.events.push(`opened ${name}`);
    const { ping, secrets } = behaviour;
    return {
      get: async (secretName: string) => secrets?.[secretName],
      ...(ping ? { ping: ({ signal }: { signal?: AbortSignal }) => ping(signal) } : {}),
      close: async () => {
        this.events.push(`closed ${name}`);
        await behaviour.close?.();
      },
    };
  };

  stateOf(name: string) {
    const status = this.host.statuses().find((one) => one.name === name);
    return [status?.state, status?.why];
  }
}

let line = 0;
function resource(
  name: string,
  part: Partial<ComponentResource> & { metadata?: NameValuePair[] } = {},
): ComponentResource {
  return {
    kind: "Component",
    name,
    type: "state.fake",
    version: "v1",
    scopes: [],
    source: { file: "components.yaml", line: ++line },
    metadata: [],
    initTimeoutMs: 5000,
    ignoreErrors: false,
    neededSecrets: (part.metadata ?? []).flatMap(({ secretKeyRef: ref }) =>
      ref ? [{ store: part.secretStore ?? "none", ...ref }] : [],
    ),
    ...part,
  };
}
const store = (name: string, part: Parameters<typeof resource>[1] = {}) =>
  resource(name, { type: "secretstores.fake", ...part });
const fromSecret = (name: string, secretName: string, key = secretName): NameValuePair => ({
  name,
  secretKeyRef: { name: secretName, key },
  line: 1,
});
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
    expect(lines).toContain('dapr_runtime_component_init_total{component="state.fake"} 1');
    expect(lines).toContain(
      'dapr_runtime_component_init_fail_total{component="state.fake",reason="init",componentName="b"} 1',
    );
  });
});

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
});

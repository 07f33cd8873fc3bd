import { type AnyDriver, type Kind, type OpenedByKind, runtimeSettings } from "../../components/contract/any-driver.ts";
import type { Clock } from "../../components/contract/driver.ts";
import { causeText, fail } from "../../specs/errors.ts";
import type { Component, ComponentState, ComponentStatus, Components } from "../kernel/components.ts";
import type { ComponentResource, ResolvePairs, SecretReference } from "../kernel/config-types.ts";
import { withDeadline } from "../kernel/deadline.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { ScopedLog } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Policies } from "../kernel/policy.ts";
import { readSettings } from "./settings.ts";
import { wrapComponent } from "./wrap.ts";

/** Loads a driver by `type` or `type/version`, in lower case. */
export type Registry = Readonly<Record<string, () => Promise<{ readonly default: unknown }>>>;

export interface HostParts {
  readonly registry: Registry;
  readonly resources: readonly ComponentResource[];
  readonly resolvePairs: ResolvePairs;
  readonly policies: Policies;
  readonly metrics: Metrics | undefined;
  readonly appId: string;
  readonly namespace: string;
  readonly dataDir: string;
  /** Unknown metadata keys are errors. */
  readonly strict: boolean;
  readonly clock: Clock;
  readonly log: ScopedLog;
}

/** One declared component and what has become of it. */
interface Entry {
  readonly resource: ComponentResource;
  state: ComponentState;
  why: string | undefined;
  component: Component | undefined;
  /** Settles after the first try, whichever way it went. */
  tried: Promise<void>;
  capabilities: readonly string[];
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
const pingIntervalMs = 15_000;

/** Opens components, keeps them, and closes them in reverse. */
export class Host implements Components {
  readonly #parts: HostParts;
  readonly #entries: Entry[] = [];
  /** In the order of opening. */
  readonly #open: Component[] = [];
  readonly #byName = new Map<string, Component>();
  readonly #listeners = new Set<{ readonly kind: Kind; readonly listener: (component: Component) => void }>();
  readonly #closing = new AbortController();
  readonly #pending = new Set<() => void>();

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /**
   * Opens all declared components at once; one that needs a secret waits for the store that holds it.
   * Rejects with `openFailed` naming every component that could not be opened and may not be ignored.
   */
  async start(): Promise<void> {
    this.#refuseTwoActorStores();
    for (const resource of this.#parts.resources) {
      this.#entries.push({
        resource,
        state: "pending",
        why: undefined,
        component: undefined,
        tried: Promise.resolve(),
        capabilities: [],
      });
    }
    for (const entry of this.#entries) entry.tried = this.#firstTry(entry, [entry.resource.name]);
    await Promise.all(this.#entries.map((entry) => entry.tried));
    const broken = this.#entries.filter((entry) => entry.state === "failed" && !entry.resource.ignoreErrors);
    if (broken.length > 0) throw fail("openFailed", { why: broken.map(describe).join("\n") });
    this.#watchHealth();
  }

  find<K extends Kind>(kind: K, name: string): Component<K> | undefined {
    const component = this.#byName.get(name) ?? this.#byName.get(name.toLowerCase());
    // Looked up by kind, so the component's type follows from it.
    if (component?.kind === kind) return component as unknown as Component<K>;
    const entry = this.#entries.find(({ resource }) => resource.name === name && kindOf(resource.type) === kind);
    if (!entry) return undefined;
    throw fail("componentNotReady", { name, state: entry.state, why: entry.why ?? "it is still being opened" });
  }

  all<K extends Kind>(kind: K): readonly Component<K>[] {
    return this.#open.filter((component) => component.kind === kind) as unknown as Component<K>[];
  }

  names(kind: Kind): readonly string[] {
    return this.#entries.filter(({ resource }) => kindOf(resource.type) === kind).map(({ resource }) => resource.name);
  }

  statuses(): readonly ComponentStatus[] {
    return this.#entries.map(({ resource, state, why, capabilities }) => ({
      name: resource.name,
      type: resource.type,
      version: resource.version,
      state,
      why,
      capabilities,
    }));
  }

  onOpen<K extends Kind>(kind: K, listener: (component: Component<K>) => void): () => void {
    const entry = { kind, listener: listener as unknown as (component: Component) => void };
    this.#listeners.add(entry);
    for (const component of this.all(kind)) listener(component);
    return () => this.#listeners.delete(entry);
  }

  /** Closes what is open, last opened first. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(fail("shuttingDown", {}));
    for (const cancel of this.#pending) cancel();
    this.#pending.clear();
    for (let component = this.#open.pop(); component; component = this.#open.pop()) {
      this.#byName.delete(component.name);
      const entry = this.#entries.find((one) => one.component === component);
      try {
        await component.opened.close();
      } catch (error) {
        this.#parts.log.error("a component did not close cleanly", {
          component: component.name,
          error: causeText(error),
        });
      }
      if (entry) entry.state = "closed";
    }
  }

  async #firstTry(entry: Entry, path: readonly string[]): Promise<void> {
    try {
      await this.#openEntry(entry, path);
    } catch (error) {
      this.#failed(entry, error);
      if (entry.resource.ignoreErrors) this.#retryLater(entry, firstRetryMs);
    }
  }

  #failed(entry: Entry, error: unknown): void {
    entry.state = "failed";
    entry.why = causeText(error);
    const { name, type } = entry.resource;
    this.#parts.log.error("a component could not be opened", {
      component: name,
      component_type: type,
      error: entry.why,
    });
    this.#parts.metrics?.count("runtime_component_init_fail_total", "Components that could not be opened.", {
      component: type,
      reason: "init",
      componentName: name,
    })();
  }

  #retryLater(entry: Entry, ms: number): void {
    const cancel = this.#parts.clock.after(ms, () => {
      this.#pending.delete(cancel);
      this.#openEntry(entry, [entry.resource.name]).catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#failed(entry, error);
        this.#retryLater(entry, Math.min(ms * 2, longestRetryMs));
      });
    });
    this.#pending.add(cancel);
  }

  async #openEntry(entry: Entry, path: readonly string[]): Promise<void> {
    const { resource } = entry;
    const { clock, log } = this.#parts;
    const driver = await this.#loadDriver(resource);
    entry.capabilities = driver.capabilities;
    const { settings, runtime } = await this.#settingsOf(resource, driver, path);
    const opened = await withDeadline(
      clock,
      `opening ${resource.name}`,
      resource.initTimeoutMs,
      this.#closing.signal,
      async (signal) => {
        const { appId, namespace, dataDir } = this.#parts;
        // Read by this driver's own schema a few lines above.
        const open = driver.open as (settings: unknown, context: object) => Promise<OpenedByKind[Kind]>;
        const result = await open(settings, {
          name: resource.name,
          appId,
          namespace,
          dataDir,
          clock,
          signal,
          log: log.scope(resource.type),
        });
        // Too late: nobody waits for it any more.
        if (signal.aborted) await result.close();
        return result;
      },
    );
    this.#add(entry, driver, opened, runtime);
    log.info("component loaded", { component: resource.name, component_type: `${resource.type}/${resource.version}` });
  }

  #add(entry: Entry, driver: AnyDriver, opened: OpenedByKind[Kind], runtime: Record<string, unknown>): void {
    const { name, type, version } = entry.resource;
    const bare = { name, type, version, kind: driver.kind, driver, opened, runtime } as Component;
    const component: Component = {
      ...bare,
      opened: wrapComponent(bare, this.#parts.policies, this.#parts.metrics, this.#parts.namespace),
    };
    this.#open.push(component);
    this.#byName.set(name, component);
    Object.assign(entry, { component, state: "ready", why: undefined });
    this.#parts.metrics?.count("runtime_component_init_total", "Components opened.", { component: type })();
    for (const { kind, listener } of this.#listeners) if (kind === component.kind) listener(component);
  }

  async #loadDriver({ name, type, version, source }: ComponentResource): Promise<AnyDriver> {
    const { registry } = this.#parts;
    const wanted = type.toLowerCase();
    const load = registry[version === "v1" ? wanted : `${wanted}/${version}`];
    if (load) return (await load()).default as AnyDriver;
    const at = `${source.file}:${source.line}: component ${name}: spec.type ${type}/${version}`;
    if (registry[wanted])
      throw fail("openFailed", { why: `${at}: there is no such version; leave spec.version out or write v1` });
    const hint = didYouMean(wanted, Object.keys(registry));
    throw fail("openFailed", {
      why: `${at}: there is no such driver${hint ? `; ${hint}` : ""}; \`mecha components\` lists them`,
    });
  }

  async #settingsOf(resource: ComponentResource, driver: AnyDriver, path: readonly string[]) {
    const { resolvePairs, strict, log } = this.#parts;
    const owner = {
      name: resource.name,
      ...(resource.secretStore === undefined ? {} : { secretStore: resource.secretStore }),
    };
    const pairs = await resolvePairs(owner, resource.metadata, (reference) => this.#readSecret(reference, path));
    const read = readSettings(driver.metadata, runtimeSettings[driver.kind], pairs);
    const at = `${resource.source.file}:${resource.source.line}: component ${resource.name}`;
    const wrong = strict ? [...read.problems, ...read.unknown] : read.problems;
    if (wrong.length > 0) throw fail("openFailed", { why: wrong.map((one) => `${at}: ${one}`).join("\n") });
    for (const one of read.unknown) log.warn(`${at}: ${one}`);
    return read;
  }

  /** Waits for the secret store when it is still being opened. `path` is the chain of components that wait for one another. */
  async #readSecret({ store, name, key }: SecretReference, path: readonly string[]): Promise<string> {
    const entry = this.#entries.find(
      ({ resource }) => resource.name === store && kindOf(resource.type) === "secretstores",
    );
    if (!entry) {
      const known = this.names("secretstores").join(", ") || "none";
      throw fail("openFailed", {
        why: `secretKeyRef ${name}: secret store ${store} is not declared (auth.secretStore); declared: ${known}`,
      });
    }
    if (path.includes(store))
      throw fail("openFailed", { why: `secretKeyRef ${name}: ${[...path, store].join(" needs ")}, which is a circle` });
    await entry.tried;
    const values = await this.find("secretstores", store)?.opened.get(name, {}, { signal: this.#closing.signal });
    const value = values?.[key];
    if (value === undefined) {
      throw fail("openFailed", {
        why: `secretKeyRef ${name}: secret store ${store} holds no key ${key}; it holds ${Object.keys(values ?? {}).join(", ") || "nothing"}`,
      });
    }
    return value;
  }

  #refuseTwoActorStores(): void {
    const flagged = this.#parts.resources.filter(({ metadata }) =>
      metadata.some(({ name, value }) => name.toLowerCase() === "actorstatestore" && value?.toLowerCase() === "true"),
    );
    const [first, second] = flagged;
    if (!first || !second) return;
    throw fail("openFailed", {
      why: `${second.source.file}:${second.source.line}: component ${second.name}: actorStateStore is already set by ${first.name}; only one store may have it`,
    });
  }

  /** Pings what can be pinged, so that a broken backend shows before somebody needs it. */
  #watchHealth(): void {
    const round = async () => {
      await Promise.all(this.#entries.map((entry) => this.#ping(entry)));
      if (!this.#closing.signal.aborted) schedule();
    };
    const schedule = () => {
      const cancel = this.#parts.clock.after(pingIntervalMs, () => {
        this.#pending.delete(cancel);
        void round();
      });
      this.#pending.add(cancel);
    };
    schedule();
  }

  async #ping(entry: Entry): Promise<void> {
    const opened = entry.component?.opened;
    if (!opened?.ping) return;
    try {
      await withDeadline(
        this.#parts.clock,
        `ping of ${entry.resource.name}`,
        pingIntervalMs / 3,
        this.#closing.signal,
        (signal) => (opened.ping as NonNullable<typeof opened.ping>)({ signal }),
      );
      if (entry.state === "degraded") Object.assign(entry, { state: "ready", why: undefined });
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      if (entry.state === "ready")
        this.#parts.log.warn("a component does not answer", {
          component: entry.resource.name,
          error: causeText(error),
        });
      Object.assign(entry, { state: "degraded", why: causeText(error) });
    }
  }
}

/** First word of spec.type. */
const kindOf = (type: string): string => type.slice(0, type.indexOf(".")).toLowerCase();

const describe = ({ resource, why }: Entry): string => {
  const at = `${resource.source.file}:${resource.source.line}`;
  return why?.startsWith(at) ? why : `${at}: component ${resource.name} (${resource.type}): ${why}`;
};

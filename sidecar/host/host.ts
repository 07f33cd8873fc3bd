import type { Kind } from "../../components/contract/any-driver.ts";
import { causeText, fail } from "../../specs/errors.ts";
import type { Component, ComponentState, ComponentStatus, Components } from "../kernel/components.ts";
import type { ComponentResource, SecretReference } from "../kernel/config-types.ts";
import { withDeadline } from "../kernel/deadline.ts";
import { loadDriver, type OpeningParts, openComponent, placeOf, wrapped } from "./opening.ts";
import { checkDeclared } from "./requirements.ts";
import { UsedSecrets } from "./used-secrets.ts";

export interface HostParts extends OpeningParts {
  readonly resources: readonly ComponentResource[];
  /** How often secrets that components were opened with are read again, in milliseconds; 0: never. */
  readonly secretRefreshMs: number;
}

/** One declared component and what has become of it. */
interface Entry {
  readonly resource: ComponentResource;
  state: ComponentState;
  why: string | undefined;
  /** As the driver opened it. */
  bare: Component | undefined;
  /** As blocks see it. */
  component: Component | undefined;
  /** Settles after the first try, whichever way it went. */
  tried: Promise<void>;
  capabilities: readonly string[];
  /** What it was opened with. */
  readonly secrets: UsedSecrets;
  /** Its secrets are being looked at, or it is being opened with new ones. */
  isRotating: boolean;
}

/** What a change of the resource files did. */
export interface Applied {
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  /** Problems of components that stay as they were, or stay out. */
  readonly failed: readonly string[];
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
const pingIntervalMs = 15_000;

const newEntry = (resource: ComponentResource): Entry => ({
  resource,
  state: "pending",
  why: undefined,
  bare: undefined,
  component: undefined,
  tried: Promise.resolve(),
  capabilities: [],
  secrets: new UsedSecrets(),
  isRotating: false,
});

/** Opens components, keeps them, and closes them in reverse. */
export class Host implements Components {
  readonly #parts: HostParts;
  #entries: Entry[] = [];
  /** In the order of opening. */
  #open: Component[] = [];
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
    const { resources, requirements } = this.#parts;
    refuseTwoActorStores(resources);
    checkDeclared(
      requirements,
      resources.map(({ name }) => name),
    );
    this.#entries = resources.map(newEntry);
    this.#countLoaded(this.#entries.length);
    for (const entry of this.#entries) entry.tried = this.#firstTry(entry);
    await Promise.all(this.#entries.map((entry) => entry.tried));
    const broken = this.#entries.filter((entry) => entry.state === "failed" && !entry.resource.ignoreErrors);
    if (broken.length > 0) throw fail("openFailed", { why: broken.map(describe).join("\n") });
    this.#every(pingIntervalMs, () => Promise.all(this.#entries.map((entry) => this.#ping(entry))));
    if (this.#parts.secretRefreshMs > 0) {
      this.#every(this.#parts.secretRefreshMs, () => Promise.all(this.#entries.map((entry) => this.#rotate(entry))));
    }
  }

  /**
   * Brings the open components in line with changed resources, as `isSame` tells them apart: new ones are opened, changed
   * ones are opened beside the old and then take its place, removed ones are closed. What cannot be opened changes nothing.
   */
  async apply(
    resources: readonly ComponentResource[],
    isSame: (a: ComponentResource, b: ComponentResource) => boolean,
  ): Promise<Applied> {
    const result = { opened: [] as string[], closed: [] as string[], failed: [] as string[] };
    const names = new Set(resources.map(({ name }) => name));
    const gone = this.#entries.filter(({ resource }) => !names.has(resource.name));
    const surplus = surplusActorStores(resources, this.#entries);
    for (const { why } of surplus) result.failed.push(why);
    const changed = resources
      .filter((one) => !this.#entries.some(({ resource }) => isSame(resource, one)))
      .filter((one) => !surplus.some(({ resource }) => resource === one))
      // Secret stores first: others may need what they hold.
      .sort((a, b) => Number(isSecretStore(b)) - Number(isSecretStore(a)));
    this.#countLoaded(changed.length);
    for (const resource of changed) {
      const entry = newEntry(resource);
      try {
        await this.#replace(entry, await this.#openChecked(entry));
        result.opened.push(resource.name);
      } catch (error) {
        result.failed.push(causeText(error));
      }
    }
    for (const entry of gone) {
      await this.#remove(entry);
      result.closed.push(entry.resource.name);
    }
    return result;
  }

  find<K extends Kind>(kind: K, name: string): Component<K> | undefined {
    const component = this.#byName.get(name);
    // Looked up by kind, so the component's type follows from it.
    if (component?.kind === kind) return component as unknown as Component<K>;
    const entry = this.#entries.find(({ resource }) => resource.name === name && kindOf(resource.type) === kind);
    if (!entry) return undefined;
    throw fail("componentNotReady", { name, state: entry.state, why: entry.why ?? "it is still being opened" });
  }

  all<K extends Kind>(kind: K): readonly Component<K>[] {
    return this.#open.filter((component) => component.kind === kind) as unknown as Component<K>[];
  }

  /** The resources in force. */
  get resources(): readonly ComponentResource[] {
    return this.#entries.map(({ resource }) => resource);
  }

  names(kind: Kind): readonly string[] {
    return this.#entries.filter(({ resource }) => kindOf(resource.type) === kind).map(({ resource }) => resource.name);
  }

  statuses(): readonly ComponentStatus[] {
    return this.#entries.map(({ resource: { name, type, version }, state, why, capabilities }) => ({
      name,
      type,
      version,
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
      await this.#closeOne(component);
      if (entry) entry.state = "closed";
    }
  }

  async #firstTry(entry: Entry): Promise<void> {
    try {
      this.#keep(entry, await this.#openEntry(entry, [entry.resource.name]));
    } catch (error) {
      this.#failed(entry, error);
      if (entry.resource.ignoreErrors) this.#retryLater(entry, firstRetryMs);
    }
  }

  #countLoaded(by: number): void {
    this.#parts.metrics?.count("runtime_component_loaded", "Components found in resource files.", {})(by);
  }

  #failed(entry: Entry, error: unknown): void {
    Object.assign(entry, { state: "failed", why: causeText(error) });
    const { name: component, type } = entry.resource;
    const { log, metrics } = this.#parts;
    log.error("a component could not be opened", { component, component_type: type, error: entry.why });
    const labels = { component: type, reason: "init", componentName: component };
    metrics?.count("runtime_component_init_fail_total", "Components that could not be opened.", labels)();
  }

  #retryLater(entry: Entry, ms: number): void {
    this.#later(ms, async () => {
      // Taken out of the resources meanwhile.
      if (!this.#entries.includes(entry)) return;
      try {
        this.#keep(entry, await this.#openEntry(entry, [entry.resource.name]));
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#failed(entry, error);
        this.#retryLater(entry, Math.min(ms * 2, longestRetryMs));
      }
    });
  }

  /** `path` is the chain of components that wait for one another's secrets. */
  async #openEntry(entry: Entry, path: readonly string[]): Promise<Component> {
    const { resource } = entry;
    const driver = await loadDriver(this.#parts, resource, this.#closing.signal);
    entry.capabilities = driver.capabilities;
    const readSecret = async (reference: SecretReference) => {
      const value = await this.#readSecret(reference, path);
      entry.secrets.note(reference, value);
      return value;
    };
    const component = await openComponent(this.#parts, resource, driver, readSecret, this.#closing.signal);
    entry.capabilities = component.driver.capabilities;
    this.#parts.log.info("component loaded", {
      component: resource.name,
      component_type: `${resource.type}/${resource.version}`,
    });
    return component;
  }

  /** Opens it beside what is open, and leaves nothing open unless it answers. */
  async #openChecked(entry: Entry): Promise<Component> {
    const bare = await this.#openEntry(entry, [entry.resource.name]);
    try {
      await this.#answers(bare);
      return bare;
    } catch (error) {
      await this.#closeOne(bare);
      throw error;
    }
  }

  /** Opens it anew when a secret that it was opened with has changed; what does not work with the new one stays as it is. */
  async #rotate(entry: Entry): Promise<void> {
    if (entry.isRotating || entry.secrets.isEmpty || entry.component === undefined) return;
    entry.isRotating = true;
    try {
      if (await this.#secretsHaveChanged(entry)) await this.#openAnew(entry);
    } finally {
      entry.isRotating = false;
    }
  }

  async #secretsHaveChanged({ resource, secrets }: Entry): Promise<boolean> {
    try {
      return await secrets.haveChanged((reference) => this.#readSecret(reference, []));
    } catch (error) {
      const fields = { component: resource.name, error: causeText(error) };
      this.#parts.log.warn("the secrets of a component cannot be read now; it goes on with those it has", fields);
      return false;
    }
  }

  async #openAnew(entry: Entry): Promise<void> {
    const { log } = this.#parts;
    const component = entry.resource.name;
    const fresh = newEntry(entry.resource);
    try {
      const bare = await this.#openChecked(fresh);
      // Removed or changed meanwhile.
      if (this.#closing.signal.aborted || !this.#entries.includes(entry)) return await this.#closeOne(bare);
      await this.#replace(fresh, bare);
      log.info("a component was opened anew, as its secrets have changed", { component });
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const fields = { component, error: causeText(error) };
      log.error("a component does not work with its changed secrets; it goes on with those it had", fields);
    }
  }

  #keep(entry: Entry, bare: Component): void {
    const component = wrapped(bare, this.#parts);
    this.#open.push(component);
    this.#byName.set(component.name, component);
    Object.assign(entry, { bare, component, state: "ready", why: undefined });
    this.#parts.metrics?.count("runtime_component_init_total", "Components opened.", { component: component.type })();
    this.#tell(component);
  }

  #tell(component: Component): void {
    for (const { kind, listener } of this.#listeners) if (kind === component.kind) listener(component);
  }

  /** A changed component takes the place of the old one; the old one is closed when nothing finds it any more. */
  async #replace(entry: Entry, bare: Component): Promise<void> {
    const old = this.#entries.find((one) => one.resource.name === entry.resource.name);
    this.#entries = [...this.#entries.filter((one) => one !== old), entry];
    if (old?.component) this.#open = this.#open.filter((one) => one !== old.component);
    this.#keep(entry, bare);
    if (old?.component) await this.#closeOne(old.component);
  }

  /** Puts the policies that hold now around all open components; whoever follows components is told of each. */
  rewrap(): void {
    for (const entry of this.#entries) {
      const { bare, component: old } = entry;
      if (!bare || !old) continue;
      const component = wrapped(bare, this.#parts);
      entry.component = component;
      this.#open = this.#open.map((one) => (one === old ? component : one));
      this.#byName.set(component.name, component);
      this.#tell(component);
    }
  }

  async #remove(entry: Entry): Promise<void> {
    const { component, resource } = entry;
    this.#entries = this.#entries.filter((one) => one !== entry);
    this.#byName.delete(resource.name);
    if (!component) return;
    this.#open = this.#open.filter((one) => one !== component);
    await this.#closeOne(component);
  }

  async #closeOne({ name, opened }: Component): Promise<void> {
    try {
      await opened.close();
    } catch (error) {
      this.#parts.log.error("a component did not close cleanly", { component: name, error: causeText(error) });
    }
  }

  /** Waits for the secret store when it is still being opened. */
  async #readSecret({ store, name, key }: SecretReference, path: readonly string[]): Promise<string> {
    const problem = (why: string) => fail("openFailed", { why: `secretKeyRef ${name}: ${why}` });
    const entry = this.#entries.find(
      ({ resource }) => resource.name === store && kindOf(resource.type) === "secretstores",
    );
    if (!entry) {
      const known = this.names("secretstores").join(", ") || "none";
      throw problem(`secret store ${store} is not declared (auth.secretStore); declared: ${known}`);
    }
    if (this.#needs(store, path[0] ?? "")) throw problem(`${path[0]} and ${store} need each other's secrets`);
    await entry.tried;
    const values = await this.find("secretstores", store)?.opened.get(name, {}, { signal: this.#closing.signal });
    const value = values?.[key];
    if (value === undefined) {
      throw problem(
        `secret store ${store} holds no key ${key}; it holds ${Object.keys(values ?? {}).join(", ") || "nothing"}`,
      );
    }
    return value;
  }

  /** Whether opening `store` waits, over any number of steps, for `name`. */
  #needs(store: string, name: string, seen: ReadonlySet<string> = new Set()): boolean {
    if (store === name) return true;
    if (seen.has(store)) return false;
    const entry = this.#entries.find(({ resource }) => resource.name === store);
    const next = new Set([...seen, store]);
    return (entry?.resource.neededSecrets ?? []).some((one) => this.#needs(one.store, name, next));
  }

  /** Runs once after `ms`, unless the host closes before. */
  #later(ms: number, run: () => Promise<unknown>): void {
    const cancel = this.#parts.clock.after(ms, () => {
      this.#pending.delete(cancel);
      void run();
    });
    this.#pending.add(cancel);
  }

  #every(ms: number, run: () => Promise<unknown>): void {
    this.#later(ms, async () => {
      await run();
      if (!this.#closing.signal.aborted) this.#every(ms, run);
    });
  }

  /** Asks a component that can be asked, so that a broken backend shows before somebody needs it. */
  async #ping(entry: Entry): Promise<void> {
    const { resource, component } = entry;
    if (!component?.opened.ping) return;
    const { log } = this.#parts;
    try {
      await this.#answers(component);
      if (entry.state === "degraded") Object.assign(entry, { state: "ready", why: undefined });
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const why = causeText(error);
      if (entry.state === "ready") log.warn("a component does not answer", { component: resource.name, error: why });
      Object.assign(entry, { state: "degraded", why });
      // What it was opened with may not be valid any more.
      if (this.#parts.secretRefreshMs > 0) await this.#rotate(entry);
    }
  }

  /** Rejects when a component that can be asked does not answer in time. */
  async #answers({ name, opened }: Component): Promise<void> {
    const ping = (signal: AbortSignal) => opened.ping?.({ signal }) ?? Promise.resolve();
    await withDeadline(this.#parts.clock, `ping of ${name}`, pingIntervalMs / 3, this.#closing.signal, ping);
  }
}

/** First word of spec.type. */
const kindOf = (type: string): string => type.slice(0, type.indexOf(".")).toLowerCase();

const describe = ({ resource, why }: Entry): string => {
  const at = placeOf(resource);
  return why?.startsWith(at) ? why : `${at} (${resource.type}): ${why}`;
};

const isSecretStore = ({ type }: ComponentResource): boolean => kindOf(type) === "secretstores";

const isActorStore = ({ metadata }: ComponentResource): boolean =>
  metadata.some(({ name, value }) => name.toLowerCase() === "actorstatestore" && value?.toLowerCase() === "true");

const oneActorStore = (resource: ComponentResource, first: ComponentResource): string =>
  `${placeOf(resource)}: actorStateStore is already set by ${first.name}; only one store may have it`;

function refuseTwoActorStores(resources: readonly ComponentResource[]): void {
  const [first, second] = resources.filter(isActorStore);
  if (first && second) throw fail("openFailed", { why: oneActorStore(second, first) });
}

/** Stores for actors that come while another one is in force, or second; they stay out until that one is gone. */
function surplusActorStores(resources: readonly ComponentResource[], entries: readonly Entry[]) {
  const wanted = resources.filter(isActorStore);
  const inForce = entries.find(({ resource }) => isActorStore(resource))?.resource.name;
  const first = wanted.find(({ name }) => name === inForce) ?? wanted[0];
  return wanted.flatMap((resource) =>
    first === undefined || resource === first ? [] : [{ resource, why: oneActorStore(resource, first) }],
  );
}

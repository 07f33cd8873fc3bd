import { type AnyDriver, type Kind, type OpenedByKind, runtimeSettings } from "../../components/contract/any-driver.ts";
import type { Clock } from "../../components/contract/driver.ts";
import { fail } from "../../specs/errors.ts";
import type { Component } from "../kernel/components.ts";
import type { ComponentResource, ResolvePairs, SecretReference } from "../kernel/config-types.ts";
import { withDeadline } from "../kernel/deadline.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";
import type { ScopedLog } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Policies } from "../kernel/policy.ts";
import { checkRequired, type Requirements } from "./requirements.ts";
import { readSettings, type Settings } from "./settings.ts";
import { wrapComponent } from "./wrap.ts";

/** Loads a driver by `type` or `type/version`, in lower case. */
export type Registry = Readonly<Record<string, () => Promise<{ readonly default: unknown }>>>;

export interface OpeningParts {
  readonly registry: Registry;
  /** Absent: there are none. */
  readonly sockets?: SocketDrivers;
  readonly resolvePairs: ResolvePairs;
  readonly policies: Policies;
  readonly metrics: Metrics | undefined;
  readonly appId: string;
  readonly namespace: string;
  readonly dataDir: string;
  /** Capabilities that the app counts on, by component name. */
  readonly requirements: Requirements;
  /** Unknown metadata keys are errors. */
  readonly strict: boolean;
  readonly clock: Clock;
  readonly log: ScopedLog;
}

/** Drivers in processes of their own, found by the sockets those listen on. */
export interface SocketDrivers {
  /** Names of the sockets that are there. */
  names(): readonly string[];
  /**
   * The driver of a type, or why there is none after waiting `waitMs` for it. Undefined: sockets have nothing to do with
   * this type. Rejects when `signal` aborts.
   */
  find(
    type: string,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly driver: AnyDriver } | { readonly why: string } | undefined>;
}

/** `file:line: component name`, in front of every problem of a component. */
export const placeOf = ({ source, name }: ComponentResource): string =>
  `${source.file}:${source.line}: component ${name}`;

/**
 * The driver of a component: from the registry, else behind a socket, for which it waits initTimeout. Rejects with
 * `openFailed` that says what is meant.
 */
export async function loadDriver(
  { registry, sockets, log }: OpeningParts,
  resource: ComponentResource,
  closing: AbortSignal,
): Promise<AnyDriver> {
  const { type, version, initTimeoutMs } = resource;
  const wanted = type.toLowerCase();
  const load = registry[version === "v1" ? wanted : `${wanted}/${version}`];
  const [, name] = /^[^.]*\.(.*)$/.exec(wanted) ?? [];
  if (load) {
    // Whoever may write to the folder must not thereby take the place of a driver and be told its secrets.
    if (sockets?.names().some((one) => one.toLowerCase() === name)) {
      log.warn(`${placeOf(resource)}: ${type} is built in; the socket ${name}.sock is not used for it, rename it`);
    }
    return (await load()).default as AnyDriver;
  }
  const at = `${placeOf(resource)}: spec.type ${type}/${version}`;
  if (registry[wanted]) {
    throw fail("openFailed", { why: `${at}: there is no such version; leave spec.version out or write v1` });
  }
  const found = await sockets?.find(type, initTimeoutMs, closing);
  if (found && "driver" in found) return found.driver;
  const category = wanted.slice(0, wanted.indexOf("."));
  const there = found ? (sockets?.names() ?? []).map((name) => `${category}.${name}`) : [];
  const hint = didYouMean(wanted, [...Object.keys(registry), ...there]);
  const help = [...(hint ? [hint] : []), ...(found ? [found.why] : []), "`mecha components` lists them"].join("; ");
  throw fail("openFailed", { why: `${at}: there is no such driver; ${help}` });
}

/**
 * Opens one component, bare of policies and metrics: reads its settings and opens the driver within initTimeout. Rejects
 * with the reason and leaves nothing open.
 */
export async function openComponent(
  parts: OpeningParts,
  resource: ComponentResource,
  driver: AnyDriver,
  readSecret: (reference: SecretReference) => Promise<string>,
  closing: AbortSignal,
): Promise<Component> {
  const { clock, log, appId, namespace, dataDir, requirements } = parts;
  const { name, type, version, requires = [] } = resource;
  const { settings, runtime } = await settingsOf(parts, resource, driver, readSecret);
  const opened = await withDeadline(clock, `opening ${name}`, resource.initTimeoutMs, closing, async (signal) => {
    // Read by this driver's own schema a line above.
    const open = driver.open as (settings: unknown, context: object) => Promise<OpenedByKind[Kind]>;
    const result = await open(settings, { name, appId, namespace, dataDir, clock, signal, log: log.scope(type) });
    if (!signal.aborted) return result;
    // Too late: nobody waits for it any more.
    await result.close();
    throw signal.reason;
  });
  const { capabilities } = opened;
  const known = (capabilities ? { ...driver, capabilities } : driver) as AnyDriver;
  try {
    for (const one of checkRequired(placeOf(resource), known, [...requires, ...(requirements[name] ?? [])])) {
      log.info("a capability is emulated", { component: name, how: one });
    }
  } catch (error) {
    await opened.close();
    throw error;
  }
  return { name, type, version, kind: driver.kind, driver: known, opened, runtime } as Component;
}

/** The component that blocks see: with policies and metrics around the calls of the opened driver. */
export function wrapped(bare: Component, { policies, metrics, namespace }: OpeningParts): Component {
  return { ...bare, opened: wrapComponent(bare, policies, metrics, namespace) } as Component;
}

async function settingsOf(
  { resolvePairs, strict, log }: OpeningParts,
  resource: ComponentResource,
  driver: AnyDriver,
  readSecret: (reference: SecretReference) => Promise<string>,
): Promise<Settings> {
  const { name, secretStore } = resource;
  const owner = { name, ...(secretStore === undefined ? {} : { secretStore }) };
  const pairs = await resolvePairs(owner, resource.metadata, readSecret);
  const read = readSettings(driver.metadata, runtimeSettings[driver.kind], pairs);
  const wrong = strict ? [...read.problems, ...read.unknown] : read.problems;
  const at = placeOf(resource);
  if (wrong.length > 0) throw fail("openFailed", { why: wrong.map((one) => `${at}: ${one}`).join("\n") });
  for (const one of read.unknown) log.warn(`${at}: ${one}`);
  return read;
}

import { type TObject, Type } from "typebox";
import { onTestFinished } from "vitest";
import type { OpenContext } from "../../../../components/contract/driver.ts";
import { secret, text } from "../../../../components/contract/settings.ts";
import { Host, type HostParts } from "../../../../sidecar/host/host.ts";
import type { ComponentResource, NameValuePair } from "../../../../sidecar/kernel/config-types.ts";
import { Metrics } from "../../../../sidecar/kernel/metrics.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { KeptScopedLog } from "../../../support/wires.ts";

/** Lets promises have their turn. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What drivers of these tests do, by component name; what is not said succeeds. */
interface Behaviour {
  open?: (context: OpenContext, settings: Record<string, unknown>) => Promise<void> | void;
  ping?: (signal: AbortSignal | undefined) => Promise<void>;
  close?: () => Promise<void>;
  /** Values of a secret store. */
  secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A host whose components are fakes, with all that happened to them. */
export class Fixture {
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
        componentWith: () => ({ retries: false, run: (attempt) => attempt(undefined, 1) }),
        app: () => undefined,
        builtIn: () => ({ retries: false, run: (attempt) => attempt(undefined, 1) }),
      },
      metrics: this.metrics,
      appId: "app",
      namespace: "default",
      dataDir: "/nowhere",
      requirements: {},
      secretRefreshMs: 60_000,
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
    const { ping } = behaviour;
    return {
      // A secret store says what it holds now.
      get: async (secretName: string) => this.behaviours[name]?.secrets?.[secretName],
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
/** A component of type state.fake. */
export function resource(
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
/** A component of type secretstores.fake. */
export const store = (name: string, part: Parameters<typeof resource>[1] = {}) =>
  resource(name, { type: "secretstores.fake", ...part });
/** A setting that is read from a secret store. */
export const fromSecret = (name: string, secretName: string, key = secretName): NameValuePair => ({
  name,
  secretKeyRef: { name: secretName, key },
  line: 1,
});

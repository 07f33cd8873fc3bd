import type { AnyDriver } from "../../components/contract/any-driver.ts";
import type { BindingDriver, BindingHandler } from "../../components/contract/bindings.ts";
import type { OpenContext } from "../../components/contract/driver.ts";
import type { PubsubDriver } from "../../components/contract/pubsub.ts";
import type { SecretDriver } from "../../components/contract/secrets.ts";
import type { StateDriver } from "../../components/contract/state.ts";
import { isPluggable, pluggableDriver } from "../../components/pluggable/driver.ts";
import { openContext } from "../support/open-driver.ts";
import { type Language, requireExample, sharedExample } from "../support/pluggable.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { PubsubTarget } from "./pubsub.suite.ts";
import type { SecretTarget } from "./secrets.suite.ts";
import type { StateTarget } from "./state.suite.ts";
import { fresh } from "./target.ts";

const languages: readonly Language[] = ["python", "go"];
const missing = new Map<Language, boolean>();
for (const language of languages) missing.set(language, !(await requireExample(language)));

/** What the examples can do, which only their processes tell; a test compares it with what they say. */
export const pluggableCapabilities = {
  state: ["etag", "ttl", "transaction", "bulkGet", "query"],
  pubsub: ["bulkPublish"],
  bindings: ["input", "output"],
  secretstores: ["multiple"],
} as const;
type Kinds = {
  readonly state: StateDriver;
  readonly pubsub: PubsubDriver;
  readonly bindings: BindingDriver;
  readonly secretstores: SecretDriver;
};

/** The driver of an example, whose process starts when the first component of it is opened. */
export function exampleDriver<K extends keyof Kinds>(kind: K, language: Language): Kinds[K] {
  const type = `${kind}.memory-${language}`;
  if (!isPluggable(kind)) throw new Error(kind);
  const driver = pluggableDriver(kind, type, "");
  const open = async (settings: never, context: OpenContext) => {
    const { socket } = await sharedExample(language);
    return (pluggableDriver(kind, type, socket) as AnyDriver).open(settings, context);
  };
  return { ...driver, open, capabilities: pluggableCapabilities[kind] } as unknown as Kinds[K];
}

/** The processes outlive tests, so that each test keeps its data under a name of its own. */
const common = (language: Language) =>
  ({
    isMissing: missing.get(language) === true,
    time: "backend",
    settings: (dataDir: string) => ({ store: dataDir, redeliverSeconds: "0.3" }),
  }) as const;

const byType = <T extends { readonly driver: AnyDriver }>(targetOf: (language: Language) => T) =>
  Object.fromEntries(languages.map(targetOf).map((target) => [target.driver.type, target]));

export const pluggableStateTargets: Readonly<Record<string, StateTarget>> = byType((language) => ({
  ...common(language),
  driver: exampleDriver("state", language),
}));

export const pluggablePubsubTargets: Readonly<Record<string, PubsubTarget>> = byType((language) => ({
  ...common(language),
  driver: exampleDriver("pubsub", language),
}));

export const pluggableSecretTargets: readonly SecretTarget[] = languages.map((language) => ({
  isMissing: missing.get(language) === true,
  driver: exampleDriver("secretstores", language),
  prepare: (secrets) => ({ secrets: JSON.stringify(secrets) }),
}));

export const pluggableBindingTargets: readonly BindingTarget[] = languages.map(bindingTarget);

function bindingTarget(language: Language): BindingTarget {
  const driver = exampleDriver("bindings", language);
  let store = "";
  let isReading = false;
  let entered = 0;
  let noteEntry = () => {};
  const noting =
    (handler: BindingHandler): BindingHandler =>
    (event) => {
      entered += 1;
      noteEntry();
      return handler(event);
    };
  /** Tells when an event has come as far as the handler. */
  const open: BindingDriver["open"] = async (settings, context) => {
    const binding = await driver.open(settings, context);
    return {
      ...binding,
      async read(handler, call) {
        const subscription = await binding.read?.(noting(handler), call);
        isReading = true;
        return {
          close: async () => {
            isReading = false;
            await subscription?.close();
          },
        };
      },
      close: () => {
        isReading = false;
        return binding.close();
      },
    };
  };
  return {
    isMissing: missing.get(language) === true,
    driver: { ...driver, open },
    prepare: () => {
      store = fresh("queue");
      return { store, redeliverSeconds: "3600" };
    },
    output: { request: { operation: "length", data: Buffer.alloc(0), metadata: {} }, answer: "0" },
    input: {
      async happen() {
        const other = await driver.open({ store }, openContext({ name: "outside" }));
        const before = entered;
        const arrived = new Promise<void>((resolve) => (noteEntry = resolve));
        await other.invoke?.({ operation: "create", data: Buffer.from("event"), metadata: {} }, {});
        if (isReading && entered === before) await arrived;
        await other.close();
      },
    },
  };
}

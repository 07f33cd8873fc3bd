import { randomUUID } from "node:crypto";
import type { NameValuePair, ResolvedPair, ResolvePairs, SecretReference } from "../kernel/config-types.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** What references and templates are resolved from. */
export interface ValueSources {
  readonly env: Env;
  readonly appId: string;
  /** Namespace of the sidecar. */
  readonly namespace: string;
  /** Value of `{podName}`. */
  readonly podName?: string;
  /** Makes the value of `{uuid}`; a random one by default. */
  readonly uuid?: () => string;
}

/** Why a variable may not be read by `envRef`, or undefined when it may. */
export function envRefRefusal(name: string, env: Env): string | undefined {
  if (/\s/.test(name)) return "has a space in its name";
  if (/^DAPR_/i.test(name) || name.toUpperCase() === "APP_API_TOKEN") return "belongs to the sidecar";
  const allowed = env["DAPR_ENV_KEYS"]?.split(" ").filter(Boolean);
  if (env["DAPR_ENV_KEYS"] !== undefined && !allowed?.includes(name)) return "is not listed in DAPR_ENV_KEYS";
  return undefined;
}

/** The secrets that resolving the pairs will ask for, each once. A pair without a store asks for none. */
export function neededSecrets(secretStore: string | undefined, pairs: readonly NameValuePair[]): SecretReference[] {
  if (secretStore === undefined) return [];
  const needed = new Map<string, SecretReference>();
  for (const { secretKeyRef } of pairs) {
    if (!secretKeyRef) continue;
    needed.set(JSON.stringify([secretKeyRef.name, secretKeyRef.key]), { store: secretStore, ...secretKeyRef });
  }
  return [...needed.values()];
}

/**
 * Makes the function that turns pairs into values. A variable that is unset or refused gives an empty value. Each
 * secret is read once per call.
 */
export function pairResolver(sources: ValueSources): ResolvePairs {
  return async (owner, pairs, readSecret) => {
    const secrets = new Map<string, Promise<string>>();
    const secretOf = (reference: SecretReference) => {
      const id = JSON.stringify([reference.name, reference.key]);
      const read = secrets.get(id) ?? readSecret(reference);
      secrets.set(id, read);
      return read;
    };
    const resolve = async (pair: NameValuePair): Promise<ResolvedPair> => {
      const { name, value = "", secretKeyRef, envRef } = pair;
      if (envRef !== undefined) return filled(name, fromEnv(envRef, sources.env), owner.name, sources);
      if (secretKeyRef === undefined) return filled(name, value, owner.name, sources);
      if (owner.secretStore === undefined) {
        throw new Error(`${owner.name}: ${name} refers to a secret, but no store is named; add auth.secretStore`);
      }
      const secret = await secretOf({ store: owner.secretStore, ...secretKeyRef });
      return filled(name, secret, owner.name, sources);
    };
    return Promise.all(pairs.map(resolve));
  };
}

function fromEnv(name: string, env: Env): string {
  return envRefRefusal(name, env) === undefined ? (env[name] ?? "") : "";
}

const TEMPLATE = /\{(uuid|podName|namespace|appID)\}/g;

function filled(name: string, value: string, owner: string, sources: ValueSources): ResolvedPair {
  const fill = (_: string, template: string): string => {
    switch (template) {
      case "uuid":
        return (sources.uuid ?? randomUUID)();
      case "namespace":
        // The published meaning: two apps of one namespace get different values.
        return `${sources.namespace}.${sources.appId}`;
      case "appID":
        return sources.appId;
      default:
        if (sources.podName) return sources.podName;
        throw new Error(`${owner}: ${name} holds {podName}, but POD_NAME is not set; set it or use {appID}`);
    }
  };
  return { name, value: value.replace(TEMPLATE, fill) };
}

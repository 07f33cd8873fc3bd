import type { TObject } from "typebox";
import { type Binding, type BindingDriver, bindingRuntimeSettings } from "./bindings.ts";
import type { ConfigurationDriver, ConfigurationStore } from "./configuration.ts";
import type { Conversation, ConversationDriver } from "./conversation.ts";
import type { CryptoDriver, KeyStore } from "./crypto.ts";
import type { All } from "./driver.ts";
import { type LockCapabilities, type LockDriver, type LockStore, lockRuntimeSettings } from "./lock.ts";
import type { Resolver, ResolverDriver } from "./name-resolution.ts";
import { type Pubsub, type PubsubCapabilities, type PubsubDriver, pubsubRuntimeSettings } from "./pubsub.ts";
import type { SecretDriver, SecretStore } from "./secrets.ts";
import { type StateCapabilities, type StateDriver, type StateStore, stateRuntimeSettings } from "./state.ts";

/** Any driver, told apart by `kind`. */
export type AnyDriver =
  | StateDriver
  | PubsubDriver
  | BindingDriver
  | LockDriver
  | ConfigurationDriver
  | SecretDriver
  | CryptoDriver
  | ResolverDriver
  | ConversationDriver;

/** First word of spec.type. */
export type Kind = AnyDriver["kind"];

/** What an opened component of a kind offers; capabilities are optional here and asked for with `in`. */
export interface OpenedByKind {
  state: StateStore & Partial<All<StateCapabilities, keyof StateCapabilities>>;
  pubsub: Pubsub & Partial<All<PubsubCapabilities, keyof PubsubCapabilities>>;
  bindings: Binding;
  lock: LockStore & Partial<All<LockCapabilities, keyof LockCapabilities>>;
  configuration: ConfigurationStore;
  secretstores: SecretStore;
  crypto: KeyStore;
  nameresolution: Resolver;
  conversation: Conversation;
}

/** Metadata keys that the sidecar reads itself, per kind. */
export const runtimeSettings: Readonly<Partial<Record<Kind, TObject>>> = {
  state: stateRuntimeSettings,
  pubsub: pubsubRuntimeSettings,
  bindings: bindingRuntimeSettings,
  lock: lockRuntimeSettings,
};

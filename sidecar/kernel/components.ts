import type { AnyDriver, Kind, OpenedByKind } from "../../components/contract/any-driver.ts";
import type { MechaError } from "../../specs/errors.ts";

/** pending: not opened yet; degraded: open, but its ping fails; failed: gave up or retried in the background. */
export type ComponentState = "pending" | "ready" | "degraded" | "failed" | "closed";

/** An opened component, already wrapped in its policies and metrics. */
export interface Component<K extends Kind = Kind> {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly kind: K;
  readonly driver: Extract<AnyDriver, { kind: K }>;
  readonly opened: OpenedByKind[K];
  /** Metadata keys that the sidecar reads itself, decoded by the kind's runtime schema. */
  readonly runtime: Readonly<Record<string, unknown>>;
}

/** One line of `mecha components` and of the metadata API. */
export interface ComponentStatus {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly state: ComponentState;
  /** Why it is not ready. */
  readonly why?: string | undefined;
  readonly capabilities: readonly string[];
}

/** The opened components, by kind and name. */
export interface Components {
  /** Undefined: no such component is declared. Throws `componentNotReady` when it is declared but not open. */
  find<K extends Kind>(kind: K, name: string): Component<K> | undefined;
  /** Those that are open. */
  all<K extends Kind>(kind: K): readonly Component<K>[];
  /** Names declared, open or not. */
  names(kind: Kind): readonly string[];
  statuses(): readonly ComponentStatus[];
  /** Calls `listener` for each component of the kind that is open now or opens later, until the returned function is called. */
  onOpen<K extends Kind>(kind: K, listener: (component: Component<K>) => void): () => void;
}

/** The component, or the block's own words for "none of that kind" and "not this one". */
export function requireComponent<K extends Kind>(
  components: Components,
  kind: K,
  name: string,
  words: { readonly none: () => MechaError; readonly unknown: (name: string, known: string) => MechaError },
): Component<K> {
  const found = components.find(kind, name);
  if (found) return found;
  const known = components.names(kind);
  throw known.length === 0 ? words.none() : words.unknown(name, known.join(", "));
}

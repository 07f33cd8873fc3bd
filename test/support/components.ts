import type { AnyDriver, Kind, OpenedByKind } from "../../components/contract/any-driver.ts";
import type { Component, Components } from "../../sidecar/kernel/components.ts";

/** An opened component, as a block sees it. */
export interface OpenPart<K extends Kind = Kind> {
  readonly name: string;
  readonly driver: Extract<AnyDriver, { kind: K }>;
  readonly opened: OpenedByKind[K];
  /** Metadata that the sidecar reads itself; default: none. */
  readonly runtime?: Readonly<Record<string, unknown>>;
}

/** The host of a test: components that are open from the start, without policies and metrics. */
export function componentsOf(...parts: readonly OpenPart[]): Components {
  const open = parts.map((part) => ({
    runtime: {},
    ...part,
    type: part.driver.type,
    version: "v1",
    kind: part.driver.kind,
  })) as Component[];
  const ofKind = <K extends Kind>(kind: K) => open.filter((one) => one.kind === kind) as unknown as Component<K>[];
  return {
    find: (kind, name) => ofKind(kind).find((one) => one.name === name),
    all: ofKind,
    names: (kind) => ofKind(kind).map(({ name }) => name),
    statuses: () => [],
    onOpen: (kind, listener) => {
      for (const one of ofKind(kind)) listener(one);
      return () => {};
    },
  };
}

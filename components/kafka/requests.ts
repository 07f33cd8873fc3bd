import type { Library } from "./library.ts";

/**
 * What is asked of brokers, each in the newest version of the protocol that the library's functions and this driver agree
 * on; a broker that is older gets the newest that it speaks.
 */
interface Apis {
  readonly CreateTopics: Library["createTopicsV7"]["api"];
  readonly Fetch: Library["fetchV12"]["api"];
  readonly FindCoordinator: Library["findCoordinatorV4"]["api"];
  readonly Heartbeat: Library["heartbeatV4"]["api"];
  readonly InitProducerId: Library["initProducerIdV4"]["api"];
  readonly JoinGroup: Library["joinGroupV7"]["api"];
  readonly LeaveGroup: Library["leaveGroupV4"]["api"];
  readonly ListOffsets: Library["listOffsetsV7"]["api"];
  readonly Metadata: Library["metadataV12"]["api"];
  readonly OffsetCommit: Library["offsetCommitV8"]["api"];
  readonly OffsetFetch: Library["offsetFetchV7"]["api"];
  readonly Produce: Library["produceV9"]["api"];
  readonly SyncGroup: Library["syncGroupV5"]["api"];
}

const newest: { readonly [Name in keyof Apis]: number } = {
  CreateTopics: 7,
  // Later ones name topics by their ids.
  Fetch: 12,
  FindCoordinator: 4,
  Heartbeat: 4,
  InitProducerId: 4,
  JoinGroup: 7,
  LeaveGroup: 4,
  ListOffsets: 7,
  Metadata: 12,
  OffsetCommit: 8,
  // Later ones ask for several groups.
  OffsetFetch: 7,
  Produce: 9,
  SyncGroup: 5,
};

export type ApiName = keyof Apis;
/** Arguments of a request, without the connection. */
export type Asked<N extends ApiName> = Parameters<Apis[N]["async"]> extends [unknown, ...infer A] ? A : never;
export type Answer<N extends ApiName> = Awaited<ReturnType<Apis[N]["async"]>>;

/** Versions that a broker speaks, by the name of the request. */
export type Versions = ReadonlyMap<string, { readonly minVersion: number; readonly maxVersion: number }>;

/** The function for a request to a broker; undefined: there is no version that both sides speak. */
export function findApi<N extends ApiName>(library: Library, name: N, versions: Versions): Apis[N] | undefined {
  const spoken = versions.get(name);
  if (!spoken) return undefined;
  const prefix = name.charAt(0).toLowerCase() + name.slice(1);
  for (let version = Math.min(newest[name], spoken.maxVersion); version >= spoken.minVersion; version -= 1) {
    const found = (library as unknown as Record<string, { readonly api: Apis[N] } | undefined>)[`${prefix}V${version}`];
    if (found) return found.api;
  }
  return undefined;
}

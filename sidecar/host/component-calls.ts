import type { Kind, OpenedByKind } from "../../components/contract/any-driver.ts";

/** A method through which a block calls a component. */
export interface CallShape {
  /** Position of its Call among the arguments. */
  readonly call: number;
  /** The label `operation` of its metrics; absent: they have no such label, or take it from the call. */
  readonly operation?: string;
}

/** Not a call outwards: the input side, lifecycle, what only tools use, and values that are no methods. */
const untouched = undefined;

const lifecycle = { close: untouched, ping: untouched, capabilities: untouched } as const;

/** What becomes of each member of an opened component; a member that the contract gains must be added here to compile. */
export const componentCalls: { readonly [K in Kind]: Readonly<Record<keyof OpenedByKind[K], CallShape | undefined>> } =
  {
    state: {
      ...lifecycle,
      get: { call: 2, operation: "get" },
      set: { call: 3, operation: "set" },
      delete: { call: 2, operation: "delete" },
      list: { call: 1, operation: "list" },
      transact: { call: 1, operation: "transaction" },
      getMany: { call: 2, operation: "bulk_get" },
      query: { call: 1, operation: "query" },
      // Its user tries again by itself, where it knows what is safe.
      journal: untouched,
      maxOperations: untouched,
    },
    pubsub: {
      ...lifecycle,
      publish: { call: 1 },
      publishMany: { call: 1 },
      subscribe: untouched,
    },
    bindings: {
      ...lifecycle,
      invoke: { call: 1 },
      read: untouched,
      operations: untouched,
    },
    lock: {
      ...lifecycle,
      tryLock: { call: 1 },
      unlock: { call: 2 },
      renew: { call: 1 },
      fencingToken: { call: 2 },
    },
    configuration: {
      ...lifecycle,
      get: { call: 2, operation: "get" },
      subscribe: untouched,
      put: untouched,
      remove: untouched,
    },
    secretstores: {
      ...lifecycle,
      get: { call: 2, operation: "get" },
      getAll: { call: 1, operation: "bulk_get" },
    },
    crypto: {
      ...lifecycle,
      key: { call: 1, operation: "crypto_op" },
    },
    nameresolution: {
      ...lifecycle,
      register: untouched,
      resolve: untouched,
      known: untouched,
    },
    conversation: {
      ...lifecycle,
      converse: { call: 1 },
    },
  };

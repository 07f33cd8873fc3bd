import type { StateOperation } from "../../../components/contract/state.ts";
import type { Request } from "../../kernel/request.ts";
import type { Store } from "./stores.ts";
import type { Planned } from "./transaction.ts";

/** What the outbox adds to one transaction. */
export interface Prepared {
  /** Operations to write; those that only shape a message are gone. */
  readonly writes: readonly Planned[];
  /** Marks that prove the commit to the outbox's own subscription. */
  readonly marks: readonly StateOperation[];
}

/** The outbox of one store. */
export interface StoreOutbox {
  /** Publishes the messages to the internal topic and gives the marks that release them. Rejects with `outboxPublish`. */
  prepare(operations: readonly Planned[], request: Request): Promise<Prepared>;
}

/** The transactional outbox: messages leave if and only if the transaction that carries them commits. */
export interface Outbox {
  /** Undefined: the store has no outbox configured. */
  of(store: Store): StoreOutbox | undefined;
}

import { create } from "@bufbuild/protobuf";
import type { StateOperation } from "../../../components/contract/state.ts";
import { causeText, fail, MechaError } from "../../../specs/errors.ts";
import { StateItemSchema } from "../../../specs/gen/dapr/proto/common/v1/common_pb.js";
import type { TransactionalStateOperation } from "../../../specs/gen/dapr/proto/runtime/v1/state_pb.js";
import { type DedupeMark, markName, readMark } from "../../kernel/dedupe-mark.ts";
import type { Request } from "../../kernel/request.ts";
import type { Outbox } from "./outbox.ts";
import type { Store } from "./stores.ts";
import { deleteOperation, type Planned, setOperation } from "./writes.ts";

/**
 * Runs a transaction: all operations or none. With an outbox, its messages are published if and only if it commits. With
 * the mark of a delivery in its metadata it commits once: the second time it changes nothing and succeeds.
 */
export async function commit(
  store: Store,
  operations: readonly TransactionalStateOperation[],
  { [markName]: markText, ...metadata }: Readonly<Record<string, string>>,
  outbox: Outbox | undefined,
  request: Request,
): Promise<void> {
  const { name, opened } = store;
  const mark = markText ? readMark(markText, name, store.appId) : undefined;
  if (!opened.transact) throw fail("stateTransactionUnsupported", { name });
  const max = opened.maxOperations;
  if (max !== undefined && operations.length > max)
    throw fail("stateTransactionTooLarge", { name, count: operations.length, max });
  const planned = operations.map((operation) => plan(store, operation, metadata));
  if (planned.length === 0) return;
  const entry = outbox?.of(store);
  const prepared = entry ? await entry.prepare(planned, request) : { writes: planned, marks: [], settle: () => {} };
  try {
    const writes = prepared.writes.map((one) => toOperation(store, one));
    await opened.transact([...(mark ? [firstOnly(mark)] : []), ...writes, ...prepared.marks], request);
    prepared.settle(false);
  } catch (error) {
    const reason = error instanceof MechaError ? error.reason : undefined;
    const isBadRequest = error instanceof MechaError && error.row.code === "invalid_argument";
    // After any other failure it may have committed all the same: its marks will tell.
    prepared.settle(isBadRequest || reason === "etagMismatch");
    if (mark && reason === "etagMismatch" && (await opened.get(mark.key, { consistency: "strong" }, request))) return;
    if (isBadRequest && reason !== "etagInvalid") throw error;
    throw fail("stateTransaction", { name, cause: causeText(error) }, { cause: error });
  }
}

/** Refuses the transaction when the mark has been written before. */
const firstOnly = ({ key, ttlSeconds }: DedupeMark): StateOperation => ({
  kind: "set",
  key,
  data: Buffer.from("1"),
  options: { concurrency: "first-write", ttlSeconds },
});

const toOperation = (store: Store, { type, item }: Planned): StateOperation =>
  type === "upsert" ? setOperation(store, item) : deleteOperation(store, item);

function plan(
  store: Store,
  operation: TransactionalStateOperation,
  metadata: Readonly<Record<string, string>>,
): Planned {
  const type = operation.operationType;
  if (type !== "upsert" && type !== "delete")
    throw fail("stateOperationUnsupported", { name: store.name, operation: type });
  const item = operation.request ?? create(StateItemSchema, {});
  // What the request says counts for every operation that does not say otherwise.
  const planned: Planned = { type, item: { ...item, metadata: { ...metadata, ...item.metadata } } };
  toOperation(store, planned);
  return planned;
}

import { randomBytes } from "node:crypto";
import type { CancellationReason, TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { fail } from "../../specs/errors.ts";
import { errorName } from "../aws/failures.ts";
import { pause } from "../aws/pause.ts";
import type { Call, Clock } from "../contract/driver.ts";
import type { StateOperation, WriteOptions } from "../contract/state.ts";
import { type Item, type Layout, namesOf, toSeconds, toValue } from "./items.ts";
import { type Table, writeFixes } from "./table.ts";

/** The largest item that DynamoDB takes, with its attribute names. */
const maxItemBytes = 400 * 1024;
/** Attempts at an item that another transaction holds. */
const attempts = 6;
const firstPauseMs = 20;

/** What an operation comes to, as one action on one item. */
interface Action {
  readonly key: string;
  readonly operation: StateOperation;
  /** What must hold of the item as it is stored. */
  readonly condition: Pick<WriteOptions, "etag" | "concurrency">;
}

/** Writes to one table. */
export class StateWrites {
  readonly #table: Table;
  readonly #layout: Layout;
  readonly #clock: Clock;

  constructor(table: Table, layout: Layout, clock: Clock) {
    this.#table = table;
    this.#layout = layout;
    this.#clock = clock;
  }

  async one(operation: StateOperation, call: Call): Promise<void> {
    const action = { key: itemKey(operation), operation, condition: operation.options };
    const { Put, Delete } = this.#toItem(action);
    const { client, library } = this.#table;
    await this.#patiently(call, operation.key, etagOf(Put?.Item), () =>
      client.ask(async (dynamo, options) => {
        if (Put) await dynamo.send(new library.PutItemCommand(Put), options);
        if (Delete) await dynamo.send(new library.DeleteItemCommand(Delete), options);
      }, call),
    );
  }

  async all(operations: readonly StateOperation[], call: Call): Promise<void> {
    const [action, ...others] = folded(operations);
    if (!action) return;
    if (others.length === 0 && action.condition === action.operation.options) return this.one(action.operation, call);
    const actions = [action, ...others];
    const { client, library } = this.#table;
    const items = actions.map((one) => this.#toItem(one));
    const command = new library.TransactWriteItemsCommand({ TransactItems: items });
    const keys = actions.map(({ operation }) => operation.key);
    await this.#patiently(call, keys, undefined, () =>
      client.ask((dynamo, options) => dynamo.send(command, options), call),
    );
  }

  /**
   * Waits for items that a transaction holds.
   * @param written etag that the write gives: an item that has it was written by an attempt whose answer was lost
   */
  async #patiently(
    call: Call,
    keys: string | readonly string[],
    written: string | undefined,
    write: () => Promise<unknown>,
  ): Promise<void> {
    const { client } = this.#table;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await write();
        return;
      } catch (error) {
        if (isDone(error, written)) return;
        const refused = refusedKey(error, keys);
        if (refused !== undefined) throw fail("etagMismatch", { key: refused }, { cause: error });
        if (!isHeld(error) || attempt === attempts) {
          // The translation belongs to the client.
          await client.run(() => Promise.reject(error), call, fixes);
        }
        const pauseMs = firstPauseMs * 2 ** attempt * (0.5 + Math.random());
        await pause(this.#clock, pauseMs, call);
      }
    }
  }

  #toItem({ key, operation, condition }: Action): TransactWriteItem {
    const { partitionKey, ttlAttribute } = this.#layout;
    const common = { TableName: this.#table.name, ...this.#toCondition(condition) };
    if (operation.kind === "delete") return { Delete: { ...common, Key: { [partitionKey]: { S: key } } } };
    const { ttlSeconds } = operation.options;
    const item: Item = {
      [partitionKey]: { S: key },
      value: toValue(operation.data),
      etag: { S: randomBytes(8).toString("hex") },
      ...(ttlSeconds === undefined
        ? {}
        : { [ttlAttribute]: { N: String(toSeconds(this.#clock.now() + ttlSeconds * 1000)) } }),
    };
    if (operation.data.length + Buffer.byteLength(key) > maxItemBytes) {
      throw fail("badRequest", {
        why: `the value of ${operation.key} has ${operation.data.length} bytes; DynamoDB takes items of at most ${maxItemBytes}`,
      });
    }
    return { Put: { ...common, Item: item } };
  }

  #toCondition({ etag, concurrency }: Action["condition"]) {
    if (etag === undefined && concurrency !== "first-write") return {};
    const now = { N: String(this.#clock.now() / 1000) };
    const names = namesOf(this.#layout);
    const returned = { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;
    if (etag === undefined) {
      return {
        ...returned,
        ConditionExpression: "attribute_not_exists(#key) OR #ends <= :now",
        ExpressionAttributeNames: { "#key": names["#key"], "#ends": names["#ends"] },
        ExpressionAttributeValues: { ":now": now },
      };
    }
    return {
      ...returned,
      ConditionExpression: "#etag = :etag AND (attribute_not_exists(#ends) OR #ends > :now)",
      ExpressionAttributeNames: { "#etag": names["#etag"], "#ends": names["#ends"] },
      ExpressionAttributeValues: { ":etag": { S: etag }, ":now": now },
    };
  }
}

/** Where a value is: at its key, unless the request names a partition key. */
export const placeOf = (key: string, metadata: Readonly<Record<string, string>> | undefined): string =>
  metadata?.["partitionKey"] || key;

const itemKey = ({ key, options }: StateOperation) => placeOf(key, options.metadata);

/**
 * One action for each item, since a transaction may touch an item once: the last operation on it, under the condition of
 * the first. Throws `etagMismatch` where an operation in between could not succeed after those before it.
 */
function folded(operations: readonly StateOperation[]): readonly Action[] {
  const actions = new Map<string, Action>();
  for (const operation of operations) {
    const key = itemKey(operation);
    const before = actions.get(key);
    const { etag, concurrency } = operation.options;
    if (before && (etag !== undefined || (concurrency === "first-write" && before.operation.kind === "set"))) {
      throw fail("etagMismatch", { key: operation.key });
    }
    actions.set(key, { key, operation, condition: before?.condition ?? operation.options });
  }
  return [...actions.values()];
}

const fixes = {
  ...writeFixes,
  ValidationException: "DynamoDB does not take it",
  TransactionCanceledException: "another write held an item of the transaction; try again",
  TransactionConflictException: "a transaction held the item; try again",
};

const reasonsOf = (error: unknown): readonly CancellationReason[] =>
  error instanceof Error && "CancellationReasons" in error ? (error.CancellationReasons as CancellationReason[]) : [];

/** Key of the operation whose condition did not hold. */
function refusedKey(error: unknown, keys: string | readonly string[]): string | undefined {
  if (errorName(error) === "ConditionalCheckFailedException") return typeof keys === "string" ? keys : keys[0];
  const at = reasonsOf(error).findIndex(({ Code }) => Code === "ConditionalCheckFailed");
  return at >= 0 ? keys[at] : undefined;
}

const isHeld = (error: unknown) =>
  errorName(error) === "TransactionConflictException" ||
  errorName(error) === "TransactionInProgressException" ||
  reasonsOf(error).some(({ Code }) => Code === "TransactionConflict");

/** An attempt before this one wrote, and its answer was lost. */
function isDone(error: unknown, written: string | undefined): boolean {
  if (errorName(error) !== "ConditionalCheckFailedException" || !(error instanceof Error)) return false;
  const attempted = "$metadata" in error ? (error.$metadata as { readonly attempts?: number }).attempts : undefined;
  const item = "Item" in error ? (error.Item as Item | undefined) : undefined;
  if (attempted === undefined || attempted < 2) return false;
  return written === undefined ? item === undefined : etagOf(item) === written;
}

const etagOf = (item: Item | undefined) => item?.["etag"]?.S;

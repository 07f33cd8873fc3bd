import type { BatchGetItemCommandOutput, ScanCommandOutput } from "@aws-sdk/client-dynamodb";
import { Type } from "typebox";
import { pause } from "../aws/pause.ts";
import { awsSettings } from "../aws/settings.ts";
import type { Call, Clock } from "../contract/driver.ts";
import { requiredText, text } from "../contract/settings.ts";
import {
  defineStateStore,
  type GetOptions,
  type ListPage,
  type ListRequest,
  type StateEntry,
} from "../contract/state.ts";
import { FirstKeys } from "./first-keys.ts";
import { type Item, type Layout, namesOf, toEntry } from "./items.ts";
import { placeOf, StateWrites } from "./state-writes.ts";
import { openTable, type Table, writeFixes } from "./table.ts";

/** So many writes a transaction of DynamoDB may hold, and so many keys a read of several. */
const maxTogether = 100;

export default defineStateStore({
  type: "state.aws.dynamodb",
  status: "beta",
  summary:
    "Keeps values in a table of DynamoDB, up to 400 KB each. Listing keys reads the whole table, once for each page. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    table: requiredText({
      description: "Name of the table. It must exist, with a partition key of texts and no sort key.",
      example: "orders",
    }),
    partitionKey: text({
      default: "key",
      description:
        "Name of the table's partition key. Request metadata `partitionKey` takes the place of its value: that of the state key.",
    }),
    ttlAttributeName: text({
      default: "expiresAt",
      description:
        "Attribute for the second at which a value ends. Ended values are hidden at once, and swept where the table's time to live is switched on for this attribute.",
    }),
  }),
  capabilities: ["etag", "ttl", "transaction", "bulkGet"],
  async open(settings, context) {
    const layout = { partitionKey: settings.partitionKey, ttlAttribute: settings.ttlAttributeName || "expiresAt" };
    const table = await openTable(settings, layout.partitionKey, context);
    const reads = new StateReads(table, layout, context.clock);
    const writes = new StateWrites(table, layout, context.clock);
    return {
      get: (key, options, call) => reads.one(key, options, call),
      getMany: (keys, options, call) => reads.several(keys, options, call),
      list: (request, call) => reads.list(request, call),
      set: (key, data, options, call) => writes.one({ kind: "set", key, data, options }, call),
      delete: (key, options, call) => writes.one({ kind: "delete", key, options }, call),
      transact: (operations, call) => writes.all(operations, call),
      maxOperations: maxTogether,
      ping: (call) => reads.ping(call),
      close: () => table.client.close(),
    };
  },
});

/** Reads of one table; consistent with all writes before them, unless the caller wants less. */
class StateReads {
  readonly #table: Table;
  readonly #layout: Layout;
  readonly #clock: Clock;

  constructor(table: Table, layout: Layout, clock: Clock) {
    this.#table = table;
    this.#layout = layout;
    this.#clock = clock;
  }

  async one(key: string, { consistency, metadata }: GetOptions, call: Call): Promise<StateEntry | undefined> {
    const { client, library, name } = this.#table;
    const command = new library.GetItemCommand({
      TableName: name,
      Key: this.#toKey(placeOf(key, metadata)),
      ConsistentRead: consistency !== "eventual",
    });
    const { Item: item } = await client.run((dynamo, options) => dynamo.send(command, options), call, writeFixes);
    return this.#toEntry(item);
  }

  async several(keys: readonly string[], { consistency, metadata }: GetOptions, call: Call) {
    const places = keys.map((key) => placeOf(key, metadata));
    const wanted = [...new Set(places)];
    const found = new Map<string, Item>();
    const chunks = Array.from({ length: Math.ceil(wanted.length / maxTogether) }, (_, n) =>
      wanted.slice(n * maxTogether, (n + 1) * maxTogether),
    );
    await Promise.all(chunks.map((chunk) => this.#collect(chunk, consistency !== "eventual", found, call)));
    return places.map((place) => this.#toEntry(found.get(place)));
  }

  /** The service answers as much as it likes and says what it has left out. */
  async #collect(
    places: readonly string[],
    isConsistent: boolean,
    found: Map<string, Item>,
    call: Call,
  ): Promise<void> {
    const { client, library, name } = this.#table;
    let keys: Item[] | undefined = places.map((place) => this.#toKey(place));
    for (let round = 0; keys !== undefined && keys.length > 0; round += 1) {
      if (round > 0) await pause(this.#clock, Math.min(10 * 2 ** round, 1000), call);
      const command = new library.BatchGetItemCommand({
        RequestItems: { [name]: { Keys: keys, ConsistentRead: isConsistent } },
      });
      const answer: BatchGetItemCommandOutput = await client.run(
        (dynamo, options) => dynamo.send(command, options),
        call,
        writeFixes,
      );
      for (const item of answer.Responses?.[name] ?? []) {
        found.set(item[this.#layout.partitionKey]?.S ?? "", item);
      }
      keys = answer.UnprocessedKeys?.[name]?.Keys;
    }
  }

  async list({ prefix, cursor, limit }: ListRequest, call: Call): Promise<ListPage> {
    const { client, library, name } = this.#table;
    const first = new FirstKeys(limit + 1, cursor);
    const { "#key": key, "#ends": ends } = namesOf(this.#layout);
    const ofPrefix = prefix === "" ? "" : "begins_with(#key, :prefix) AND ";
    let from: Item | undefined;
    do {
      const command = new library.ScanCommand({
        TableName: name,
        ConsistentRead: true,
        ProjectionExpression: "#key",
        FilterExpression: `${ofPrefix}(attribute_not_exists(#ends) OR #ends > :now)`,
        ExpressionAttributeNames: { "#key": key, "#ends": ends },
        ExpressionAttributeValues: {
          ":now": { N: String(this.#clock.now() / 1000) },
          ...(prefix === "" ? {} : { ":prefix": { S: prefix } }),
        },
        ...(from ? { ExclusiveStartKey: from } : {}),
      });
      const answer: ScanCommandOutput = await client.run(
        (dynamo, options) => dynamo.send(command, options),
        call,
        writeFixes,
      );
      for (const item of answer.Items ?? []) first.offer(item[key]?.S ?? "");
      from = answer.LastEvaluatedKey;
    } while (from !== undefined);
    const keys = first.take();
    if (keys.length <= limit) return { keys };
    const page = keys.slice(0, limit);
    return { keys: page, cursor: page.at(-1) };
  }

  /** Reads a key that nobody writes: what the store's work needs is what is tried. */
  async ping(call: Call): Promise<void> {
    await this.one("mecha-ping", { consistency: "eventual" }, call);
  }

  readonly #toKey = (place: string): Item => ({ [this.#layout.partitionKey]: { S: place } });
  readonly #toEntry = (item: Item | undefined) => toEntry(item, this.#layout, this.#clock.now());
}

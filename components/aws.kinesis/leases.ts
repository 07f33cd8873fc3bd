import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type Client, openClient } from "../aws/client.ts";
import { errorName, translate } from "../aws/failures.ts";
import { pause } from "../aws/pause.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { Call, OpenContext } from "../contract/driver.ts";

type Library = typeof import("@aws-sdk/client-dynamodb");

/** Who reads a shard, and how far. */
export interface Lease {
  readonly shardId: string;
  readonly owner: string | undefined;
  /** Milliseconds since 1970. */
  readonly endsAt: number;
  /** The same as it is written, which differs between programs. */
  readonly timeout: string | undefined;
  /** Sequence number of the last record that was handed over, or `shardEnd`; undefined: none was. */
  readonly checkpoint: string | undefined;
  /** When the shard was first taken, in milliseconds since 1970; undefined: it never was, or by another program. */
  readonly since: number | undefined;
}

/** The checkpoint of a shard that was read to its end. */
export const shardEnd = "SHARD_END";

const firstPauseMs = 100;
const longestPauseMs = 2000;

/**
 * The table in which the readers of a stream share its shards, in the layout that other sidecars use: one item for each
 * shard. Methods reject with reasons.
 */
export class Leases {
  readonly #client: Client<DynamoDBClient>;
  readonly #library: Library;
  readonly #table: string;
  readonly #owner: string;
  readonly #context: OpenContext;

  constructor(client: Client<DynamoDBClient>, library: Library, table: string, owner: string, context: OpenContext) {
    this.#client = client;
    this.#library = library;
    this.#table = table;
    this.#owner = owner;
    this.#context = context;
  }

  /** Makes the table when it is absent. */
  static async open(
    settings: AwsSettings,
    table: string,
    owner: string,
    context: OpenContext,
    call: Call,
  ): Promise<Leases> {
    const library = await import("@aws-sdk/client-dynamodb");
    const opening = { service: "DynamoDB" };
    const client = await openClient((options) => new library.DynamoDBClient(options), opening, settings, context);
    const leases = new Leases(client, library, table, owner, context);
    try {
      await leases.#ensureTable(call);
      return leases;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  async #ensureTable(call: Call): Promise<void> {
    const { DescribeTableCommand, CreateTableCommand } = this.#library;
    for (let round = 0; ; round += 1) {
      try {
        const describe = new DescribeTableCommand({ TableName: this.#table });
        const { Table } = await this.#client.ask((dynamo, options) => dynamo.send(describe, options), call);
        if (Table?.TableStatus === "ACTIVE" || Table?.TableStatus === "UPDATING") return;
      } catch (error) {
        if (call.signal?.aborted) throw call.signal.reason;
        if (errorName(error) !== "ResourceNotFoundException") throw translate(error, this.#client.asked);
        const create = new CreateTableCommand({
          TableName: this.#table,
          KeySchema: [{ AttributeName: "ShardID", KeyType: "HASH" }],
          AttributeDefinitions: [{ AttributeName: "ShardID", AttributeType: "S" }],
          BillingMode: "PAY_PER_REQUEST",
        });
        await this.#client
          .ask((dynamo, options) => dynamo.send(create, options), call)
          .catch((failure: unknown) => {
            // Another reader makes it at the same time.
            if (errorName(failure) !== "ResourceInUseException") throw translate(failure, this.#client.asked);
          });
        continue;
      }
      await pause(this.#context.clock, Math.min(firstPauseMs * 2 ** round, longestPauseMs), call);
    }
  }

  async find(shardId: string, call: Call): Promise<Lease | undefined> {
    const command = new this.#library.GetItemCommand({
      TableName: this.#table,
      Key: { ShardID: { S: shardId } },
      ConsistentRead: true,
    });
    const { Item: item } = await this.#client.run((dynamo, options) => dynamo.send(command, options), call);
    if (!item) return undefined;
    const timeout = item["LeaseTimeout"]?.S;
    const ends = Date.parse(timeout ?? "");
    return {
      shardId,
      owner: item["AssignedTo"]?.S || undefined,
      endsAt: Number.isNaN(ends) ? 0 : ends,
      timeout,
      checkpoint: item["Checkpoint"]?.S || undefined,
      since: item["MechaSince"]?.N === undefined ? undefined : Number(item["MechaSince"].N),
    };
  }

  /** Takes a lease as it was found, until `endsAt`. False: somebody else was faster. */
  take({ shardId, owner, timeout }: Lease, until: number, call: Call): Promise<boolean> {
    const conditions = [
      owner === undefined ? "attribute_not_exists(AssignedTo)" : "AssignedTo = :seen",
      timeout === undefined ? "attribute_not_exists(LeaseTimeout)" : "LeaseTimeout = :ends",
    ];
    const change = {
      set: "AssignedTo = :me, LeaseTimeout = :until, MechaSince = if_not_exists(MechaSince, :now)",
      when: conditions.join(" AND "),
    };
    const values = {
      ":me": { S: this.#owner },
      ":until": { S: toTime(until) },
      ":now": { N: String(this.#context.clock.now()) },
      ...(owner === undefined ? {} : { ":seen": { S: owner } }),
      ...(timeout === undefined ? {} : { ":ends": { S: timeout } }),
    };
    return this.#update(shardId, change, values, call);
  }

  /** Keeps a lease until `endsAt`. False: it is lost. */
  keep(shardId: string, endsAt: number, call: Call): Promise<boolean> {
    const change = { set: "LeaseTimeout = :until", when: "AssignedTo = :me" };
    return this.#update(shardId, change, { ":me": { S: this.#owner }, ":until": { S: toTime(endsAt) } }, call);
  }

  /** Notes how far a shard is read. False: the lease is lost. */
  checkpoint(shardId: string, sequence: string, call: Call): Promise<boolean> {
    const change = { set: "#checkpoint = :sequence", when: "AssignedTo = :me" };
    return this.#update(shardId, change, { ":me": { S: this.#owner }, ":sequence": { S: sequence } }, call);
  }

  /** Lets others have the shard at once. */
  async release(shardId: string, call: Call): Promise<void> {
    const change = { set: "LeaseTimeout = :past", when: "AssignedTo = :me", remove: "AssignedTo" };
    await this.#update(shardId, change, { ":me": { S: this.#owner }, ":past": { S: toTime(0) } }, call);
  }

  async #update(
    shardId: string,
    { set, when, remove }: { readonly set: string; readonly when: string; readonly remove?: string },
    values: Record<string, AttributeValue>,
    call: Call,
  ): Promise<boolean> {
    const command = new this.#library.UpdateItemCommand({
      TableName: this.#table,
      Key: { ShardID: { S: shardId } },
      UpdateExpression: `SET ${set}${remove === undefined ? "" : ` REMOVE ${remove}`}`,
      ConditionExpression: when,
      ...(set.includes("#checkpoint") ? { ExpressionAttributeNames: { "#checkpoint": "Checkpoint" } } : {}),
      ExpressionAttributeValues: values,
    });
    try {
      await this.#client.ask((dynamo, options) => dynamo.send(command, options), call);
      return true;
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      if (errorName(error) === "ConditionalCheckFailedException") return false;
      throw translate(error, this.#client.asked);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

const toTime = (ms: number) => new Date(ms).toISOString();

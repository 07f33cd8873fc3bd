import type { GetRecordsCommandOutput, KinesisClient, ListShardsCommandOutput, Shard } from "@aws-sdk/client-kinesis";
import { fail } from "../../specs/errors.ts";
import { type Client, openClient } from "../aws/client.ts";
import { errorName, type Fixes, isDenied, openFailure } from "../aws/failures.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { Call, OpenContext } from "../contract/driver.ts";

type Library = typeof import("@aws-sdk/client-kinesis");

export interface KinesisRecord {
  readonly data: Uint8Array;
  readonly metadata: { readonly partitionKey: string; readonly sequenceNumber: string };
}

/** A place in a shard: behind a record, at a time in milliseconds since 1970, or at one of the ends. */
export type Place = { readonly after: string } | { readonly at: number } | "LATEST" | "TRIM_HORIZON";

function toIteratorType(place: Place) {
  if (typeof place === "string") return { ShardIteratorType: place };
  return "after" in place
    ? ({ ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: place.after } as const)
    : ({ ShardIteratorType: "AT_TIMESTAMP", Timestamp: new Date(place.at) } as const);
}

const fixes: Fixes = {
  ResourceNotFoundException: "streamName: it is gone; create it again",
  InvalidArgumentException: "Kinesis does not take it: data may have 1 MiB, and a partition key 256 characters",
  ValidationException: "Kinesis does not take it: data may have 1 MiB, and a partition key 256 characters",
};

/** One stream. Methods reject with reasons, unless they say otherwise. */
export class Stream {
  readonly client: Client<KinesisClient>;
  readonly #library: Library;
  readonly #name: string;

  constructor(client: Client<KinesisClient>, library: Library, name: string) {
    this.client = client;
    this.#library = library;
    this.#name = name;
  }

  /** Rejects with `openFailed` when there is no such stream. */
  static async open(settings: AwsSettings, name: string, context: OpenContext): Promise<Stream> {
    const library = await import("@aws-sdk/client-kinesis");
    const opening = { service: "Kinesis" };
    const client = await openClient((options) => new library.KinesisClient(options), opening, settings, context);
    try {
      const command = new library.DescribeStreamSummaryCommand({ StreamName: name });
      await client.ask((kinesis, options) => kinesis.send(command, options), { signal: context.signal });
    } catch (error) {
      if (errorName(error) === "AccessDeniedException" && isDenied(error)) {
        context.log.warn("the stream cannot be checked: the policy lacks kinesis:DescribeStreamSummary", {
          stream: name,
        });
        return new Stream(client, library, name);
      }
      await client.close();
      const missing = `streamName: there is no stream ${name} in ${client.region}; create it, or correct streamName or region`;
      throw openFailure(error, client.asked, { ResourceNotFoundException: missing });
    }
    return new Stream(client, library, name);
  }

  async put(data: Uint8Array, partitionKey: string, call: Call): Promise<void> {
    const command = new this.#library.PutRecordCommand({
      StreamName: this.#name,
      Data: data,
      PartitionKey: partitionKey,
    });
    await this.client.run((kinesis, options) => kinesis.send(command, options), call, fixes);
  }

  async shards(call: Call): Promise<readonly Shard[]> {
    const shards: Shard[] = [];
    let token: string | undefined;
    do {
      const command = new this.#library.ListShardsCommand(
        token === undefined ? { StreamName: this.#name } : { NextToken: token },
      );
      const page: ListShardsCommandOutput = await this.client.run(
        (kinesis, options) => kinesis.send(command, options),
        call,
        fixes,
      );
      shards.push(...(page.Shards ?? []));
      token = page.NextToken;
    } while (token !== undefined && token !== "");
    return shards;
  }

  async iterator(shardId: string, place: Place, call: Call): Promise<string> {
    const command = new this.#library.GetShardIteratorCommand({
      StreamName: this.#name,
      ShardId: shardId,
      ...toIteratorType(place),
    });
    const answer = await this.client.run((kinesis, options) => kinesis.send(command, options), call, fixes);
    if (answer.ShardIterator === undefined) throw fail("internal", { why: `Kinesis gives no iterator of ${shardId}` });
    return answer.ShardIterator;
  }

  /** Rejects with what the library says. `next` is undefined when the shard is over. */
  async records(
    iterator: string,
    call: Call,
  ): Promise<{ records: readonly KinesisRecord[]; next: string | undefined }> {
    const command = new this.#library.GetRecordsCommand({ ShardIterator: iterator });
    const answer: GetRecordsCommandOutput = await this.client.ask(
      (kinesis, options) => kinesis.send(command, options),
      call,
    );
    const records = (answer.Records ?? []).map(({ Data, PartitionKey = "", SequenceNumber = "" }) => ({
      data: Data ?? Buffer.alloc(0),
      metadata: { partitionKey: PartitionKey, sequenceNumber: SequenceNumber },
    }));
    return { records, next: answer.NextShardIterator };
  }
}

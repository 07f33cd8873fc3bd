import type { Address } from "./addresses.ts";
import type { Connections } from "./connections.ts";
import { anonymous } from "./identities.ts";
import type { Library } from "./library.ts";
import type { Batch, Outbox } from "./outbox.ts";
import type { Asked } from "./requests.ts";
import type { Settings } from "./settings.ts";

/** So long may a broker wait for its replicas. */
const brokerMs = 30_000;

/** A batch, and where it is from. All of one request have the same identity. */
export interface Sent {
  readonly outbox: Outbox;
  readonly batch: Batch;
}

export interface ProduceOptions {
  readonly acks: -1 | 0 | 1;
  readonly compression: Settings["compression"];
  readonly signal: AbortSignal;
}

/**
 * Sends batches to the broker that leads their partitions. Gives Kafka's name of what became of each, `NONE` when it was
 * taken, with the broker's words.
 */
export async function produce(
  connections: Connections,
  library: Library,
  address: Address,
  sent: readonly Sent[],
  { acks, compression, signal }: ProduceOptions,
): Promise<ReadonlyMap<Sent, readonly [code: string, message?: string | null | undefined]>> {
  const records = sent.flatMap(({ outbox, batch }) =>
    batch.waiting.map(({ message }) => ({
      topic: message.topic,
      partition: outbox.partition,
      ...(message.key === undefined ? {} : { key: message.key }),
      value: message.value,
      headers: message.headers,
      timestamp: BigInt(message.timestamp),
    })),
  );
  const options = optionsOf(sent, compression);
  const answer = await connections.ask(address, "Produce", [acks, brokerMs, records, options], { signal, part: true });
  // Nobody was asked for an acknowledgement.
  if (typeof answer === "boolean") return new Map(sent.map((one) => [one, ["NONE"]]));
  const answers = new Map(
    answer.responses.flatMap(({ name, partitionResponses }) =>
      partitionResponses.map((one) => [`${name}:${one.index}` as string, one] as const),
    ),
  );
  const missing = { errorCode: -1, errorMessage: "the broker did not answer for this partition" };
  return new Map(
    sent.map((one) => {
      const { errorCode, errorMessage } = answers.get(nameOf(one.outbox)) ?? missing;
      return [one, [library.protocolErrorsCodesById[errorCode] ?? String(errorCode), errorMessage]];
    }),
  );
}

const nameOf = ({ topic, partition }: Outbox): string => `${topic}:${partition}`;

function optionsOf(sent: readonly Sent[], compression: Settings["compression"]): Asked<"Produce">[3] {
  const identity = sent[0]?.batch.identity ?? anonymous;
  if (identity === anonymous) return { compression, producerId: -1n, producerEpoch: -1 };
  const sequences = new Map(sent.map(({ outbox, batch }) => [nameOf(outbox), batch.sequence]));
  return {
    compression,
    producerId: identity.id,
    producerEpoch: identity.epoch,
    // All that the library does with its map of sequences.
    sequences: { getWithDefault: (name: string) => sequences.get(name) ?? 0 } as never,
  };
}

import type { Address } from "./addresses.ts";
import type { Connections } from "./connections.ts";
import { anonymous } from "./identities.ts";
import type { Library } from "./library.ts";
import type { Outbox } from "./outbox.ts";
import type { Asked } from "./requests.ts";
import type { Settings } from "./settings.ts";

/** So long may a broker wait for its replicas. */
const brokerMs = 30_000;

export interface ProduceOptions {
  readonly acks: -1 | 0 | 1;
  readonly compression: Settings["compression"];
  readonly signal: AbortSignal;
}

/**
 * Sends the batches of outboxes to the broker that leads their partitions. Gives Kafka's name of what became of each,
 * `NONE` when it was taken, with the broker's words.
 */
export async function produce(
  connections: Connections,
  library: Library,
  address: Address,
  outboxes: readonly Outbox[],
  { acks, compression, signal }: ProduceOptions,
): Promise<ReadonlyMap<Outbox, readonly [code: string, message?: string | null | undefined]>> {
  const records = outboxes.flatMap(({ partition, batch }) =>
    (batch?.waiting ?? []).map(({ message }) => ({
      topic: message.topic,
      partition,
      ...(message.key === undefined ? {} : { key: message.key }),
      value: message.value,
      headers: message.headers,
      timestamp: BigInt(message.timestamp),
    })),
  );
  const options = optionsOf(outboxes, compression);
  const answer = await connections.ask(address, "Produce", [acks, brokerMs, records, options], { signal, part: true });
  // Nobody was asked for an acknowledgement.
  if (typeof answer === "boolean") return new Map(outboxes.map((outbox) => [outbox, ["NONE"]]));
  const answers = new Map(
    answer.responses.flatMap(({ name, partitionResponses }) =>
      partitionResponses.map((one) => [`${name}:${one.index}` as string, one] as const),
    ),
  );
  const missing = { errorCode: -1, errorMessage: "the broker did not answer for this partition" };
  return new Map(
    outboxes.map((outbox) => {
      const { errorCode, errorMessage } = answers.get(nameOf(outbox)) ?? missing;
      return [outbox, [library.protocolErrorsCodesById[errorCode] ?? String(errorCode), errorMessage]];
    }),
  );
}

const nameOf = ({ topic, partition }: Outbox): string => `${topic}:${partition}`;

function optionsOf(outboxes: readonly Outbox[], compression: Settings["compression"]): Asked<"Produce">[3] {
  const identity = outboxes[0]?.batch?.identity ?? anonymous;
  if (identity === anonymous) return { compression, producerId: -1n, producerEpoch: -1 };
  const sequences = new Map(outboxes.map((outbox) => [nameOf(outbox), outbox.batch?.sequence]));
  return {
    compression,
    producerId: identity.id,
    producerEpoch: identity.epoch,
    // All that the library does with its map of sequences.
    sequences: { getWithDefault: (name: string) => sequences.get(name) ?? 0 } as never,
  };
}

import type { Call } from "../contract/driver.ts";
import type { ConsumerConfig, ConsumerInfo } from "./api.ts";
import { toNanos } from "./api.ts";
import { isApiError } from "./failures.ts";
import type { Link } from "./link.ts";
import type { GroupSettings, StreamSettings } from "./settings.ts";

/** What a subscription's consumer is for. */
export interface Group {
  readonly stream: string;
  /** Of the durable consumer. */
  readonly name: string;
  readonly topic: string;
}

export type DurableSettings = GroupSettings & StreamSettings;

const usualAckWaitMs = 30_000;
const usualAckPending = 10_000;
const readerEndsMs = 30_000;

/** Milliseconds after which what a vanished member had is delivered again. */
export const ackWaitOf = ({ ackWait }: GroupSettings): number => ackWait || usualAckWaitMs;

/** The consumer of a group, which keeps its place in the stream; undefined: there is none. */
export async function findDurable(link: Link, { stream, name }: Group, call: Call): Promise<ConsumerInfo | undefined> {
  try {
    return await link.api<ConsumerInfo>(`CONSUMER.INFO.${stream}.${name}`, {}, call);
  } catch (error) {
    if (isApiError(error, "noConsumer")) return undefined;
    throw error;
  }
}

/**
 * Makes the consumer of a group, or fits the one there is to the settings.
 * @param startAt gives the number of the first message for a new one; undefined: as deliverPolicy says
 */
export async function ensureDurable(
  link: Link,
  group: Group,
  settings: DurableSettings,
  call: Call,
  startAt: () => Promise<number | undefined> = async () => undefined,
): Promise<void> {
  const { stream, name, topic } = group;
  const found = await findDurable(link, group, call);
  if (found) checkDurable(found.config, group);
  const limits = {
    ...limitsOf(settings, found?.config),
    ...(settings.replicas === undefined ? {} : { num_replicas: settings.replicas }),
  };
  if (found && Object.entries(limits).every(([key, value]) => found.config[key as keyof ConsumerConfig] === value)) {
    return;
  }
  const config: ConsumerConfig = found
    ? { ...found.config, ...limits }
    : {
        durable_name: name,
        ...start(settings, await startAt()),
        ack_policy: "explicit",
        filter_subject: topic,
        replay_policy: "instant",
        ...(settings.memoryStorage ? { mem_storage: true } : {}),
        ...limits,
      };
  await link.api(`CONSUMER.DURABLE.CREATE.${stream}.${name}`, { stream_name: stream, config }, call);
}

/** Deletes a consumer that nobody pulls from and that has nothing in work; what it knew is known elsewhere. */
export async function retireDurable(
  link: Link,
  { stream, name }: Group,
  { num_waiting, num_ack_pending }: ConsumerInfo,
  call: Call,
): Promise<void> {
  if (num_waiting + num_ack_pending > 0) return;
  await link.api(`CONSUMER.DELETE.${stream}.${name}`, {}, call);
}

function checkDurable(config: ConsumerConfig, { stream, name, topic }: Group): void {
  const wrong = (what: string, fix: string) =>
    new Error(`durableName: consumer ${name} of stream ${stream} ${what}; ${fix}`);
  if (config.deliver_subject !== undefined) {
    throw wrong("pushes its messages, and this component pulls", "delete it, or choose another name");
  }
  if (config.ack_policy !== "explicit") {
    throw wrong(`has the ackPolicy ${config.ack_policy}`, "delete it, or choose another name");
  }
  if (config.filter_subject !== topic) {
    const reads = config.filter_subject || "all topics";
    throw wrong(`reads ${reads}, not ${topic}`, "leave durableName out where a component has several topics");
  }
}

/** What may be changed of a consumer: as the settings say, else as it is, else as usual. */
function limitsOf({ ackWait, maxDeliver, maxAckPending }: GroupSettings, there: ConsumerConfig | undefined) {
  return {
    ack_wait: ackWait ? toNanos(ackWait) : (there?.ack_wait ?? toNanos(usualAckWaitMs)),
    max_deliver: maxDeliver || (there?.max_deliver ?? -1),
    max_ack_pending: maxAckPending ?? there?.max_ack_pending ?? usualAckPending,
  };
}

type Start = Pick<ConsumerConfig, "deliver_policy" | "opt_start_seq" | "opt_start_time">;

function start({ deliverPolicy, startSequence, startTime }: GroupSettings, startAt: number | undefined): Start {
  if (startAt !== undefined) return { deliver_policy: "by_start_sequence", opt_start_seq: startAt };
  const policy = deliverPolicy ?? (startSequence ? "sequence" : startTime ? "time" : "all");
  if (policy === "sequence") return { deliver_policy: "by_start_sequence", opt_start_seq: startSequence ?? 1 };
  if (policy !== "time") return { deliver_policy: policy };
  return { deliver_policy: "by_start_time", opt_start_time: new Date(startTime * 1000).toISOString() };
}

/**
 * Makes a consumer that reads on without keeping a place, and is gone soon after nobody pulls from it.
 * @param startAt number of the first message; undefined: as deliverPolicy says
 */
export function openReader(
  link: Link,
  { stream, topic }: Group,
  settings: GroupSettings,
  startAt: number | undefined,
  call: Call,
): Promise<ConsumerInfo> {
  const config: ConsumerConfig = {
    ...start(settings, startAt),
    ack_policy: "none",
    filter_subject: topic,
    replay_policy: "instant",
    inactive_threshold: toNanos(readerEndsMs),
    mem_storage: true,
    num_replicas: 1,
  };
  return link.api<ConsumerInfo>(`CONSUMER.CREATE.${stream}`, { stream_name: stream, config }, call);
}

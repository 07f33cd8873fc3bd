// What this component needs of the JetStream API, as its schemas name it. Durations are in nanoseconds.

export interface StreamConfig {
  readonly name: string;
  readonly description?: string;
  readonly subjects?: readonly string[];
  readonly retention?: "limits" | "interest" | "workqueue";
  readonly storage?: "file" | "memory";
  readonly num_replicas?: number;
  readonly max_age?: number;
  readonly max_msgs_per_subject?: number;
  readonly duplicate_window?: number;
  readonly mirror?: object;
  readonly sources?: readonly object[];
}

export interface StreamInfo {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly last_seq: number;
    readonly subjects?: Readonly<Record<string, number>> | null;
  };
}

export interface ConsumerConfig {
  readonly durable_name?: string;
  readonly description?: string;
  readonly deliver_policy: "all" | "last" | "new" | "by_start_sequence" | "by_start_time";
  readonly opt_start_seq?: number;
  readonly opt_start_time?: string;
  readonly ack_policy: "none" | "all" | "explicit";
  readonly ack_wait?: number;
  readonly max_deliver?: number;
  readonly max_ack_pending?: number;
  readonly filter_subject?: string;
  readonly replay_policy?: "instant";
  readonly deliver_subject?: string;
  readonly inactive_threshold?: number;
  readonly num_replicas?: number;
  readonly mem_storage?: boolean;
}

export interface ConsumerInfo {
  readonly name: string;
  readonly config: ConsumerConfig;
  readonly delivered: { readonly stream_seq: number };
  readonly ack_floor: { readonly stream_seq: number };
  readonly num_ack_pending: number;
  readonly num_waiting: number;
}

/** A message as the API gives it by its number. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  /** Base64 of the headers as they are sent. */
  readonly hdrs?: string;
  /** Base64. */
  readonly data?: string;
  readonly time: string;
}

export interface Published {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate?: boolean;
}

export const toNanos = (ms: number): number => Math.round(ms * 1e6);

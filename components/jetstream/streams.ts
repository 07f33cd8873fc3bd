import { causeText } from "../../specs/errors.ts";
import type { Call, Log } from "../contract/driver.ts";
import { type StreamConfig, type StreamInfo, toNanos } from "./api.ts";
import { isApiError } from "./failures.ts";
import type { Link } from "./link.ts";
import type { StreamSettings } from "./settings.ts";
import { covers, toName } from "./subjects.ts";

/** By which streams are known that may be given further subjects. */
const ours = "made by Mecha";
const duplicateWindowMs = 120_000;
const mostKnown = 10_000;

/** Finds the streams that keep topics, and makes those that are missing. */
export class Streams {
  readonly #link: Link;
  readonly #settings: StreamSettings;
  readonly #log: Log;
  readonly #known = new Map<string, Promise<void>>();

  constructor(link: Link, settings: StreamSettings, log: Log) {
    this.#link = link;
    this.#settings = settings;
    this.#log = log;
  }

  /** Settles when a stream takes what is published to a topic. */
  ensure(topic: string, call: Call): Promise<void> {
    let known = this.#known.get(topic);
    if (known !== undefined) return known;
    if (this.#known.size >= mostKnown) this.#known.clear();
    known = this.#ensure(topic, call);
    this.#known.set(topic, known);
    known.catch(() => this.#known.delete(topic));
    return known;
  }

  /** What was known of a topic is not so. */
  forget(topic: string): void {
    this.#known.delete(topic);
  }

  async #ensure(topic: string, call: Call): Promise<void> {
    try {
      if ((await this.#overlapping(topic, call)).some((stream) => coversTopic(stream, topic))) return;
    } catch (error) {
      // Who may only publish may not ask; what it publishes tells.
      this.#log.debug(`streams of topic ${topic} are not known: ${causeText(error)}`);
      return;
    }
    const { streamName } = this.#settings;
    if (streamName === undefined) await this.#make(topic, call);
    else await this.#named(streamName, topic, call);
  }

  /** The stream to read a topic from, which may hold wildcards. Rejects when there is none. */
  async find(topic: string, call: Call): Promise<StreamInfo> {
    const { streamName } = this.#settings;
    if (streamName !== undefined) return this.#named(streamName, topic, call);
    const overlapping = await this.#overlapping(topic, call);
    const whole = overlapping.find((stream) => coversTopic(stream, topic));
    if (whole) return whole;
    if (overlapping.length > 0) {
      const names = overlapping.map(({ config }) => config.name).join(", ");
      const fix = "give one stream all of its subjects, or subscribe to topics that one stream keeps";
      throw new Error(`streamName: no one stream keeps all of topic ${topic}, parts of it are in ${names}; ${fix}`);
    }
    return this.#make(topic, call);
  }

  async #overlapping(topic: string, call: Call): Promise<readonly StreamInfo[]> {
    const { streams } = await this.#link.api<{ readonly streams: readonly StreamInfo[] | null }>(
      "STREAM.LIST",
      { subject: topic },
      call,
    );
    return streams ?? [];
  }

  async #named(name: string, topic: string, call: Call): Promise<StreamInfo> {
    const found = await this.findNamed(name, call);
    if (!found) return this.#make(topic, call, name);
    const { config } = found;
    // What a mirror keeps, the original decides.
    if (coversTopic(found, topic) || config.mirror || config.sources) return found;
    if (!this.#settings.createStreams || config.description !== ours) {
      throw new Error(`streamName: stream ${name} does not keep topic ${topic}; add it to the stream's subjects`);
    }
    await this.#link.api(`STREAM.UPDATE.${name}`, { ...config, subjects: [...(config.subjects ?? []), topic] }, call);
    this.#log.info(`stream ${name} keeps topic ${topic} from now on`);
    return found;
  }

  /** A stream by its name; undefined: there is none. */
  async findNamed(name: string, call: Call): Promise<StreamInfo | undefined> {
    try {
      return await this.#link.api<StreamInfo>(`STREAM.INFO.${name}`, {}, call);
    } catch (error) {
      if (isApiError(error, "noStream")) return undefined;
      throw error;
    }
  }

  async #make(topic: string, call: Call, name = toName(topic)): Promise<StreamInfo> {
    const { createStreams, streamMaxAge, memoryStorage, replicas = 1 } = this.#settings;
    if (!createStreams) {
      const fix = `add one with this subject${this.#settings.streamName === undefined ? "" : ` as ${name}`}`;
      throw new Error(
        `no stream keeps topic ${topic}, and createStreams is false; ${fix}, or set createStreams to true`,
      );
    }
    const config: StreamConfig = {
      name,
      description: ours,
      subjects: [topic],
      retention: "limits",
      storage: memoryStorage ? "memory" : "file",
      num_replicas: replicas,
      max_age: toNanos(streamMaxAge),
      duplicate_window: toNanos(Math.min(duplicateWindowMs, streamMaxAge || duplicateWindowMs)),
    };
    try {
      const made = await this.#link.api<StreamInfo>(`STREAM.CREATE.${name}`, config, call);
      this.#log.info(`no stream kept topic ${topic}; stream ${name} was made, createStreams: false prevents that`);
      return made;
    } catch (error) {
      // Somebody else was faster, perhaps with other settings.
      const isThere = isApiError(error, "streamExists") || isApiError(error, "subjectsOverlap");
      const found = isThere ? (await this.#overlapping(topic, call)).find((one) => coversTopic(one, topic)) : undefined;
      if (found) return found;
      throw error;
    }
  }

  /**
   * The stream of one message for each subject, in which ordered groups keep their places: those of all components, so
   * that it outlives the server whatever the memoryStorage of the one that makes it.
   */
  async ensurePlaces(name: string, subject: string, call: Call): Promise<void> {
    if (await this.findNamed(name, call)) return;
    const { createStreams, replicas = 1 } = this.#settings;
    if (!createStreams) {
      const fix = `add it with the subjects ${subject} and one message for each subject, or set createStreams to true`;
      throw new Error(`an ordered subscription needs the stream ${name}, and createStreams is false; ${fix}`);
    }
    const config: StreamConfig = {
      name,
      description: ours,
      subjects: [subject],
      retention: "limits",
      storage: "file",
      num_replicas: replicas,
      max_msgs_per_subject: 1,
    };
    try {
      await this.#link.api(`STREAM.CREATE.${name}`, config, call);
    } catch (error) {
      // Somebody else was faster, with other replicas.
      if (isApiError(error, "streamExists")) return;
      throw error;
    }
    this.#log.info(`stream ${name} was made for the places of ordered subscriptions`);
  }
}

const coversTopic = ({ config }: StreamInfo, topic: string) =>
  (config.subjects ?? []).some((pattern) => covers(pattern, topic));

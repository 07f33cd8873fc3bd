import { causeText, fail } from "../../specs/errors.ts";
import type { Call, Clock } from "../contract/driver.ts";
import type { AvroCodec } from "./avro.ts";
import type { Settings } from "./settings.ts";

export interface SchemaSettings {
  /** Without one there are no schemas. */
  readonly url: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Milliseconds for which the latest schema of a topic is remembered; undefined: nothing is remembered. */
  readonly latestMs: number | undefined;
  readonly namesUnions: boolean;
}

export const schemaSettingsOf = (settings: Settings): SchemaSettings => ({
  url: settings.schemaRegistryURL?.replace(/\/+$/, "") || undefined,
  user: settings.schemaRegistryAPIKey,
  password: settings.schemaRegistryAPISecret,
  latestMs: settings.schemaCachingEnabled ? settings.schemaLatestVersionCacheTTL : undefined,
  namesUnions: settings.useAvroJSON,
});

interface Schema {
  readonly id: number;
  readonly codec: AvroCodec;
}

interface Kept {
  readonly schema: Promise<Schema>;
  readonly until: number;
}

/** A value begins with a zero and the number of its schema. */
const magic = 0;
const headBytes = 5;
const requestTimeoutMs = 10_000;
const key = "valueSchemaType";

/** Encodes and decodes values by the schemas of a registry. */
export class Schemas {
  readonly #settings: SchemaSettings;
  readonly #clock: Clock;
  readonly #latest = new Map<string, Kept>();
  readonly #byId = new Map<number, Promise<Schema>>();

  constructor(settings: SchemaSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Whether metadata asks for a schema. Throws `requestMetadataInvalid` when it asks for what there is not. */
  isWanted(metadata: Readonly<Record<string, string>>): boolean {
    const type = metadata[key]?.toLowerCase();
    if (type === undefined || type === "" || type === "none") return false;
    if (type !== "avro")
      throw fail("requestMetadataInvalid", { key, why: `${metadata[key]} is neither Avro nor None` });
    if (this.#settings.url !== undefined) return true;
    throw fail("requestMetadataInvalid", { key, why: "Avro needs schemaRegistryURL in the component's metadata" });
  }

  /** Encodes JSON by the latest schema of the topic. Rejects with `requestMetadataInvalid` when it does not fit. */
  async encode(topic: string, data: Uint8Array, call: Call): Promise<Buffer> {
    const { id, codec } = await this.#latestOf(topic, call);
    let body: Buffer;
    try {
      body = codec.encode(Buffer.from(data).toString());
    } catch (error) {
      const why = `the data does not fit the schema of ${topic}-value: ${causeText(error)}`;
      throw fail("requestMetadataInvalid", { key, why }, { cause: error });
    }
    const head = Buffer.alloc(headBytes);
    head.writeUInt8(magic);
    head.writeUInt32BE(id, 1);
    return Buffer.concat([head, body]);
  }

  /** Decodes to JSON. Rejects when the value has no schema, or the registry does not answer. */
  async decode(value: Buffer): Promise<Buffer> {
    // A deleted message of a compacted topic.
    if (value.length === 0) return value;
    if (value.length < headBytes || value[0] !== magic) {
      throw new Error("the value does not begin with the number of a schema, as valueSchemaType Avro expects");
    }
    const { codec } = await this.#schemaOf(value.readUInt32BE(1));
    return Buffer.from(codec.decode(value.subarray(headBytes)));
  }

  #latestOf(topic: string, call: Call): Promise<Schema> {
    const now = this.#clock.now();
    const kept = this.#latest.get(topic);
    if (kept && kept.until > now) return kept.schema;
    const schema = this.#ask(`/subjects/${encodeURIComponent(`${topic}-value`)}/versions/latest`, call);
    const { latestMs } = this.#settings;
    if (latestMs !== undefined) {
      this.#latest.set(topic, { schema, until: now + latestMs });
      schema.catch(() => this.#latest.delete(topic));
    }
    return schema;
  }

  #schemaOf(id: number): Promise<Schema> {
    const kept = this.#byId.get(id);
    if (kept !== undefined) return kept;
    const schema = this.#ask(`/schemas/ids/${id}`, {}, id);
    if (this.#settings.latestMs !== undefined) {
      this.#byId.set(id, schema);
      schema.catch(() => this.#byId.delete(id));
    }
    return schema;
  }

  async #ask(path: string, { signal }: Call, known?: number): Promise<Schema> {
    const { url, user, password, namesUnions } = this.#settings;
    const limit = AbortSignal.timeout(requestTimeoutMs);
    const answer = await fetch(`${url}${path}`, {
      headers: {
        accept: "application/vnd.schemaregistry.v1+json",
        ...(user ? { authorization: `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}` } : {}),
      },
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new Error(`schemaRegistryURL: ${url} does not answer: ${causeText(error)}`, { cause: error });
    });
    const text = await answer.text();
    if (!answer.ok)
      throw new Error(`schemaRegistryURL: ${url}${path} answered ${answer.status}: ${text.slice(0, 300)}`);
    const { id = known, schema, schemaType = "AVRO" } = JSON.parse(text) as Record<string, unknown>;
    if (typeof id !== "number" || typeof schema !== "string" || schemaType !== "AVRO") {
      throw new Error(`schemaRegistryURL: ${url}${path} gave no Avro schema`);
    }
    const { AvroCodec } = await import("./avro.ts");
    return { id, codec: await AvroCodec.load(schema, namesUnions) };
  }
}

import type { Type } from "avsc";

type Json = unknown;

/** What of the library's types is looked at. */
interface Shape extends Type {
  readonly fields: readonly { readonly name: string; readonly type: Shape; defaultValue(): unknown }[];
  readonly itemsType: Shape;
  readonly valuesType: Shape;
  readonly types: readonly Shape[];
}

/** One Avro schema: JSON in and out, binary on the other side. */
export class AvroCodec {
  readonly #type: Shape;
  readonly #namesUnions: boolean;

  private constructor(type: Shape, namesUnions: boolean) {
    this.#type = type;
    this.#namesUnions = namesUnions;
  }

  /** @param namesUnions JSON names the type of a union's value, `{"string":"a"}`, as Avro's own JSON does */
  static async load(schema: string, namesUnions: boolean): Promise<AvroCodec> {
    const { default: avro } = await import("avsc");
    // The library's own long ends at 2 ** 53.
    const long = avro.types.LongType.__with({
      fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
      toBuffer: (value: bigint) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64LE(value);
        return bytes;
      },
      fromJSON: BigInt,
      toJSON: Number,
      isValid: (value: unknown) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
      compare: (left: bigint, right: bigint) => (left === right ? 0 : left < right ? -1 : 1),
    });
    const type = avro.Type.forSchema(JSON.parse(schema), { wrapUnions: true, registry: { long } });
    return new AvroCodec(type as Shape, namesUnions);
  }

  /** Throws when the text is no JSON, or does not fit the schema. */
  encode(json: string): Buffer {
    return this.#type.toBuffer(this.#fromJson(this.#type, parse(json)));
  }

  /** Throws when the bytes do not fit the schema. */
  decode(bytes: Buffer): string {
    return JSON.stringify(this.#toJson(this.#type, this.#type.fromBuffer(bytes)));
  }

  #fromJson(type: Shape, json: Json): unknown {
    switch (type.typeName) {
      case "abstract:long":
        return typeof json === "number" && Number.isInteger(json) ? BigInt(json) : json;
      case "int":
      case "float":
      case "double":
        return typeof json === "bigint" ? Number(json) : json;
      case "bytes":
      case "fixed":
        return typeof json === "string" ? Buffer.from(json, "latin1") : json;
      case "array":
        return Array.isArray(json) ? json.map((item) => this.#fromJson(type.itemsType, item)) : json;
      case "map":
        return isObject(json) ? mapValues(json, (value) => this.#fromJson(type.valuesType, value)) : json;
      case "record":
        return isObject(json) ? this.#recordFromJson(type, json) : json;
      case "union:wrapped":
        return this.#unionFromJson(type, json);
      default:
        return json;
    }
  }

  #recordFromJson({ fields }: Shape, json: Record<string, Json>): unknown {
    const pairs = fields.map((field) => {
      const value = json[field.name];
      return [field.name, value === undefined ? field.defaultValue() : this.#fromJson(field.type, value)] as const;
    });
    return Object.fromEntries(pairs);
  }

  /** A value of a union stands under the name of its type; `null` stands alone. */
  #unionFromJson({ types }: Shape, json: Json): unknown {
    if (json === null) return null;
    for (const type of types) {
      const name = type.branchName;
      if (name === undefined || name === "null") continue;
      if (this.#namesUnions && !(isObject(json) && name in json)) continue;
      const value = this.#fromJson(type, this.#namesUnions && isObject(json) ? json[name] : json);
      if (type.isValid(value)) return { [name]: value };
    }
    throw new Error(
      `${JSON.stringify(json, (_, one) => (typeof one === "bigint" ? String(one) : one))} is none of ${types.map(({ branchName }) => branchName).join(", ")}`,
    );
  }

  #toJson(type: Shape, value: unknown): Json {
    switch (type.typeName) {
      case "abstract:long":
        return rawJson(String(value));
      case "bytes":
      case "fixed":
        return Buffer.from(value as Buffer).toString("latin1");
      case "array":
        return (value as unknown[]).map((item) => this.#toJson(type.itemsType, item));
      case "map":
        return mapValues(value as Record<string, unknown>, (one) => this.#toJson(type.valuesType, one));
      case "record":
        return Object.fromEntries(
          type.fields.map(({ name, type: of }) => [name, this.#toJson(of, (value as Record<string, unknown>)[name])]),
        );
      case "union:wrapped":
        return this.#unionToJson(type, value);
      default:
        return value;
    }
  }

  #unionToJson({ types }: Shape, value: unknown): Json {
    if (value === null) return null;
    const [[name, inner] = ["", undefined]] = Object.entries(value as Record<string, unknown>);
    const type = types.find(({ branchName }) => branchName === name);
    if (!type) throw new Error(`the union has no ${name}`);
    const json = this.#toJson(type, inner);
    return this.#namesUnions ? { [name]: json } : json;
  }
}

const isObject = (json: Json): json is Record<string, Json> =>
  typeof json === "object" && json !== null && !Array.isArray(json);

const mapValues = (object: Record<string, unknown>, change: (value: unknown) => unknown) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));

/** JSON as V8 knows it and the library of types does not yet. */
const { parse: parseWithSource, rawJSON: rawJson } = JSON as unknown as {
  parse(text: string, revive: (name: string, value: Json, context: { readonly source?: string }) => Json): Json;
  rawJSON(text: string): Json;
};

/** Whole numbers that would lose digits become bigints. */
const parse = (text: string): Json =>
  parseWithSource(text, (_, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source ?? "")
      ? BigInt(source ?? "")
      : value,
  );

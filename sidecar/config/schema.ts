/** The part of JSON Schema that the resource kinds are described with; see specs/schemas/document.ts. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly minLength?: number;
  readonly format?: string;
  readonly default?: unknown;
  readonly "x-hints"?: Readonly<Record<string, string>>;
  readonly "x-lax"?: boolean;
  readonly "x-text"?: boolean;
  readonly "x-bare-unit"?: "ms";
}

/** Schema of the values of a map with free keys, or undefined when the object has fixed ones. */
export function recordValues(schema: Schema): Schema | undefined {
  return Object.values(schema.patternProperties ?? {})[0];
}

/** Whether a property must be written; one with a default need not be. */
export function isRequired(schema: Schema, key: string): boolean {
  return (schema.required ?? []).includes(key) && schema.properties?.[key]?.default === undefined;
}

/** Returns the value with every missing property that has a default filled in, at any depth. */
export function fillDefaults(schema: Schema, value: unknown): unknown {
  if (value === undefined) {
    return schema.default === undefined ? undefined : fillDefaults(schema, structuredClone(schema.default));
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.map((item) => fillDefaults(items, item)) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  const values = recordValues(schema);
  if (values) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillDefaults(values, item)]));
  }
  const filled: Record<string, unknown> = { ...value };
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const item = fillDefaults(property, filled[key]);
    if (item !== undefined) filled[key] = item;
  }
  return filled;
}

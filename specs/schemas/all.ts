import type { TSchema } from "typebox";
import { componentSchema } from "./component.ts";
import { configurationSchema } from "./configuration.ts";
import { httpEndpointSchema } from "./http-endpoint.ts";
import { resiliencySchema } from "./resiliency.ts";
import { subscriptionV1Schema, subscriptionV2Schema } from "./subscription.ts";

type Json = { readonly [key: string]: unknown };

const dialect = "https://json-schema.org/draft/2020-12/schema";

const schemas = {
  "component.schema.json": componentSchema,
  "configuration.schema.json": configurationSchema,
  "http-endpoint.schema.json": httpEndpointSchema,
  "resiliency.schema.json": resiliencySchema,
  "subscription.v1alpha1.schema.json": subscriptionV1Schema,
  "subscription.v2alpha1.schema.json": subscriptionV2Schema,
};

/**
 * The JSON Schemas of all resource kinds by file name, for editors and other tools. `resource.schema.json` takes a
 * document of any kind and applies the schema that its `kind` and `apiVersion` ask for.
 */
export function resourceSchemas(): Record<string, Json> {
  const files: Record<string, Json> = {};
  for (const [name, schema] of Object.entries(schemas)) files[name] = { $schema: dialect, ...published(schema) };
  files["resource.schema.json"] = {
    $schema: dialect,
    title: "Resource",
    description: "A resource document of any kind.",
    type: "object",
    required: ["apiVersion", "kind"],
    allOf: Object.entries(schemas).map(([name, schema]) => ({
      if: {
        properties: {
          kind: { enum: wordsOf(schema.properties.kind) },
          apiVersion: { enum: wordsOf(schema.properties.apiVersion) },
        },
        required: ["apiVersion", "kind"],
      },
      // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
      then: { $ref: name },
    })),
  };
  return files;
}

/** Plain JSON in which a property with a default is not required. */
function published(schema: TSchema): Json {
  return optionalWhereDefaulted(JSON.parse(JSON.stringify(schema))) as Json;
}

function optionalWhereDefaulted(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(optionalWhereDefaulted);
  if (typeof node !== "object" || node === null) return node;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    copy[key] = key === "default" ? value : optionalWhereDefaulted(value);
  }
  const { properties, required } = copy as { properties?: Record<string, object>; required?: string[] };
  // A property may itself be called "required"; only the keyword is a list.
  if (properties && Array.isArray(required)) {
    const left = required.filter((name) => !("default" in (properties[name] ?? {})));
    if (left.length > 0) copy["required"] = left;
    else delete copy["required"];
  }
  return copy;
}

/** The words of a choice; TypeBox's type of an unsafe schema does not show its keywords. */
const wordsOf = (schema: object): unknown => ("enum" in schema ? schema.enum : undefined);

import { type TProperties, type TSchema, Type } from "typebox";

/**
 * What the documents of all kinds have in common.
 *
 * Conventions of these schemas, on top of JSON Schema:
 * - a property with a `default` may be left out, although its type says it is there: the reader fills it in;
 * - `format: "go-duration"` is a duration such as `1h2m3.5s`; `x-bare-unit` is the unit of a bare number, where one
 *   is accepted;
 * - `x-lax` marks a value that, when it is wrong, is replaced by the default;
 * - `x-text` marks a value of any type that is turned into its text;
 * - `x-hints` says what to write instead of a key that people put into the wrong place.
 */

/** Groups of `apiVersion` that mean the same: the published one and our own. */
export const apiGroups = ["dapr.io", "mecha.dev"] as const;

/** Options of an object that takes no further keys. */
export const closed = { additionalProperties: false } as const;

const metadata = {
  name: Type.String({ minLength: 1, description: "Name by which the API and other resources refer to this one." }),
  namespace: Type.Optional(
    Type.String({ description: "Used only by sidecars of this namespace, when both sides name one." }),
  ),
  labels: Type.Optional(Type.Unknown({ description: "Kept for other tools; has no effect here." })),
  annotations: Type.Optional(Type.Unknown({ description: "Kept for other tools; has no effect here." })),
};
const identity = "Identity of the resource; what Kubernetes adds is kept.";

/** `metadata` of a resource that is referred to by name. */
export const namedMetadata = Type.Object(metadata, { description: identity });

/** `metadata` of a resource that may do without a name. */
export const looseMetadata = Type.Object(
  { ...metadata, name: Type.String({ default: "", description: "Shown in messages only." }) },
  { default: {}, description: identity },
);

/** `scopes` at the top of a document. */
export const scopes = Type.Array(Type.String(), {
  default: [],
  description: "App ids that may use the resource; empty means every app.",
});

/** `auth` at the top of a document. */
export const auth = Type.Optional(
  Type.Object(
    { secretStore: Type.Optional(Type.String({ description: "Component that secretKeyRef entries are read from." })) },
    { ...closed, description: "Where the secrets of this resource come from." },
  ),
);

/** A duration such as `30s`. */
export const duration = (description: string, about: object = {}) =>
  Type.String({ ...about, format: "go-duration", description });

/** A duration that has a default. */
export const durationOr = (value: string, description: string, about: object = {}) =>
  Type.String({ ...about, format: "go-duration", default: value, description });

/** A value of any type, as text: what is not text becomes its JSON text. */
export const anyAsText = (description: string) => Type.Optional(Type.Unsafe<string>({ "x-text": true, description }));

/** One of a few words. */
export const choice = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });

/** One of a few words, the first being the default. */
export const choiceOr = <const T extends readonly [string, ...string[]]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], default: values[0], description });

/** A list of texts, empty by default. */
export const texts = (description: string) => Type.Array(Type.String(), { default: [], description });

/** A resource document of one kind and version. `top` holds what stands beside `spec`. */
export const resourceDocument = <M extends TSchema, S extends TSchema, P extends TProperties>(about: {
  readonly kind: string;
  readonly version: "v1alpha1" | "v2alpha1";
  readonly description: string;
  readonly metadata: M;
  readonly spec: S;
  readonly top: P;
}) =>
  Type.Object(
    {
      apiVersion: choice(
        apiGroups.map((group) => `${group}/${about.version}`),
        "Group and version of the kind.",
      ),
      kind: choice([about.kind], "Kind of the resource."),
      metadata: about.metadata,
      spec: about.spec,
      status: Type.Optional(Type.Unknown({ description: "Written by Kubernetes tools; has no effect here." })),
      ...about.top,
    },
    { ...closed, title: about.kind, description: about.description },
  );

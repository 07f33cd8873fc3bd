import { type Static, Type } from "typebox";
import { anyAsText, closed } from "./document.ts";

const secretKeyRef = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "Name of the secret in the store." }),
    key: Type.Optional(Type.String({ description: "Key inside the secret; the secret's name when left out." })),
  },
  { ...closed, description: "Takes the value from the secret store named by auth.secretStore." },
);

/** One named value, given directly or by reference. */
export const nameValueSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, description: "Name of the setting; compared without regard to case." }),
    value: anyAsText("Any YAML value. What is not text is turned into its JSON text."),
    secretKeyRef: Type.Optional(secretKeyRef),
    envRef: Type.Optional(
      Type.String({
        description: "Takes the value from this environment variable. APP_API_TOKEN and DAPR_* are refused.",
      }),
    ),
  },
  { ...closed, description: "A named value: give one of value, secretKeyRef and envRef." },
);

export type NameValueDocument = Static<typeof nameValueSchema>;

/** A value without a name of its own, as certificates are given. */
export const unnamedValueSchema = Type.Object(
  {
    value: anyAsText("The text itself."),
    secretKeyRef: Type.Optional(secretKeyRef),
    envRef: Type.Optional(Type.String({ description: "Takes the value from this environment variable." })),
  },
  closed,
);

export type UnnamedValueDocument = Static<typeof unnamedValueSchema>;

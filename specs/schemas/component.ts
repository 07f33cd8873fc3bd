import { type Static, Type } from "typebox";
import { auth, closed, durationOr, namedMetadata, resourceDocument, scopes, texts } from "./document.ts";
import { nameValueSchema } from "./name-value.ts";

/** A configured instance of a driver. */
export const componentSchema = resourceDocument({
  kind: "Component",
  version: "v1alpha1",
  description: "A configured instance of a driver, such as a state store or a message broker.",
  metadata: namedMetadata,
  spec: Type.Object(
    {
      type: Type.String({ minLength: 1, description: "Category and name of the driver, for example state.redis." }),
      version: Type.String({ default: "v1", description: "Version of the driver; v0 and v1 mean the same." }),
      metadata: Type.Array(nameValueSchema, { default: [], description: "Settings of the driver." }),
      requires: texts(
        "Capabilities that the app counts on, such as etag or transaction; a driver that lacks one is refused unless the sidecar can make up for it.",
      ),
      initTimeout: durationOr("5s", "How long opening the component may take.", { "x-lax": true }),
      ignoreErrors: Type.Boolean({
        default: false,
        description: "Whether the sidecar starts although this component cannot be opened.",
      }),
    },
    closed,
  ),
  top: { auth, scopes },
});

export type ComponentDocument = Static<typeof componentSchema>;

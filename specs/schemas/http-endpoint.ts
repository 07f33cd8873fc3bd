import { type Static, Type } from "typebox";
import { auth, choiceOr, closed, namedMetadata, resourceDocument, scopes } from "./document.ts";
import { nameValueSchema, unnamedValueSchema } from "./name-value.ts";

/** A named endpoint outside the mesh. */
export const httpEndpointSchema = resourceDocument({
  kind: "HTTPEndpoint",
  version: "v1alpha1",
  description: "An HTTP service outside the mesh that can be invoked by name.",
  metadata: namedMetadata,
  spec: Type.Object(
    {
      baseUrl: Type.String({ minLength: 1, description: "URL that method paths are appended to." }),
      headers: Type.Array(nameValueSchema, { default: [], description: "Headers added to every request." }),
      clientTLS: Type.Optional(
        Type.Object(
          {
            rootCA: Type.Optional(unnamedValueSchema),
            certificate: Type.Optional(unnamedValueSchema),
            privateKey: Type.Optional(unnamedValueSchema),
            renegotiation: choiceOr(
              ["Never", "OnceAsClient", "FreelyAsClient"],
              "Whether the server may renegotiate the connection.",
            ),
          },
          { ...closed, description: "Certificates of the connection, as PEM texts." },
        ),
      ),
    },
    closed,
  ),
  top: { auth, scopes },
});

export type HttpEndpointDocument = Static<typeof httpEndpointSchema>;

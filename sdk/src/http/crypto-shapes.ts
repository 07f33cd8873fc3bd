import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DecryptRequestSchema, EncryptRequestSchema } from "../../../specs/gen/dapr/proto/runtime/v1/crypto_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { invalidArgument } from "../errors.ts";
import type { StreamRpc } from "../transport.ts";
import type { HttpSend } from "./connection.ts";
import { segment } from "./shape.ts";

type Encrypt = MessageInitShape<typeof EncryptRequestSchema>;
type Decrypt = MessageInitShape<typeof DecryptRequestSchema>;
type Request = Encrypt | Decrypt;

/** A stream of messages over HTTP: options in headers, payloads in the body, both ways. */
export interface StreamShape {
  request(first: Request, body: AsyncIterable<Uint8Array>): HttpSend;
}

const { method: dapr } = Dapr;

function send<R extends Request>(
  name: "encrypt" | "decrypt",
  headersOf: (options: NonNullable<R["options"]>) => Record<string, string | undefined>,
): StreamShape {
  return {
    request({ options }, body) {
      if (!options) throw invalidArgument("the first message of the stream must have options");
      const headers = Object.entries(headersOf(options)).flatMap(([key, value]) =>
        value ? [[key, value] as const] : [],
      );
      return {
        verb: "PUT",
        path: `/v1.0-alpha1/crypto/${segment(options.componentName ?? "")}/${name}`,
        headers: { "content-type": "application/octet-stream", ...Object.fromEntries(headers) },
        body,
      };
    },
  };
}

/** The streams that HTTP has a form for. */
export const streamShapes: ReadonlyMap<StreamRpc, StreamShape> = new Map<StreamRpc, StreamShape>([
  [
    dapr.encryptAlpha1,
    send<Encrypt>("encrypt", (options) => ({
      "dapr-key-name": options.keyName,
      "dapr-key-wrap-algorithm": options.keyWrapAlgorithm,
      "dapr-data-encryption-cipher": options.dataEncryptionCipher,
      "dapr-omit-decryption-key-name": options.omitDecryptionKeyName ? "true" : undefined,
      "dapr-decryption-key-name": options.decryptionKeyName,
    })),
  ],
  [dapr.decryptAlpha1, send<Decrypt>("decrypt", (options) => ({ "dapr-key-name": options.keyName }))],
]);

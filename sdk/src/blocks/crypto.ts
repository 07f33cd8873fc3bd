import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { ByteStream } from "../byte-stream.ts";
import { type CallOptions, callOf } from "../call.ts";
import type { Transport } from "../transport.ts";
import { defined } from "../values.ts";

/**
 * The key to encrypt with, and how.
 *
 * @example
 * ```ts
 * import { createClient, type EncryptOptions } from "@mecha/sdk";
 *
 * const options: EncryptOptions = { keyName: "main", keyWrapAlgorithm: "RSA", dataEncryptionCipher: "chacha20-poly1305" };
 * await createClient().crypto("vault").encrypt("a secret", options).bytes();
 * ```
 */
export interface EncryptOptions extends CallOptions {
  readonly keyName: string;
  /** `AES` (`A256KW`), `RSA` (`RSA-OAEP-256`) and others that the key allows. */
  readonly keyWrapAlgorithm: string;
  /** Default `aes-gcm`. */
  readonly dataEncryptionCipher?: "aes-gcm" | "chacha20-poly1305" | undefined;
  /** The name that `decrypt` will find in the result; default `keyName`. */
  readonly decryptionKeyName?: string | undefined;
  /** Leaves the name out of the result: `decrypt` must then be told. */
  readonly omitDecryptionKeyName?: boolean | undefined;
}

/**
 * How to decrypt.
 *
 * @example
 * ```ts
 * import { createClient, type DecryptOptions } from "@mecha/sdk";
 * import { createReadStream } from "node:fs";
 *
 * const options: DecryptOptions = { keyName: "main" };
 * console.log(await createClient().crypto("vault").decrypt(createReadStream("secret.bin"), options).text());
 * ```
 */
export interface DecryptOptions extends CallOptions {
  /** Instead of the name in the data. */
  readonly keyName?: string | undefined;
}

/**
 * What can be encrypted: a text (as UTF-8), bytes, or bytes that arrive piece by piece.
 *
 * @example
 * ```ts
 * import { type BytesSource, createClient } from "@mecha/sdk";
 * import { createReadStream } from "node:fs";
 *
 * const film: BytesSource = createReadStream("film.mp4");
 * const options = { keyName: "main", keyWrapAlgorithm: "RSA" };
 * for await (const chunk of createClient().crypto("vault").encrypt(film, options)) console.log(chunk.byteLength);
 * ```
 */
export type BytesSource = string | Uint8Array | AsyncIterable<Uint8Array>;

/**
 * A provider of keys that never leave it.
 *
 * @example
 * ```ts
 * import { createClient, type CryptoProvider } from "@mecha/sdk";
 *
 * const vault: CryptoProvider = createClient().crypto("vault");
 * const secret = await vault.encrypt("a secret", { keyName: "main", keyWrapAlgorithm: "RSA" }).bytes();
 * console.log(await vault.decrypt(secret).text());
 * ```
 */
export class CryptoProvider {
  readonly #transport: Transport;
  readonly #name: string;

  /** @internal */
  constructor(transport: Transport, name: string) {
    this.#transport = transport;
    this.#name = name;
  }

  /** Encrypts data of any length; starts when the result is read. */
  encrypt(data: BytesSource, options: EncryptOptions): ByteStream {
    const { keyName, keyWrapAlgorithm, dataEncryptionCipher, decryptionKeyName, omitDecryptionKeyName } = options;
    const first = defined({
      componentName: this.#name,
      ...{ keyName, keyWrapAlgorithm, dataEncryptionCipher, decryptionKeyName, omitDecryptionKeyName },
    });
    const messages = messagesOf(first, data);
    return new ByteStream(payloads(this.#transport.stream(Dapr.method.encryptAlpha1, messages, callOf(options))));
  }

  /** Decrypts what `encrypt` made; starts when the result is read. */
  decrypt(data: BytesSource, options: DecryptOptions = {}): ByteStream {
    const first = defined({ componentName: this.#name, keyName: options.keyName });
    const messages = messagesOf(first, data);
    return new ByteStream(payloads(this.#transport.stream(Dapr.method.decryptAlpha1, messages, callOf(options))));
  }
}

/** Well below what a message may hold. */
const pieceBytes = 256 * 1024;

async function* messagesOf<O>(options: O, data: BytesSource) {
  yield { options };
  let seq = 0n;
  for await (const chunk of chunksOf(data)) {
    for (let at = 0; at < chunk.byteLength; at += pieceBytes) {
      yield { payload: { data: chunk.subarray(at, at + pieceBytes), seq: seq++ } };
    }
  }
}

function chunksOf(data: BytesSource): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (typeof data === "string") return [Buffer.from(data)];
  return data instanceof Uint8Array ? [data] : data;
}

async function* payloads(
  messages: AsyncIterable<{ readonly payload?: { readonly data: Uint8Array } | undefined }>,
): AsyncGenerator<Uint8Array, void> {
  for await (const { payload } of messages) if (payload) yield payload.data;
}

import type { Call, Clock } from "../../../components/contract/driver.ts";
import { fail } from "../../../specs/errors.ts";
import type {
  DecryptRequestOptions,
  EncryptRequestOptions,
} from "../../../specs/gen/dapr/proto/runtime/v1/crypto_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { systemClock } from "../../kernel/clock.ts";
import type { Components } from "../../kernel/components.ts";
import { withDeadline } from "../../kernel/deadline.ts";
import { type AnyMethod, type HttpInput, method } from "../../kernel/method.ts";
import { ciphers } from "./ciphers.ts";
import { decryptV1, encryptV1 } from "./enc-v1.ts";
import { type KeyWrap, type KeyWrapId, keyWraps, type PayloadCipherId } from "./enc-v1-header.ts";
import type { Key } from "./keys.ts";
import { begun, numbered, opening } from "./payload.ts";
import { cryptoFailure, requireAlgorithm, requireProvider } from "./providers.ts";
import { subtleMethods } from "./subtle.ts";

/** How long the first message of a stream may take. */
const openingMs = 5000;

const wrapIds: Readonly<Record<string, KeyWrapId>> = {
  ...Object.fromEntries(Object.entries(keyWraps).map(([id, name]) => [name, Number(id) as KeyWrapId])),
  AES: 1,
  A128CBC: 2,
  A192CBC: 3,
  A256CBC: 4,
  RSA: 5,
};

const cipherIds: Readonly<Record<string, PayloadCipherId>> = { "aes-gcm": 1, "chacha20-poly1305": 2 };

/** The crypto API: streams of any length in the scheme dapr.io/enc/v1, and the operations on single values. */
export function cryptoMethods(components: Components, clock: Clock = systemClock): readonly AnyMethod[] {
  const firstOf = <O>(messages: Parameters<typeof opening<O>>[0], { signal }: Call) =>
    withDeadline(clock, "the first message", openingMs, signal, () => opening<O>(messages));

  const encrypt = method(
    Dapr.method.encryptAlpha1,
    "crypto",
    {
      verbs: ["PUT"],
      paths: ["/v1.0-alpha1/crypto/:name/encrypt"],
      streams: true,
      input: (http) => messagesOf(http, encryptOptions(http)),
      output: rawOutput,
    },
    async (messages, request) => {
      const { options, data } = await firstOf<EncryptRequestOptions>(messages, request);
      if (options.keyName === "") throw fail("cryptoRequest", { why: "the name of the key is missing" });
      const keyOf = requireProvider(components, options.componentName);
      const keyWrap = requireAlgorithm(wrapIds, options.keyWrapAlgorithm.toUpperCase());
      const cipher = requireAlgorithm(cipherIds, options.dataEncryptionCipher.toLowerCase() || "aes-gcm");
      const key = await keyOf(options.keyName, request);
      const keyName = options.omitDecryptionKeyName ? "" : options.decryptionKeyName || options.keyName;
      return await attempted(async () =>
        numbered(
          await encryptV1(data, {
            keyWrap,
            cipher,
            keyName,
            wrap: async (fileKey) => wrap(key, keyWraps[keyWrap], fileKey),
          }),
        ),
      );
    },
  );

  const decrypt = method(
    Dapr.method.decryptAlpha1,
    "crypto",
    {
      verbs: ["PUT"],
      paths: ["/v1.0-alpha1/crypto/:name/decrypt"],
      streams: true,
      input: (http) =>
        messagesOf(http, { componentName: http.params["name"] ?? "", keyName: header(http, "dapr-key-name") }),
      output: rawOutput,
    },
    async (messages, request) => {
      const { options, data } = await firstOf<DecryptRequestOptions>(messages, request);
      const keyOf = requireProvider(components, options.componentName);
      const unwrapped = async (wrapped: Uint8Array, algorithm: KeyWrap, named: string | undefined) => {
        const keyName = options.keyName || named;
        if (!keyName)
          throw fail("cryptoRequest", { why: "the data does not name its key, so the request must (key name)" });
        return unwrap(await keyOf(keyName, request), algorithm, wrapped);
      };
      return await attempted(async () => begun(numbered(await decryptV1(data, { unwrap: unwrapped }))));
    },
  );

  return [encrypt, decrypt, ...subtleMethods(components)];
}

async function attempted<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw cryptoFailure(error);
  }
}

/** CBC wraps a key that is random and used once, so its nonce may be zero; the others take none. */
const extrasOf = (algorithm: KeyWrap) => ({
  nonce: algorithm.includes("CBC") ? new Uint8Array(16) : new Uint8Array(),
  associatedData: new Uint8Array(),
});

function wrap(key: Key, algorithm: KeyWrap, fileKey: Uint8Array): Uint8Array {
  return requireAlgorithm(ciphers, algorithm).encrypt(key, fileKey, extrasOf(algorithm)).ciphertext;
}

function unwrap(key: Key, algorithm: KeyWrap, ciphertext: Uint8Array): Uint8Array {
  return requireAlgorithm(ciphers, algorithm).decrypt(key, { ciphertext, tag: new Uint8Array() }, extrasOf(algorithm));
}

// ---- HTTP: options in headers, the payload as the body

function header({ headers }: HttpInput, name: string): string {
  const value = headers[name];
  return (typeof value === "string" ? value : value?.[0]) ?? "";
}

function encryptOptions(http: HttpInput) {
  const required = (name: string) => {
    const value = header(http, name);
    if (value === "") throw fail("cryptoRequest", { why: `header ${name} is missing` });
    return value;
  };
  return {
    componentName: http.params["name"] ?? "",
    keyName: required("dapr-key-name"),
    keyWrapAlgorithm: required("dapr-key-wrap-algorithm"),
    dataEncryptionCipher: header(http, "dapr-data-encryption-cipher"),
    omitDecryptionKeyName: /^(?:1|t|true|y|yes|on)$/i.test(header(http, "dapr-omit-decryption-key-name")),
    decryptionKeyName: header(http, "dapr-decryption-key-name"),
  };
}

async function* messagesOf<O>({ stream }: HttpInput, options: O) {
  yield { options };
  let seq = 0n;
  for await (const data of stream ?? []) yield { payload: { data: data as Uint8Array<ArrayBuffer>, seq: seq++ } };
}

function rawOutput(messages: AsyncIterable<{ readonly payload?: { readonly data?: Uint8Array } | undefined }>) {
  const body = (async function* () {
    for await (const { payload } of messages) if (payload?.data) yield payload.data;
  })();
  return { status: 200, headers: { "content-type": "application/octet-stream" }, body };
}

import { fail } from "../../../specs/errors.ts";
import { SubtleGetKeyRequest_KeyFormat as Format } from "../../../specs/gen/dapr/proto/runtime/v1/crypto_pb.js";
import { Dapr } from "../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import type { Components } from "../../kernel/components.ts";
import { type AnyMethod, method, type Verb } from "../../kernel/method.ts";
import type { Request } from "../../kernel/request.ts";
import { type Cipher, ciphers } from "./ciphers.ts";
import type { Key } from "./keys.ts";
import { cryptoFailure, requireAlgorithm, requireProvider } from "./providers.ts";
import { type Signature, signatures } from "./signatures.ts";

const group = "subtlecrypto";
const shape = (operation: string) => ({
  verbs: ["POST"] as readonly Verb[],
  paths: [`/v1.0-alpha1/subtlecrypto/:componentName/${operation}`],
});

interface Asked {
  readonly componentName: string;
  readonly keyName: string;
  readonly algorithm: string;
}

/** The seven operations on single, small values. */
export function subtleMethods(components: Components): readonly AnyMethod[] {
  const { method: rpc } = Dapr;

  /** Finds key and algorithm, then does the operation; all failures come out as the API answers them. */
  const perform = async <A, T>(
    table: Readonly<Record<string, A>>,
    asked: Asked,
    request: Request,
    operation: (algorithm: A, key: Key) => T,
  ) => {
    const keyOf = requireProvider(components, asked.componentName);
    const algorithm = requireAlgorithm(table, asked.algorithm);
    const key = await keyOf(asked.keyName, request);
    try {
      return operation(algorithm, key);
    } catch (error) {
      throw cryptoFailure(error);
    }
  };
  const withCipher = <T>(asked: Asked, request: Request, operation: (cipher: Cipher, key: Key) => T) =>
    perform(ciphers, asked, request, operation);
  const withSignature = <T>(asked: Asked, request: Request, operation: (signature: Signature, key: Key) => T) =>
    perform(signatures, asked, request, operation);

  return [
    method(rpc.subtleGetKeyAlpha1, group, shape("getkey"), async ({ componentName, name, format }, request) => {
      const key = await requireProvider(components, componentName)(name, request);
      return { name, publicKey: publicText(key, format) };
    }),
    method(rpc.subtleEncryptAlpha1, group, shape("encrypt"), (asked, request) =>
      withCipher(asked, request, (cipher, key) => bytes(cipher.encrypt(key, asked.plaintext, asked))),
    ),
    method(rpc.subtleDecryptAlpha1, group, shape("decrypt"), async (asked, request) => ({
      plaintext: await withCipher(asked, request, (cipher, key) => own(cipher.decrypt(key, asked, asked))),
    })),
    method(rpc.subtleWrapKeyAlpha1, group, shape("wrapkey"), (asked, request) =>
      withCipher(asked, request, (cipher, key) => {
        const { ciphertext: wrappedKey, tag } = bytes(cipher.encrypt(key, asked.plaintextKey, asked));
        return { wrappedKey, tag };
      }),
    ),
    method(rpc.subtleUnwrapKeyAlpha1, group, shape("unwrapkey"), async (asked, request) => ({
      plaintextKey: await withCipher(asked, request, (cipher, key) =>
        own(cipher.decrypt(key, { ciphertext: asked.wrappedKey, tag: asked.tag }, asked)),
      ),
    })),
    method(rpc.subtleSignAlpha1, group, shape("sign"), async (asked, request) => ({
      signature: await withSignature(asked, request, (signature, key) => own(signature.sign(key, asked.digest))),
    })),
    method(
      rpc.subtleVerifyAlpha1,
      group,
      // "No" is an answer too, where protojson would say nothing at all.
      { ...shape("verify"), output: ({ valid }) => ({ status: 200, body: JSON.stringify({ valid: valid === true }) }) },
      async (asked, request) => ({
        valid: await withSignature(asked, request, (signature, key) =>
          signature.verify(key, asked.digest, asked.signature),
        ),
      }),
    ),
  ];
}

function publicText({ jwk, publicKey }: Key, format: Format): string {
  if (!publicKey) throw fail("cryptoRequest", { why: "the key is symmetric and has no public half" });
  if (format === Format.PEM) return publicKey.export({ type: "spki", format: "pem" }).toString();
  const kid = jwk["kid"];
  return JSON.stringify({ ...publicKey.export({ format: "jwk" }), ...(kid === undefined ? {} : { kid }) });
}

/** Bytes of their own memory: protobuf messages do not hold shared buffers by type. */
const own = (value: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(value);
const bytes = ({ ciphertext, tag }: { ciphertext: Uint8Array; tag: Uint8Array }) => ({
  ciphertext: own(ciphertext),
  tag: own(tag),
});

import { generateKeyPair, type KeyPairKeyObjectResult, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { defineKeyStore, type Jwk } from "../contract/crypto.ts";
import { parseKeySet } from "../contract/key-set.ts";
import { flag, secret } from "../contract/settings.ts";

export default defineKeyStore({
  type: "crypto.in-memory",
  aliases: ["crypto.memory"],
  status: "beta",
  summary: "Keys in the memory of the sidecar, given as a key set or made on demand; for development and tests.",
  metadata: Type.Object({
    jwks: Type.Optional(secret({ description: "A JSON Web Key Set; keys are named by their kid." })),
    generate: Type.Optional(
      flag({
        description:
          "Makes an absent key when it is asked for: RSA when its name starts with `rsa`, P-256 with `ec`, Ed25519 with `ed25519`, else 256 random bits. Default: true without jwks.",
      }),
    ),
  }),
  async open({ jwks, generate = jwks === undefined }) {
    const keys = new Map<string, Jwk | Promise<Jwk>>(jwks === undefined ? [] : givenKeys(jwks));
    return {
      async key(name) {
        let key = keys.get(name);
        if (!key) {
          if (!generate) throw fail("cryptoKey", { key: name, cause: "no key of jwks has this kid" });
          // Kept before it is ready, so that two callers get the same key.
          key = generated(name);
          keys.set(name, key);
        }
        return key;
      },
      close: async () => keys.clear(),
    };
  },
});

function givenKeys(jwks: string): ReadonlyMap<string, Jwk> {
  try {
    return parseKeySet(jwks);
  } catch (error) {
    throw fail("openFailed", { why: `jwks cannot be read: ${causeText(error)}` }, { cause: error });
  }
}

// One signature for three key types: the declared overloads of the callback form do not survive promisify.
const makePair = promisify(generateKeyPair) as (type: string, options: object) => Promise<KeyPairKeyObjectResult>;

async function generated(name: string): Promise<Jwk> {
  const lower = name.toLowerCase();
  if (lower.startsWith("rsa")) return exported(await makePair("rsa", { modulusLength: 2048 }), name);
  if (lower.startsWith("ed25519")) return exported(await makePair("ed25519", {}), name);
  if (lower.startsWith("ec")) return exported(await makePair("ec", { namedCurve: "P-256" }), name);
  return { kty: "oct", kid: name, k: randomBytes(32).toString("base64url") };
}

function exported({ privateKey }: KeyPairKeyObjectResult, kid: string): Jwk {
  return { ...privateKey.export({ format: "jwk" }), kid } as unknown as Jwk;
}

import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import type { Jwk } from "../contract/crypto.ts";
import { isJwk } from "../contract/key-set.ts";

/**
 * Reads a key. `.json` files hold a JSON Web Key and `.pem` files PEM text; what any other file holds is found out:
 * JSON, PEM, a symmetric key in base64, or its bare bytes.
 * @throws Error that says what is wrong and quotes nothing of the content
 */
export function toJwk(fileName: string, content: Buffer): Jwk {
  const text = content.toString("utf8").trim();
  if (fileName.endsWith(".json")) return fromJson(text);
  if (fileName.endsWith(".pem")) return fromPem(text);
  if (text.startsWith("{")) return fromJson(text);
  if (text.startsWith("-----BEGIN")) return fromPem(text);
  return { kty: "oct", k: symmetric(content, text).toString("base64url") };
}

function fromJson(text: string): Jwk {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("the file is not JSON");
  }
  if (!isJwk(value)) throw new Error("the file does not hold a JSON Web Key (an object with kty)");
  return value;
}

function fromPem(text: string): Jwk {
  let key: KeyObject;
  try {
    key = text.includes("PRIVATE KEY-----") ? createPrivateKey(text) : createPublicKey(text);
  } catch (error) {
    throw new Error(
      "the file does not hold a PEM key in a form that can be read (PKCS#1, PKCS#8, SPKI, without password)",
      {
        cause: error,
      },
    );
  }
  return key.export({ format: "jwk" }) as unknown as Jwk;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const base64url = /^[A-Za-z0-9_-]+={0,2}$/;

function symmetric(content: Buffer, text: string): Buffer {
  if (content.length === 0) throw new Error("the file is empty");
  const key = base64.test(text)
    ? Buffer.from(text, "base64")
    : base64url.test(text)
      ? Buffer.from(text, "base64url")
      : content;
  // Text that happens to be in the alphabet of base64url and is no key of any cipher so is the key itself.
  return key === content || key.length >= 16 ? key : content;
}

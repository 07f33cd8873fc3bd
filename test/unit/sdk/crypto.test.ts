import { describe, expect, test } from "vitest";
import type { EncryptRequest } from "../../../specs/gen/dapr/proto/runtime/v1/crypto_pb.js";
import { type GrpcCall, startFakeSidecar, transports } from "./fake-sidecar.ts";

/** Turns every byte into its opposite, as a provider with a weak idea of encryption would. */
const turned = (bytes: Uint8Array) => bytes.map((byte) => byte ^ 255);

/** A sidecar that answers while it still reads. */
function startTurning() {
  const pieces: { seq: bigint; bytes: number }[] = [];
  return startFakeSidecar(
    ({ headers, body }) =>
      headers["dapr-key-name"] === "missing"
        ? { status: 500, body: '{"errorCode":"ERR_CRYPTO_KEY","message":"no such key"}' }
        : { body: turned(body) },
    async function* (call: GrpcCall) {
      if ((call.message as EncryptRequest).options?.keyName === "missing") {
        throw Object.assign(new Error("no such key"), { code: 13, details: "no such key" });
      }
      let seq = 0n;
      for (let next = await call.requests.next(); !next.done; next = await call.requests.next()) {
        const { payload } = next.value as EncryptRequest;
        if (!payload) continue;
        pieces.push({ seq: payload.seq, bytes: payload.data.byteLength });
        yield { payload: { data: turned(payload.data), seq: seq++ } };
      }
    },
  ).then((sidecar) => ({ ...sidecar, pieces }));
}

describe.each(transports)("crypto over %s", (transport) => {
  const options = {
    keyName: "main",
    keyWrapAlgorithm: "RSA",
    dataEncryptionCipher: "chacha20-poly1305",
    omitDecryptionKeyName: true,
  } as const;

  test("encrypts a text with the options given", async () => {
    const sidecar = await startTurning();
    const secret = await sidecar.client(transport).crypto("vault").encrypt("hello", options).bytes();
    expect(String(Buffer.from(turned(secret)))).toBe("hello");
    if (transport === "http") {
      expect(sidecar.http[0]?.line).toBe("PUT /v1.0-alpha1/crypto/vault/encrypt");
      expect(sidecar.http[0]?.headers).toMatchObject({
        "dapr-key-name": "main",
        "dapr-key-wrap-algorithm": "RSA",
        "dapr-data-encryption-cipher": "chacha20-poly1305",
        "dapr-omit-decryption-key-name": "true",
      });
    } else {
      expect(sidecar.grpc[0]?.message).toMatchObject({ options: { componentName: "vault", ...options } });
    }
  });

  test("decrypts a stream of any length in pieces that are numbered", async () => {
    const sidecar = await startTurning();
    const large = Buffer.alloc(1_000_000, 7);
    async function* source() {
      yield large.subarray(0, 600_000);
      yield large.subarray(600_000);
    }
    const result = await sidecar.client(transport).crypto("vault").decrypt(source(), { keyName: "other" }).bytes();
    expect(Buffer.compare(turned(result), large)).toBe(0);
    if (transport === "grpc") {
      expect(sidecar.pieces.map(({ seq }) => seq)).toEqual([0n, 1n, 2n, 3n, 4n]);
      expect(Math.max(...sidecar.pieces.map(({ bytes }) => bytes))).toBeLessThanOrEqual(256 * 1024);
    }
  });

  test("encrypts nothing", async () => {
    const sidecar = await startTurning();
    expect((await sidecar.client(transport).crypto("vault").encrypt("", options).bytes()).byteLength).toBe(0);
  });

  test("rejects with the sidecar's refusal", async () => {
    const sidecar = await startTurning();
    const secret = sidecar
      .client(transport)
      .crypto("vault")
      .encrypt("hello", { ...options, keyName: "missing" });
    await expect(secret.text()).rejects.toMatchObject({ code: "internal", message: "no such key" });
  });

  test("rejects with what its source throws", async () => {
    const sidecar = await startTurning();
    async function* broken() {
      yield Buffer.from("a");
      throw new Error("the file is gone");
    }
    await expect(sidecar.client(transport).crypto("vault").encrypt(broken(), options).text()).rejects.toThrow(
      "the file is gone",
    );
  });

  test("is given up when its signal is aborted", async () => {
    const sidecar = await startTurning();
    const controller = new AbortController();
    async function* endless() {
      yield Buffer.from("a");
      controller.abort();
      await new Promise(() => {});
    }
    const secret = sidecar
      .client(transport)
      .crypto("vault")
      .encrypt(endless(), { ...options, signal: controller.signal });
    await expect(secret.text()).rejects.toMatchObject({ code: "canceled" });
  });
});

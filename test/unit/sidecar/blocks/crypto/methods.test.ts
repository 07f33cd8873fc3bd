import { createHash, createPublicKey, generateKeyPairSync, randomBytes, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import memory from "../../../../../components/memory/crypto.ts";
import { cryptoMethods } from "../../../../../sidecar/blocks/crypto/methods.ts";
import type { AnyMethod } from "../../../../../sidecar/kernel/method.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import { componentsOf } from "../../../../support/components.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { whole } from "../../../../support/grpc-call.ts";
import { openDriver } from "../../../../support/open-driver.ts";
import { startGrpcWire, startHttpWire } from "../../../../support/wires.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const oct = (bytes: number) => ({ kty: "oct", k: randomBytes(bytes).toString("base64url") });
const jwks = JSON.stringify({
  keys: [
    { ...oct(32), kid: "aes" },
    { ...oct(16), kid: "aes128" },
    { ...oct(24), kid: "aes192" },
    { ...rsa.privateKey.export({ format: "jwk" }), kid: "rsa" },
    { ...other.publicKey.export({ format: "jwk" }), kid: "public" },
    { ...ec.privateKey.export({ format: "jwk" }), kid: "ec" },
  ],
});

const methods = async (clock?: FakeClock): Promise<AnyMethod[]> => {
  const opened = await openDriver(memory, { jwks });
  return [...cryptoMethods(componentsOf({ name: "vault", driver: memory, opened }), clock)];
};
const http = async () => startHttpWire({ methods: await methods() });
const grpc = async (clock?: FakeClock) => startGrpcWire({ methods: await methods(clock) });

type Headers = Readonly<Record<string, string>>;
const wrapping = { "dapr-key-name": "aes", "dapr-key-wrap-algorithm": "A256KW" };
const put = async (wire: Awaited<ReturnType<typeof http>>, operation: string, headers: Headers, body: Uint8Array) =>
  wire.call({ verb: "PUT", path: `/v1.0-alpha1/crypto/vault/${operation}`, headers, body });
const manifestOf = (encrypted: Buffer) => JSON.parse(encrypted.toString("latin1").split("\n")[1] ?? "");

describe("streams over HTTP", () => {
  test.each([0, 5, 65_536, 3_000_000])("a body of %i bytes comes back", async (size) => {
    const wire = await http();
    const plaintext = randomBytes(size);
    const encrypted = await put(wire, "encrypt", wrapping, plaintext);
    expect([encrypted.status, encrypted.headers["content-type"]]).toEqual([200, "application/octet-stream"]);
    const decrypted = await put(wire, "decrypt", {}, encrypted.bytes);
    expect(decrypted.status).toBe(200);
    expect(decrypted.bytes.equals(plaintext)).toBe(true);
  });

  test.each([
    ["aes", "AES", 1],
    ["aes128", "A128CBC-NOPAD", 2],
    ["aes192", "A192CBC", 3],
    ["aes", "a256cbc-nopad", 4],
    ["rsa", "RSA", 5],
    ["rsa", "RSA-OAEP-256", 5],
  ])("key %s wraps by %s, number %i in the header", async (key, algorithm, kw) => {
    const wire = await http();
    const headers = { "dapr-key-name": key, "dapr-key-wrap-algorithm": algorithm };
    const encrypted = await put(wire, "encrypt", headers, Buffer.from("hello"));
    expect(manifestOf(encrypted.bytes)).toMatchObject({ k: key, kw, cph: 1 });
    expect((await put(wire, "decrypt", {}, encrypted.bytes)).text).toBe("hello");
  });

  test("cipher and name of the key for decryption are the caller's choice", async () => {
    const wire = await http();
    const encrypt = async (more: Headers) =>
      (await put(wire, "encrypt", { ...wrapping, ...more }, Buffer.from("hello"))).bytes;
    const renamed = await encrypt({
      "dapr-decryption-key-name": "rsa",
      "dapr-data-encryption-cipher": "chacha20-poly1305",
    });
    expect(manifestOf(renamed)).toMatchObject({ k: "rsa", cph: 2 });
    expect((await put(wire, "decrypt", { "dapr-key-name": "aes" }, renamed)).text).toBe("hello");
    const unnamed = await encrypt({ "dapr-omit-decryption-key-name": "true" });
    expect(manifestOf(unnamed)).not.toHaveProperty("k");
    const refused = await put(wire, "decrypt", {}, unnamed);
    expect([refused.status, refused.json()]).toMatchObject([400, { errorCode: "ERR_BAD_REQUEST" }]);
    expect((await put(wire, "decrypt", { "dapr-key-name": "aes" }, unnamed)).text).toBe("hello");
  });

  test.each([
    [{}, 400, "ERR_BAD_REQUEST", /dapr-key-name is missing/],
    [{ "dapr-key-name": "aes" }, 400, "ERR_BAD_REQUEST", /dapr-key-wrap-algorithm is missing/],
    [{ ...wrapping, "dapr-key-wrap-algorithm": "A257KW" }, 400, "ERR_BAD_REQUEST", /did you mean "A256KW"/],
    [
      { ...wrapping, "dapr-data-encryption-cipher": "rot13" },
      400,
      "ERR_BAD_REQUEST",
      /there are aes-gcm, chacha20-poly1305/,
    ],
    [{ ...wrapping, "dapr-key-name": "nowhere" }, 500, "ERR_CRYPTO_KEY", /nowhere/],
    [{ ...wrapping, "dapr-key-name": "rsa" }, 500, "ERR_CRYPTO", /needs a symmetric key/],
  ])("an encryption with headers %j is refused", async (headers, status, errorCode, message) => {
    const refused = await put(await http(), "encrypt", headers as Headers, Buffer.from("hello"));
    expect([refused.status, refused.json()]).toEqual([status, { errorCode, message: expect.stringMatching(message) }]);
  });

  test("what is not encrypted, or was changed in its first segment, is refused as a whole", async () => {
    const wire = await http();
    const encrypted = (await put(wire, "encrypt", wrapping, Buffer.from("hello"))).bytes;
    const changed = Buffer.from(encrypted);
    changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
    for (const [body, message] of [
      [Buffer.from("hello"), /does not start with dapr.io/],
      [changed, /segment 0 was changed/],
      [encrypted.subarray(0, 40), /header breaks off/],
    ] as const) {
      const refused = await put(wire, "decrypt", {}, body);
      expect([refused.status, refused.json()]).toMatchObject([
        500,
        { errorCode: "ERR_CRYPTO", message: expect.stringMatching(message) },
      ]);
    }
  });

  test("an answer that turns out to be forged later is cut off", async () => {
    const wire = await http();
    const encrypted = (await put(wire, "encrypt", wrapping, randomBytes(300_000))).bytes;
    const changed = Buffer.from(encrypted);
    changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
    await expect(put(wire, "decrypt", {}, changed)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  test("a provider that is not there is told", async () => {
    const wire = await http();
    const refused = await wire.call({
      verb: "PUT",
      path: "/v1.0-alpha1/crypto/safe/encrypt",
      headers: wrapping,
      body: "x",
    });
    expect([refused.status, refused.json()]).toMatchObject([400, { errorCode: "ERR_CRYPTO_PROVIDER_NOT_FOUND" }]);
    const empty = await startHttpWire({ methods: cryptoMethods(componentsOf()) });
    const none = await empty.call({
      verb: "PUT",
      path: "/v1.0-alpha1/crypto/safe/encrypt",
      headers: wrapping,
      body: "x",
    });
    expect([none.status, none.json()]).toMatchObject([500, { errorCode: "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED" }]);
  });
});

describe("streams over gRPC", () => {
  const { encryptAlpha1, decryptAlpha1 } = Dapr.method;
  const options = { componentName: "vault", keyName: "aes", keyWrapAlgorithm: "A256KW" };
  const payloads = (reply: { messages: readonly unknown[] }) =>
    (reply.messages as { payload: { data: Uint8Array; seq: bigint } }[]).map(({ payload }) => payload);

  test("payload may come with the options or after them, and both ways the pieces are numbered", async () => {
    const wire = await grpc();
    const parts = [randomBytes(70_000), randomBytes(10), randomBytes(70_000)];
    const messages = parts.map((data, i) => ({ ...(i === 0 ? { options } : {}), payload: { data, seq: BigInt(i) } }));
    const encrypted = await wire.call(encryptAlpha1, messages);
    expect(encrypted.code).toBe(0);
    expect(payloads(encrypted).map(({ seq }) => seq)).toEqual([0n, 1n, 2n, 3n]);
    const sealed = Buffer.concat(payloads(encrypted).map(({ data }) => data));
    const decrypted = await wire.call(decryptAlpha1, [
      { options: { componentName: "vault" } },
      { payload: { data: sealed.subarray(0, 100), seq: 0n } },
      { payload: { data: sealed.subarray(100), seq: 1n } },
    ]);
    expect(Buffer.concat(payloads(decrypted).map(({ data }) => data)).equals(Buffer.concat(parts))).toBe(true);
    expect(payloads(decrypted).every(({ data }) => data.length > 0)).toBe(true);
  });

  test("nothing at all is encrypted and decrypted to nothing", async () => {
    const wire = await grpc();
    const encrypted = await wire.call(encryptAlpha1, [{ options }]);
    const messages = payloads(encrypted).map((payload, i) => ({
      ...(i === 0 ? { options: { componentName: "vault" } } : {}),
      payload,
    }));
    const decrypted = await wire.call(decryptAlpha1, messages);
    expect([decrypted.code, decrypted.messages]).toEqual([0, []]);
  });

  test.each([
    ["no options", [{ payload: { data: Buffer.from("x"), seq: 0n } }], 3, /first message must carry options/],
    ["options again", [{ options }, { options }], 3, /only the first message/],
    [
      "a piece out of order",
      [{ options }, { payload: { data: Buffer.from("x"), seq: 1n } }],
      13,
      /payload.seq is 1, expected 0/,
    ],
    ["no key", [{ options: { ...options, keyName: "" } }], 3, /name of the key is missing/],
    ["no algorithm", [{ options: { ...options, keyWrapAlgorithm: "" } }], 3, /algorithm "" is not known/],
    [
      "no such provider",
      [{ options: { ...options, componentName: "safe" } }],
      3,
      /crypto provider safe not found; configured: vault/,
    ],
    ["no such key", [{ options: { ...options, keyName: "nowhere" } }], 13, /failed to retrieve key nowhere/],
  ])("%s is refused", async (_, messages, code, message) => {
    const reply = await (await grpc()).call(encryptAlpha1, messages);
    expect([reply.code, reply.message, reply.details]).toEqual([code, expect.stringMatching(message), []]);
  });

  test("a caller that sends nothing is not waited for", async () => {
    const clock = new FakeClock();
    const wire = await grpc(clock);
    const call = wire.caller.open(encryptAlpha1);
    const answered = whole(call);
    await expect.poll(() => clock.pending).toBe(1);
    await clock.advance(5000);
    expect((await answered).code).toBe(4);
  });

  test("pieces come back before the last one was sent", async () => {
    const wire = await grpc();
    const call = wire.caller.open(encryptAlpha1);
    const answered = whole(call);
    const first = new Promise<void>((resolve) => call.on("data", () => resolve()));
    call.write({ options });
    call.write({ payload: { data: randomBytes(200_000), seq: 0n } });
    await first;
    call.end();
    expect((await answered).code).toBe(0);
  });
});

describe("operations on single values", () => {
  const ask = async (operation: string, body: object) => {
    const reply = await (await http()).call({
      verb: "POST",
      path: `/v1.0-alpha1/subtlecrypto/vault/${operation}`,
      body: JSON.stringify(body),
    });
    return { status: reply.status, body: reply.json() as Record<string, unknown> };
  };
  const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64");

  test("a text is encrypted and decrypted", async () => {
    const common = {
      algorithm: "A256GCM",
      keyName: "aes",
      nonce: base64(randomBytes(12)),
      associatedData: base64("with"),
    };
    const { body: sealed } = await ask("encrypt", { ...common, plaintext: base64("hello") });
    expect(sealed).toEqual({ ciphertext: expect.any(String), tag: expect.any(String) });
    expect(await ask("decrypt", { ...common, ...sealed })).toEqual({
      status: 200,
      body: { plaintext: base64("hello") },
    });
    const changed = await ask("decrypt", { ...common, ...sealed, associatedData: base64("without") });
    expect(changed).toMatchObject({ status: 500, body: { errorCode: "ERR_CRYPTO" } });
  });

  test("a key is wrapped and unwrapped", async () => {
    const { body } = await ask("wrapkey", {
      algorithm: "RSA-OAEP",
      keyName: "rsa",
      plaintextKey: base64("0123456789abcdef"),
    });
    const unwrapped = await ask("unwrapkey", { algorithm: "RSA-OAEP", keyName: "rsa", wrappedKey: body["wrappedKey"] });
    expect(unwrapped.body).toEqual({ plaintextKey: base64("0123456789abcdef") });
  });

  test("a digest is signed so that anybody with the public key can see it", async () => {
    const digest = base64(createHash("sha256").update("text").digest());
    const { body } = await ask("sign", { algorithm: "ES256", keyName: "ec", digest });
    const signature = body["signature"] as string;
    const { body: found } = await ask("getkey", { name: "ec" });
    expect(found).toMatchObject({ name: "ec", publicKey: expect.stringContaining("BEGIN PUBLIC KEY") });
    expect(verify("sha256", Buffer.from("text"), found["publicKey"] as string, Buffer.from(signature, "base64"))).toBe(
      true,
    );
    expect((await ask("verify", { algorithm: "ES256", keyName: "ec", digest, signature })).body).toEqual({
      valid: true,
    });
    const forged = { algorithm: "ES256", keyName: "ec", digest: base64(Buffer.alloc(32, 1)), signature };
    expect(await ask("verify", forged)).toEqual({ status: 200, body: { valid: false } });
  });

  test("the public half of a key is given as a JSON Web Key too, never its private half", async () => {
    const { body } = await ask("getkey", { name: "rsa", format: "JSON" });
    const jwk = JSON.parse(body["publicKey"] as string);
    expect(Object.keys(jwk).sort()).toEqual(["e", "kid", "kty", "n"]);
    expect(createPublicKey({ key: jwk, format: "jwk" }).equals(rsa.publicKey)).toBe(true);
  });

  test.each([
    ["encrypt", { algorithm: "A256GCN", keyName: "aes" }, 400, /did you mean "A256GCM"/],
    ["encrypt", { algorithm: "A256GCM", keyName: "aes" }, 400, /nonce must have 12 bytes/],
    ["encrypt", { algorithm: "A256GCM" }, 400, /name of the key is missing/],
    ["sign", { algorithm: "RS256", keyName: "rsa", digest: "AAAA" }, 400, /SHA-256 digest of 32 bytes, got 3/],
    ["getkey", { name: "aes" }, 400, /symmetric and has no public half/],
    ["getkey", { name: "nowhere" }, 500, /failed to retrieve key nowhere/],
    [
      "sign",
      { algorithm: "ES256", keyName: "rsa", digest: base64(Buffer.alloc(32, 1)) },
      500,
      /needs a key of type ec/,
    ],
    [
      "sign",
      { algorithm: "RS256", keyName: "public", digest: base64(Buffer.alloc(32, 1)) },
      500,
      /needs a private key/,
    ],
  ])("%s of %j is refused", async (operation, body, status, message) => {
    expect(await ask(operation, body)).toMatchObject({ status, body: { message: expect.stringMatching(message) } });
  });

  test("the same over gRPC", async () => {
    const wire = await grpc();
    const asked = { componentName: "vault", keyName: "aes", algorithm: "A256KW" };
    const [wrapped] = (
      await wire.call(Dapr.method.subtleWrapKeyAlpha1, { ...asked, plaintextKey: Buffer.alloc(16, 7) })
    ).messages;
    const { wrappedKey } = wrapped as { wrappedKey: Uint8Array };
    const [plain] = (await wire.call(Dapr.method.subtleUnwrapKeyAlpha1, { ...asked, wrappedKey })).messages;
    expect(Buffer.from((plain as { plaintextKey: Uint8Array }).plaintextKey)).toEqual(Buffer.alloc(16, 7));
  });
});

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decryptV1, encryptV1 } from "../../../../../sidecar/blocks/crypto/enc-v1.ts";

const segment = 65_536;
const kek = randomBytes(32);
const iv = Buffer.alloc(8, 0xa6);

// An implementation of the scheme that shares nothing with ours but the platform.
const wrapKey = (key: Uint8Array) => {
  const cipher = createCipheriv("id-aes256-wrap", kek, iv);
  return Buffer.concat([cipher.update(key), cipher.final()]);
};
const unwrapKey = (wrapped: Uint8Array) => {
  const cipher = createDecipheriv("id-aes256-wrap", kek, iv);
  return Buffer.concat([cipher.update(wrapped), cipher.final()]);
};
const hkdf = (key: Uint8Array, salt: Uint8Array, info: string) => Buffer.from(hkdfSync("sha256", key, salt, info, 32));
const names = { 1: "aes-256-gcm", 2: "chacha20-poly1305" } as const;
type CipherId = keyof typeof names;

function nonceAt(np: Buffer, index: number, last: boolean): Buffer {
  const counter = Buffer.alloc(4);
  counter.writeUInt32BE(index);
  return Buffer.concat([np, counter, Buffer.from([last ? 1 : 0])]);
}

function byHand(
  plaintext: Buffer,
  cph: CipherId,
  keyName = "key",
  fileKey = randomBytes(32),
  np = randomBytes(7),
): Buffer {
  const manifest = `{"k":"${keyName}","kw":1,"wfk":"${wrapKey(fileKey).toString("base64")}","cph":${cph},"np":"${np.toString("base64")}"}`;
  const lines = `dapr.io/enc/v1\n${manifest}\n`;
  const mac = createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header"))
    .update(lines)
    .digest("base64");
  const count = Math.max(1, Math.ceil(plaintext.length / segment));
  const segments = Array.from({ length: count }, (_, i) => {
    const nonce = nonceAt(np, i, i === count - 1);
    const cipher = createCipheriv(names[cph] as "aes-256-gcm", hkdf(fileKey, np, "payload"), nonce, {
      authTagLength: 16,
    });
    const part = plaintext.subarray(i * segment, (i + 1) * segment);
    return Buffer.concat([cipher.update(part), cipher.final(), cipher.getAuthTag()]);
  });
  return Buffer.concat([Buffer.from(`${lines}${mac}\n`), ...segments]);
}

function readByHand(encrypted: Buffer): Buffer {
  const ends = [encrypted.indexOf(10)];
  for (let i = 0; i < 2; i++) ends.push(encrypted.indexOf(10, (ends.at(-1) as number) + 1));
  const [first, second, third] = ends as [number, number, number];
  const { kw, wfk, cph, np } = JSON.parse(encrypted.toString("utf8", first + 1, second));
  expect(kw).toBe(1);
  const fileKey = unwrapKey(Buffer.from(wfk, "base64"));
  const prefix = Buffer.from(np, "base64");
  const mac = createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header")).update(encrypted.subarray(0, second + 1));
  expect(encrypted.toString("latin1", second + 1, third)).toBe(mac.digest("base64"));
  const payload = encrypted.subarray(third + 1);
  const size = segment + 16;
  const count = Math.ceil(payload.length / size);
  const parts = Array.from({ length: count }, (_, i) => {
    const part = payload.subarray(i * size, (i + 1) * size);
    const nonce = nonceAt(prefix, i, i === count - 1);
    const cipher = createDecipheriv(names[cph as CipherId] as "aes-256-gcm", hkdf(fileKey, prefix, "payload"), nonce, {
      authTagLength: 16,
    });
    cipher.setAuthTag(part.subarray(-16));
    return Buffer.concat([cipher.update(part.subarray(0, -16)), cipher.final()]);
  });
  return Buffer.concat(parts);
}

async function* chunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

const encrypt = async (plaintext: Uint8Array, cipher: CipherId = 1, chunk = 100_000, keyName = "key") =>
  all(await encryptV1(chunks(plaintext, chunk), { keyWrap: 1, cipher, keyName, wrap: async (key) => wrapKey(key) }));
const decrypt = async (encrypted: Uint8Array, chunk = 100_000) =>
  all(await decryptV1(chunks(encrypted, chunk), { unwrap: async (wrapped) => unwrapKey(wrapped) }));

const sizes = [
  0,
  1,
  15,
  16,
  segment - 1,
  segment,
  segment + 1,
  2 * segment - 1,
  2 * segment,
  2 * segment + 1,
  3 * segment,
];

describe("whatever the size", () => {
  test.each(sizes.flatMap((size) => [1, 2].map((cipher) => [size, cipher as CipherId] as const)))(
    "%i bytes encrypted by us are read by hand, and the other way round (cipher %i)",
    async (size, cipher) => {
      const plaintext = randomBytes(size);
      expect(readByHand(await encrypt(plaintext, cipher)).equals(plaintext)).toBe(true);
      expect((await decrypt(byHand(plaintext, cipher))).equals(plaintext)).toBe(true);
    },
  );

  test("any size in chunks of any size comes back", async () => {
    const lengths = fc.oneof(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: segment - 40, max: segment + 40 }),
      fc.integer({ min: 2 * segment - 40, max: 2 * segment + 40 }),
    );
    const chunkSizes = fc.oneof(
      fc.integer({ min: 1, max: 50 }).map((n) => n * 37),
      fc.constantFrom(segment, segment + 16, 1 << 20),
    );
    await fc.assert(
      fc.asyncProperty(
        lengths,
        chunkSizes,
        chunkSizes,
        fc.constantFrom<CipherId>(1, 2),
        async (length, into, outOf, cipher) => {
          const plaintext = randomBytes(length);
          const encrypted = await encrypt(plaintext, cipher, into);
          expect((await decrypt(encrypted, outOf)).equals(plaintext)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("a message written down long ago is still read", async () => {
  const fileKey = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
  const np = Buffer.from("crypto!");
  const encrypted = byHand(Buffer.from("hello"), 1, "mykey", fileKey, np);
  expect(encrypted.toString("latin1").split("\n").slice(2).join("\n")).toMatch(/^[A-Za-z0-9+/]{43}=\n/);
  expect(await decrypt(encrypted, 1)).toEqual(Buffer.from("hello"));
});

test("the header names the key when it is told one, and the unwrapping sees what the header says", async () => {
  const seen: unknown[] = [];
  for (const keyName of ["my/key", ""]) {
    const encrypted = await encrypt(Buffer.from("x"), 1, 100, keyName);
    expect(JSON.parse(encrypted.toString("latin1").split("\n")[1] as string).k).toBe(keyName || undefined);
    const unwrap = async (wrapped: Uint8Array, ...rest: unknown[]) => {
      seen.push(rest);
      return unwrapKey(wrapped);
    };
    await all(await decryptV1(chunks(encrypted, 100), { unwrap }));
  }
  expect(seen).toEqual([
    ["A256KW", "my/key"],
    ["A256KW", undefined],
  ]);
});

test("the code is over the bytes of the manifest as they came, not over what they mean", async () => {
  const [fileKey, np] = [randomBytes(32), randomBytes(7)];
  const plain = byHand(Buffer.from("hello"), 1, "k", fileKey, np).toString("latin1");
  const [scheme, manifest = "", , ...payload] = plain.split("\n");
  const spaced = `${scheme}\n${manifest.replace("{", '{ "unknown": [1],\t')}\n`;
  const mac = createHmac("sha256", hkdf(fileKey, Buffer.alloc(0), "header"))
    .update(spaced, "latin1")
    .digest("base64");
  expect(await decrypt(Buffer.from(`${spaced}${mac}\n${payload.join("\n")}`, "latin1"))).toEqual(Buffer.from("hello"));
});

test("every single bit of the header counts", async () => {
  const encrypted = byHand(Buffer.from("hello"), 1);
  const end = encrypted.indexOf(10, encrypted.indexOf(10, encrypted.indexOf(10) + 1) + 1) + 1;
  for (let at = 0; at < end; at++) {
    for (const bit of [0x01, 0x04, 0x20]) {
      const changed = Buffer.from(encrypted);
      changed[at] = (changed[at] as number) ^ bit;
      await expect(decrypt(changed), `byte ${at} of the header, ${bit}`).rejects.toThrow();
    }
  }
});

describe("segments", () => {
  const plaintext = randomBytes(3 * segment);
  const encrypted = byHand(plaintext, 1);
  const header = encrypted.length - 3 * (segment + 16);
  const part = (i: number) => encrypted.subarray(header + i * (segment + 16), header + (i + 1) * (segment + 16));
  const withParts = (...parts: Buffer[]) => Buffer.concat([encrypted.subarray(0, header), ...parts]);

  test.each([
    ["swapped", withParts(part(1), part(0), part(2))],
    ["repeated", withParts(part(0), part(0), part(1), part(2))],
    ["left out in the middle", withParts(part(0), part(2))],
    ["left out at the end", withParts(part(0), part(1))],
    ["cut", encrypted.subarray(0, -1)],
    ["cut down to a part of a tag", withParts(part(0), part(1).subarray(0, 10))],
    ["followed by more", Buffer.concat([encrypted, Buffer.from("!")])],
    ["followed by an empty one", Buffer.concat([encrypted, part(0).subarray(-16)])],
    ["all gone", withParts()],
  ])("that are %s are noticed", async (_, changed) => {
    await expect(decrypt(changed)).rejects.toThrow(/segment \d/);
  });

  test("that were changed are noticed, and what came before them was given", async () => {
    const changed = Buffer.from(encrypted);
    changed[header + segment + 16 + 5] = (changed[header + segment + 16 + 5] as number) ^ 1;
    const given: Uint8Array[] = [];
    const read = async () => {
      for await (const piece of await decryptV1(chunks(changed, 50_000), {
        unwrap: async (wrapped) => unwrapKey(wrapped),
      }))
        given.push(piece);
    };
    await expect(read()).rejects.toThrow(/segment 1 was changed/);
    expect(Buffer.concat(given).equals(plaintext.subarray(0, segment))).toBe(true);
  });
});

test.each([
  ["", /does not start with dapr.io\/enc\/v1/],
  ["hello", /does not start/],
  ["dapr.io/enc/v2\n{}\n", /does not start/],
  ["dapr.io/enc/v1\n", /breaks off/],
  ["dapr.io/enc/v1\n{}\n", /breaks off/],
  [`dapr.io/enc/v1\n${"x".repeat(100_000)}`, /breaks off/],
  ["dapr.io/enc/v1\n{\nAA==\n", /not JSON/],
  ["dapr.io/enc/v1\n[]\nAA==\n", /key wrap algorithm/],
  ['dapr.io/enc/v1\n{"kw":9}\nAA==\n', /key wrap algorithm \(kw\) is not known/],
  ['dapr.io/enc/v1\n{"kw":1,"cph":3}\nAA==\n', /cipher \(cph\) is not known/],
  ['dapr.io/enc/v1\n{"kw":1,"cph":1,"np":"AA=="}\nAA==\n', /has not 7 bytes/],
  ['dapr.io/enc/v1\n{"kw":1,"cph":1,"np":"Y3J5cHRvIQ==","wfk":5}\nAA==\n', /file key \(wfk\) is not base64/],
  ['dapr.io/enc/v1\n{"kw":1,"cph":1,"np":"Y3J5cHRvIQ==","wfk":"AA==","k":1}\nAA==\n', /key name/],
  ['dapr.io/enc/v1\n{"kw":1,"cph":1,"np":"Y3J5cHRvIQ==","wfk":"AA=="}\nAA=\n', /code of the header is not base64/],
])("%j is refused in words", async (text, why) => {
  await expect(decrypt(Buffer.from(text))).rejects.toThrow(why);
});

test("no more is read than is given on", async () => {
  let read = 0;
  const source = (async function* () {
    for (;;) {
      read++;
      yield Buffer.alloc(segment);
    }
  })();
  const encrypted = await encryptV1(source, { keyWrap: 1, cipher: 1, keyName: "", wrap: async (key) => wrapKey(key) });
  expect(read).toBe(0);
  for (let i = 0; i < 5; i++) await encrypted.next();
  // The header, four segments, and one ahead to see that the fourth is not the last.
  expect(read).toBe(5);
  await encrypted.return();
  await expect(source.next()).resolves.toEqual({ done: true, value: undefined });
});

test("a source that is refused is told that nothing more is wanted", async () => {
  const source = chunks(Buffer.from("hello"), 1);
  await expect(decryptV1(source, { unwrap: async () => Buffer.alloc(32) })).rejects.toThrow();
  await expect(source.next()).resolves.toEqual({ done: true, value: undefined });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCipher, type ValueCipher } from "../../../../../sidecar/blocks/state/encryption.ts";
import { openStores } from "./store-under-test.ts";

const a = "00112233445566778899aabbccddeeff";
const b = "ff".repeat(24);
const c = "ab".repeat(32);
const open = (primary: string, secondary?: string) => openCipher("store", primary, secondary) as ValueCipher;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe("encrypted values", () => {
  it.each([a, b, c])("come back as they were with a key of any length", (key) => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const cipher = open(key);
        expect(Buffer.from(cipher.decrypt(cipher.encrypt(bytes)))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 20 },
    );
  });

  it("are base64 with the name of their key behind, never twice the same", () => {
    const cipher = open(a);
    const [one, two] = [text(cipher.encrypt(Buffer.from("secret"))), text(cipher.encrypt(Buffer.from("secret")))];
    expect(one).toMatch(/^[A-Za-z0-9+/]+=*\|\|primaryEncryptionKey$/);
    expect(one).not.toBe(two);
    expect(one).not.toContain("secret");
    expect(Buffer.from(one.split("||")[0] as string, "base64")).toHaveLength(12 + 6 + 16);
  });

  it("name the secret that their key was read from, as the other programs of a store do", async () => {
    const { store } = await openStores({
      runtime: { primaryEncryptionKey: a, secondaryEncryptionKey: b },
      metadata: [
        { name: "PrimaryEncryptionKey", secretKeyRef: { name: "vault||ü", key: "k" }, line: 1 },
        { name: "secondaryEncryptionKey", value: b, line: 2 },
      ],
    });
    const sealed = store.cipher?.encrypt(Buffer.from("x")) ?? new Uint8Array();
    expect(text(sealed)).toMatch(/^[A-Za-z0-9+/]+=*\|\|vault\|\|ü$/);
    expect(text(store.cipher?.decrypt(sealed) ?? new Uint8Array())).toBe("x");
    expect(text(open(a).decrypt(sealed))).toBe("x");
  });

  it("are read with the former key while keys are rotated", () => {
    const old = open(a).encrypt(Buffer.from("old"));
    const rotated = open(b, a);
    expect(text(rotated.decrypt(old))).toBe("old");
    expect(text(rotated.decrypt(rotated.encrypt(Buffer.from("new"))))).toBe("new");
    expect(text(open(b).decrypt(rotated.encrypt(Buffer.from("new"))))).toBe("new");
  });

  it("say so when no key fits, or when they were changed", () => {
    const sealed = open(a).encrypt(Buffer.from("x"));
    expect(() => open(b, c).decrypt(sealed)).toThrow("neither primary nor secondary, or was changed");
    const changed = Buffer.from(text(sealed).replace(/^./, (first) => (first === "A" ? "B" : "A")));
    expect(() => open(a).decrypt(changed)).toThrow("was changed");
    expect(() => open(a).decrypt(Buffer.from("AAAA||primaryEncryptionKey"))).toThrow("was changed");
  });

  it("are not taken for values that were stored before encryption was switched on", () => {
    expect(() => open(a).decrypt(Buffer.from('{"plain":1}'))).toThrow(
      "is not encrypted, but an encryption key is configured",
    );
  });
});

describe("a key", () => {
  it.each(["", undefined, null, 5])("of %j means no encryption", (key) => {
    expect(openCipher("store", key, a)).toBeUndefined();
  });

  it.each(["xyz", a.slice(2), `${a}0`, "00".repeat(17), "zz".repeat(16)])(
    "of %s is refused without being quoted",
    (key) => {
      const refusal = () => openCipher("store", key, undefined);
      expect(refusal).toThrow("state store store: primaryEncryptionKey must be 16, 24 or 32 bytes in hex");
      expect(refusal).not.toThrow(key);
      expect(() => openCipher("store", a, key)).toThrow("secondaryEncryptionKey must be");
    },
  );
});

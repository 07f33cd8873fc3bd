import { generateKeyPairSync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { CryptoDriver, Jwk } from "../../components/contract/crypto.ts";
import { type Given, openDriver } from "../support/open-driver.ts";

/** A key store under test. */
export interface CryptoTarget {
  readonly driver: CryptoDriver;
  /** Puts the keys where the driver finds them and gives the settings; called inside a test. */
  prepare(keys: Readonly<Record<string, Jwk>>): Promise<Given> | Given;
}

const exported = (pair: { privateKey: { export(options: { format: "jwk" }): object } }) =>
  pair.privateKey.export({ format: "jwk" }) as Jwk;

const keys: Readonly<Record<string, Jwk>> = {
  symmetric: { kty: "oct", k: randomBytes(32).toString("base64url") },
  rsa: exported(generateKeyPairSync("rsa", { modulusLength: 2048 })),
  ec: exported(generateKeyPairSync("ec", { namedCurve: "P-256" })),
  ed25519: exported(generateKeyPairSync("ed25519")),
};

/** What every key store must do. */
export function cryptoSuite({ driver, prepare }: CryptoTarget): void {
  const open = async () => openDriver(driver, await prepare(keys));

  test.each(Object.keys(keys))("the key %s is given with its private parts", async (name) => {
    const store = await open();
    expect(await store.key(name, {})).toMatchObject(keys[name] as Jwk);
  });

  test("a key asked for many times at once is the same each time", async () => {
    const store = await open();
    const answers = await Promise.all(Array.from({ length: 10 }, () => store.key("rsa", {})));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test.each(["nowhere", "constructor", "../nowhere"])("the absent key %j is told by name", async (name) => {
    const store = await open();
    await expect(store.key(name, {})).rejects.toMatchObject({ reason: "cryptoKey", params: { key: name } });
  });

  test("closing twice is closing once", async () => {
    const store = await open();
    await store.close();
    await store.close();
  });
}

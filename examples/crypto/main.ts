// Encrypts a letter with a key that this program never uses itself.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient, MechaClientError } from "@mecha/sdk";

// An operator's part: the component's folder gets a key, named like its file.
writeFileSync(join(import.meta.dirname, "keys/letters"), randomBytes(32).toString("base64"));

await using client = createClient();
const vault = client.crypto("keys");
const letter = "Meet me at the old lighthouse.\n".repeat(20_000);

const sealed = await vault.encrypt(letter, { keyName: "letters", keyWrapAlgorithm: "AES" }).bytes();
assert.ok(!Buffer.from(sealed).includes("lighthouse"));
console.log(`sealed ${letter.length} characters into ${sealed.length} bytes`);

// The name of the key travels in front of the data, so that nobody has to remember it.
assert.equal(await vault.decrypt(sealed).text(), letter);
console.log("opened again");

// A changed byte is noticed.
const forged = Uint8Array.from(sealed);
forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
const refused = await vault
  .decrypt(forged)
  .text()
  .catch((error) => error);
assert.ok(refused instanceof MechaClientError);
console.log("a forgery was refused:", refused.message);

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * The padding of RSASSA-PSS for a digest that the caller made (RFC 8017, sections 9.1.1 and 9.1.2). The platform pads
 * only what it has hashed itself.
 */

/** The padded digest, to be raised to the private exponent; as long as the modulus of `modulusBits`. */
export function encodePss(digest: Uint8Array, hash: string, modulusBits: number): Buffer {
  const { length, unusedBits, lead } = layout(modulusBits);
  const salt = randomBytes(digest.length);
  if (length < digest.length + salt.length + 2) throw new Error("the key is too short for this algorithm");
  const code = codeOf(digest, salt, hash);
  const data = Buffer.concat([Buffer.alloc(length - salt.length - digest.length - 2), Buffer.from([1]), salt]);
  const masked = underMask(data, code, hash);
  masked[0] = (masked[0] as number) & (0xff >> unusedBits);
  return Buffer.concat([lead, masked, code, Buffer.from([0xbc])]);
}

/** Whether `encoded`, a signature raised to the public exponent, is the padding of the digest; any length of salt. */
export function verifyPss(encoded: Buffer, digest: Uint8Array, hash: string, modulusBits: number): boolean {
  const { length, unusedBits, lead } = layout(modulusBits);
  if (length < digest.length + 2 || encoded.length !== lead.length + length || encoded.at(-1) !== 0xbc) return false;
  if (!encoded.subarray(0, lead.length).equals(lead)) return false;
  const message = encoded.subarray(lead.length);
  const code = message.subarray(length - digest.length - 1, length - 1);
  const masked = message.subarray(0, length - digest.length - 1);
  if (((masked[0] as number) & ~(0xff >> unusedBits)) !== 0) return false;
  const data = underMask(masked, code, hash);
  data[0] = (data[0] as number) & (0xff >> unusedBits);
  const mark = data.findIndex((byte) => byte !== 0);
  if (mark < 0 || data[mark] !== 1) return false;
  return timingSafeEqual(code, codeOf(digest, data.subarray(mark + 1), hash));
}

/** The encoding takes one bit less than the modulus, which may leave the first byte out. */
function layout(modulusBits: number) {
  const length = Math.ceil((modulusBits - 1) / 8);
  return {
    length,
    unusedBits: length * 8 - (modulusBits - 1),
    lead: Buffer.alloc(Math.ceil(modulusBits / 8) - length),
  };
}

function codeOf(digest: Uint8Array, salt: Uint8Array, hash: string): Buffer {
  return createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest();
}

/** The data under the mask that MGF1 makes of the seed (RFC 8017, appendix B.2.1); done twice it is undone. */
function underMask(data: Uint8Array, seed: Uint8Array, hash: string): Buffer {
  const out = Buffer.from(data);
  const counter = Buffer.alloc(4);
  for (let at = 0, count = 0; at < out.length; count++) {
    counter.writeUInt32BE(count);
    for (const byte of createHash(hash).update(seed).update(counter).digest()) {
      if (at === out.length) break;
      out[at] = (out[at] as number) ^ byte;
      at++;
    }
  }
  return out;
}

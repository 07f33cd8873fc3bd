/** Words of "expand 32-byte k", as in ChaCha20 (RFC 8439, section 2.3). */
const sigma = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

const quarters = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** A key of 32 bytes from a key of 32 and a nonce of 16 bytes (draft-irtf-cfrg-xchacha, section 2.2). */
export function hchacha20(key: Uint8Array, nonce: Uint8Array): Buffer {
  const state = new Uint32Array(16);
  state.set(sigma, 0);
  state.set(words(key), 4);
  state.set(words(nonce), 12);
  for (let round = 0; round < 10; round++) for (const [a, b, c, d] of quarters) quarterRound(state, a, b, c, d);
  const out = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) {
    out.writeUInt32LE(state[i] as number, i * 4);
    out.writeUInt32LE(state[i + 12] as number, 16 + i * 4);
  }
  return out;
}

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  mix(state, a, b, d, 16);
  mix(state, c, d, b, 12);
  mix(state, a, b, d, 8);
  mix(state, c, d, b, 7);
}

/** x += y; z ^= x; z <<<= bits. The array keeps the numbers at 32 bits. */
function mix(state: Uint32Array, x: number, y: number, z: number, bits: number): void {
  state[x] = (state[x] as number) + (state[y] as number);
  const mixed = (state[z] as number) ^ (state[x] as number);
  state[z] = (mixed << bits) | (mixed >>> (32 - bits));
}

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}

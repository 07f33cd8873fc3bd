/** Arithmetic on the NIST curves y² = x³ - 3x + b, for public values only: its time depends on the numbers. */
export interface Curve {
  /** Name of the platform. */
  readonly name: string;
  readonly hash: string;
  /** Length of a coordinate. */
  readonly bytes: number;
  readonly p: bigint;
  /** Order of the base point. */
  readonly n: bigint;
  readonly base: Point;
}

/** Projective coordinates (Jacobian): x/z², y/z³; z = 0 is the point at infinity. */
export type Point = readonly [x: bigint, y: bigint, z: bigint];

const curve = (name: string, hash: string, bytes: number, p: bigint, n: string, x: string, y: string): Curve => ({
  name,
  hash,
  bytes,
  p,
  n: BigInt(`0x${n}`),
  base: [BigInt(`0x${x}`), BigInt(`0x${y}`), 1n],
});

/** FIPS 186-4, appendix D.1.2, by their names in JSON Web Keys. */
export const curves: Readonly<Record<string, Curve>> = {
  "P-256": curve(
    "prime256v1",
    "sha256",
    32,
    2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
  ),
  "P-384": curve(
    "secp384r1",
    "sha384",
    48,
    2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
    "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
  ),
  "P-521": curve(
    "secp521r1",
    "sha512",
    66,
    2n ** 521n - 1n,
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
    "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
  ),
};

const infinity: Point = [1n, 1n, 0n];

export function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** The inverse of a value that is not 0 modulo a prime. */
export function invert(value: bigint, prime: bigint): bigint {
  let [a, b, x, y] = [mod(value, prime), prime, 1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b, x, y] = [b - quotient * a, a, y - quotient * x, x];
  }
  return mod(x, prime);
}

/** u·base + v·point, as its x coordinate; undefined at infinity. */
export function sumOfMultiples({ p, base }: Curve, u: bigint, v: bigint, point: Point): bigint | undefined {
  const terms = [infinity, base, point, add(p, base, point)] as const;
  let sum = infinity;
  for (let bit = BigInt(Math.max(u.toString(2).length, v.toString(2).length)) - 1n; bit >= 0n; bit--) {
    const which = Number((u >> bit) & 1n) + 2 * Number((v >> bit) & 1n);
    sum = add(p, double(p, sum), terms[which] as Point);
  }
  const [x, , z] = sum;
  return z === 0n ? undefined : mod(x * invert(z * z, p), p);
}

function double(p: bigint, [x, y, z]: Point): Point {
  if (z === 0n || y === 0n) return infinity;
  const yy = mod(y * y, p);
  const s = mod(4n * x * yy, p);
  const zz = mod(z * z, p);
  const m = mod(3n * (x - zz) * (x + zz), p);
  const nx = mod(m * m - 2n * s, p);
  return [nx, mod(m * (s - nx) - 8n * yy * yy, p), mod(2n * y * z, p)];
}

function add(p: bigint, left: Point, right: Point): Point {
  if (left[2] === 0n) return right;
  if (right[2] === 0n) return left;
  const [x1, y1, z1] = left;
  const [x2, y2, z2] = right;
  const [z1z1, z2z2] = [mod(z1 * z1, p), mod(z2 * z2, p)];
  const [u1, u2] = [mod(x1 * z2z2, p), mod(x2 * z1z1, p)];
  const [s1, s2] = [mod(y1 * z2 * z2z2, p), mod(y2 * z1 * z1z1, p)];
  if (u1 === u2) return s1 === s2 ? double(p, left) : infinity;
  const [h, r] = [u2 - u1, s2 - s1];
  const hh = mod(h * h, p);
  const hhh = mod(h * hh, p);
  const v = mod(u1 * hh, p);
  const x = mod(r * r - hhh - 2n * v, p);
  return [x, mod(r * (v - x) - s1 * hhh, p), mod(z1 * z2 * h, p)];
}

/** Sizes as Kubernetes writes them: `4Mi`, `512k`, `1.5Gi`, `1e6`, `4096`. */

const FACTORS = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
} as const;

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+))((?:[eE][+-]?\d+)|[mkMGTPE]|[KMGTPE]i)?$/;

/**
 * Reads a quantity of bytes. A fraction of a byte is rounded up.
 * @returns bytes, or undefined when the text is not a quantity or is too large to count exactly.
 */
export function findBytes(text: string): number | undefined {
  const match = QUANTITY.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = "", suffix = ""] = match;
  const exponent = /^[eE][+-]?\d/.test(suffix);
  const amount = exponent ? Number(digits + suffix) : Number(digits) * FACTORS[suffix as keyof typeof FACTORS];
  const bytes = Math.ceil(amount);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** How to write the size that `text` tries to be: `write "4Mi"`. */
export function bytesHint(text: string): string {
  const spoken = /^\s*(\d+(?:\.\d+)?)\s*([kmgt])i?(?:b|bytes?)?\s*$/i.exec(text);
  if (spoken) return `write "${spoken[1]}${spoken[2]?.toUpperCase()}i"`;
  const plain = /^\s*(\d+)\s*(?:b|bytes?)\s*$/i.exec(text);
  if (plain) return `write "${plain[1]}"`;
  return 'write bytes as a number or with Ki, Mi or Gi, such as "4Mi"';
}

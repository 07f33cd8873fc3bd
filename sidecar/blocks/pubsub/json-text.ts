/**
 * JSON as text. Events are cut apart and put together without being written anew, so that what an app sent arrives
 * byte for byte: numbers of any size, the order of keys, white space.
 */

/** One member of an object. */
export interface Member {
  readonly key: string;
  /** `"key": value` as it stands in the text. */
  readonly text: string;
  /** The value alone. */
  readonly value: string;
}

/** UTF-8 bytes as text; what is not UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return (bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString();
}

/** Bytes as base64. */
export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Whether the text is JSON, and what it says. */
export function tryJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Members of the object that the text is, in order. The text must be valid JSON. */
export function membersOf(text: string): Member[] {
  const members: Member[] = [];
  let at = afterSpace(text, afterSpace(text, 0) + 1);
  while (text.charCodeAt(at) !== closeBrace) {
    const start = at;
    const keyEnd = endOfString(text, at);
    const value = afterSpace(text, afterSpace(text, keyEnd) + 1);
    const end = endOfValue(text, value);
    members.push({
      key: JSON.parse(text.slice(start, keyEnd)) as string,
      text: text.slice(start, end),
      value: text.slice(value, end),
    });
    at = afterComma(text, end);
  }
  return members;
}

/** Items of the array that the text is, in order. The text must be valid JSON. */
export function itemsOf(text: string): string[] {
  const items: string[] = [];
  let at = afterSpace(text, afterSpace(text, 0) + 1);
  while (text.charCodeAt(at) !== closeBracket) {
    const end = endOfValue(text, at);
    items.push(text.slice(at, end));
    at = afterComma(text, end);
  }
  return items;
}

const quote = 34;
const comma = 44;
const openBracket = 91;
const backslash = 92;
const closeBracket = 93;
const openBrace = 123;
const closeBrace = 125;

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9;

function afterSpace(text: string, at: number): number {
  let next = at;
  while (isSpace(text.charCodeAt(next))) next++;
  return next;
}

function afterComma(text: string, at: number): number {
  const next = afterSpace(text, at);
  return text.charCodeAt(next) === comma ? afterSpace(text, next + 1) : next;
}

/** The place after the string that opens at `at`. */
function endOfString(text: string, at: number): number {
  let close = at;
  while (true) {
    close = text.indexOf('"', close + 1);
    let slashes = 0;
    while (text.charCodeAt(close - 1 - slashes) === backslash) slashes++;
    if (slashes % 2 === 0) return close + 1;
  }
}

/** The place after the value that starts at `at`. */
function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === quote) return endOfString(text, at);
  if (first === openBrace || first === openBracket) return endOfNested(text, at);
  let end = at;
  while (end < text.length) {
    const code = text.charCodeAt(end);
    if (code === comma || code === closeBrace || code === closeBracket || isSpace(code)) break;
    end++;
  }
  return end;
}

function endOfNested(text: string, at: number): number {
  let depth = 0;
  let next = at;
  do {
    const code = text.charCodeAt(next);
    if (code === quote) {
      next = endOfString(text, next);
      continue;
    }
    if (code === openBrace || code === openBracket) depth++;
    else if (code === closeBrace || code === closeBracket) depth--;
    next++;
  } while (depth > 0);
  return next;
}

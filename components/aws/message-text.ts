import { isUtf8 } from "node:buffer";

// What SQS and SNS take as text: the characters of XML 1.0.
const foreign = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

/** Whether SNS and SQS take a text as a message or as the value of an attribute; neither may be empty. */
export const isMessageText = (text: string): boolean => text !== "" && !foreign.test(text);

/** The text of bytes, where SNS and SQS take it; undefined: they do not. */
export function findMessageText(data: Uint8Array): string | undefined {
  if (!isUtf8(data)) return undefined;
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
  return isMessageText(text) ? text : undefined;
}

/** JSON in which every character is one that SNS and SQS take. */
export const toPlainJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/[\ufffe\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`);

import { didYouMean } from "../kernel/did-you-mean.ts";
import { durationHint, findDurationMs } from "../kernel/duration.ts";
import { bytesHint, findBytes } from "../kernel/quantities.ts";
import type { Flag } from "./flag.ts";

/** What the text of a flag was read as, or why it could not be read. */
export type FlagReading =
  | { readonly ok: true; readonly value: string | number | boolean | readonly string[] | undefined }
  | { readonly ok: false; readonly expected: string; readonly hint: string };

const TRUE = /^(1|t|true)$/i;
const FALSE = /^(0|f|false)$/i;

/** Whether the text is one of the words a switch takes: 1, t, true, 0, f, false. */
export function isSwitchWord(text: string): boolean {
  return TRUE.test(text) || FALSE.test(text);
}

/** Whether the flag may stand without a value. */
export function isSwitch(flag: Flag): boolean {
  return flag.type === "switch" || flag.type === "optional-switch";
}

/** Splits comma-separated texts; spaces around them and empty ones do not count. */
export function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** Reads one value of a flag. `undefined` text stands for a flag that was not given and has no default. */
export function readFlagValue(flag: Flag, text: string | undefined): FlagReading {
  if (text === undefined) return { ok: true, value: emptyValue(flag) };
  switch (flag.type) {
    case "text":
      return { ok: true, value: text };
    case "choice":
      return readChoice(flag, text);
    case "list":
      return readList(flag, text);
    case "switch":
    case "optional-switch":
      return readSwitch(flag, text);
    case "integer":
      return readInteger(text);
    case "port":
    case "optional-port":
      return readPort(flag, text);
    case "duration":
      return readDuration(flag, text);
    case "bytes":
      return readBytes(flag, text);
  }
}

function emptyValue(flag: Flag): FlagReading & { ok: true } extends { value: infer V } ? V : never {
  if (flag.type === "list") return [];
  if (flag.type === "switch") return false;
  return flag.type === "text" ? "" : undefined;
}

function readChoice(flag: Flag, text: string): FlagReading {
  const values = flag.values ?? [];
  const value = values.find((candidate) => candidate.toLowerCase() === text.trim().toLowerCase());
  if (value !== undefined) return { ok: true, value };
  return {
    ok: false,
    expected: `one of ${values.join(", ")}`,
    hint: didYouMean(text, values) ?? `use ${flag.default ?? values[0]}`,
  };
}

function readList(flag: Flag, text: string): FlagReading {
  const entries = splitList(text);
  const values = flag.values;
  const wrong = values && entries.find((entry) => !values.includes(entry));
  if (values === undefined || wrong === undefined) return { ok: true, value: entries };
  const hint = didYouMean(wrong, values) ?? `use ${values.join(",")}`;
  return { ok: false, expected: `a comma-separated list of ${values.join(", ")}`, hint };
}

function readSwitch(flag: Flag, text: string): FlagReading {
  const word = text.trim();
  if (word === "" && flag.type === "optional-switch") return { ok: true, value: undefined };
  if (isSwitchWord(word)) return { ok: true, value: TRUE.test(word) };
  const no = /^(n|no|off|disabled?)$/i.test(word);
  const yes = /^(y|yes|on|enabled?)$/i.test(word);
  const hint = no ? "write false" : yes ? "write true" : "write true or false, or leave the value out for true";
  return { ok: false, expected: "true or false", hint };
}

function readInteger(text: string): FlagReading {
  const value = Number(text.trim());
  if (/^[+-]?\d+$/.test(text.trim()) && Number.isSafeInteger(value)) return { ok: true, value };
  const digits = /^[+-]?\d+/.exec(text.trim())?.[0];
  return { ok: false, expected: "a whole number", hint: digits ? `write ${digits}` : "write digits only, such as 3" };
}

function readPort(flag: Flag, text: string): FlagReading {
  const trimmed = text.trim();
  const optional = flag.type === "optional-port";
  if (trimmed === "") return { ok: true, value: optional ? undefined : 0 };
  const value = Number(trimmed);
  if (/^\d+$/.test(trimmed) && value <= 65_535) return { ok: true, value: optional && value === 0 ? undefined : value };
  const inside = /(?:^|:)(\d{1,5})$/.exec(trimmed)?.[1];
  const hint = inside && Number(inside) <= 65_535 ? `write ${inside}` : "write a number from 0 to 65535";
  return { ok: false, expected: "a port number", hint };
}

function readDuration(flag: Flag, text: string): FlagReading {
  if (text.trim() === "") return { ok: true, value: undefined };
  const value = findDurationMs(text, flag.unit);
  if (value === undefined) return { ok: false, expected: "a duration", hint: durationHint(text) };
  if (flag.minimum === undefined || value >= flag.minimum) return { ok: true, value };
  const least = flag.minimum > 0 ? "a duration above 0" : "a duration of 0 or more";
  return { ok: false, expected: least, hint: `write ${flag.default ?? "5s"}` };
}

function readBytes(flag: Flag, text: string): FlagReading {
  const value = findBytes(text);
  if (value === undefined) return { ok: false, expected: "a size", hint: bytesHint(text) };
  if (value >= (flag.minimum ?? 0)) return { ok: true, value };
  return { ok: false, expected: "a size above 0", hint: `write ${flag.default ?? "4Mi"}` };
}

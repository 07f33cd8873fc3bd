import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { fail } from "../../specs/errors.ts";

/** A number as JSON writes it, which may have more digits than a number of JavaScript. */
class WrittenNumber {
  readonly digits: string;

  constructor(digits: string) {
    this.digits = digits;
  }
}

/** A JSON object as the attributes of an item; numbers keep all their digits. Throws `badRequest`. */
export function toAttributes(text: string): Record<string, AttributeValue> {
  let value: unknown;
  try {
    value = JSON.parse(text, (_key, one: unknown, context?: { readonly source?: string }) =>
      typeof one === "number" ? new WrittenNumber(context?.source ?? String(one)) : one,
    );
  } catch {
    // Reported below, as any other data that is no object.
  }
  const item = toAttribute(value).M;
  if (item === undefined)
    throw fail("badRequest", { why: "the data must be a JSON object, whose keys are the attributes of an item" });
  return item;
}

function toAttribute(value: unknown): AttributeValue {
  if (value === null || value === undefined) return { NULL: true };
  if (value instanceof WrittenNumber) return { N: value.digits };
  if (typeof value === "string") return { S: value };
  if (typeof value === "boolean") return { BOOL: value };
  if (Array.isArray(value)) return { L: value.map(toAttribute) };
  return { M: Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toAttribute(one)])) };
}

import { type Document, isScalar, type Node, type Scalar } from "yaml";

/**
 * A scalar as text. Numbers are written as JSON would, except those that a number cannot hold exactly and those with
 * leading zeros: they are identifiers, and keep the digits they were written with.
 */
export function scalarText(node: Scalar): string {
  const { value, source } = node;
  if (value === null || value === undefined) return "";
  // The merge key is read as a symbol.
  if (typeof value === "symbol") return value.description ?? "";
  if (typeof value !== "number") return String(value);
  const digits = source ?? String(value);
  const exact = Number.isSafeInteger(value) || !Number.isInteger(value);
  return exact && !/^[+-]?0\d/.test(digits) ? String(value) : digits;
}

/** Any value as text: a scalar as it is, anything else as JSON. */
export function textOf(node: Node, document: Document): string {
  if (isScalar(node)) return scalarText(node);
  return JSON.stringify(node.toJS(document));
}

import type { NameValueDocument, UnnamedValueDocument } from "../../specs/schemas/name-value.ts";
import type { NameValuePair } from "../kernel/config-types.ts";
import type { Located } from "./located.ts";
import { envRefRefusal } from "./values.ts";

/** What reading pairs depends on. */
export interface PairContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Store of the resource; absent: secrets cannot be read. */
  readonly secretStore?: string | undefined;
}

/** Reads a list of named values; `keyPath` is the path of the list. */
export function toPairs(
  written: readonly NameValueDocument[],
  keyPath: string,
  located: Located<unknown>,
  context: PairContext,
): NameValuePair[] {
  return written.map((entry, index) => toPair(entry.name, entry, `${keyPath}[${index}]`, located, context));
}

/** Reads one value that may be a reference. */
export function toPair(
  name: string,
  written: UnnamedValueDocument,
  keyPath: string,
  located: Located<unknown>,
  context: PairContext,
): NameValuePair {
  const pair = pairOf(name, written, located.lineOf(keyPath));
  const given = ["value", "envRef", "secretKeyRef"].filter((key) => key in written);
  if (given.length > 1) located.passOver(keyPath, `has ${given.join(" and ")}`, "keep one of them");
  const refusal = pair.envRef && envRefRefusal(pair.envRef, context.env);
  if (refusal) {
    const hint = "use another variable, or a value";
    located.passOver(`${keyPath}.envRef`, `${pair.envRef} cannot be read: it ${refusal}`, hint);
  }
  if (pair.secretKeyRef && context.secretStore === undefined) {
    located.passOver(`${keyPath}.secretKeyRef`, "no secret store is named", 'add "auth: {secretStore: <component>}"');
  }
  return pair;
}

/** Of several ways to give a value, a direct one beats a variable and a secret beats a direct one. */
export function pairOf(name: string, written: UnnamedValueDocument, line: number): NameValuePair {
  const { value = "", secretKeyRef, envRef } = written;
  if (envRef && value === "") return { name, envRef, line };
  if (secretKeyRef)
    return { name, secretKeyRef: { name: secretKeyRef.name, key: secretKeyRef.key || secretKeyRef.name }, line };
  return { name, value, line };
}

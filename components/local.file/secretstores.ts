import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import type { Call } from "../contract/driver.ts";
import { defineSecretStore, type SecretValues } from "../contract/secrets.ts";
import { flag, requiredText, text } from "../contract/settings.ts";
import { flatten, flattenBelow, type Json, parseWritten } from "./flatten.ts";
import { findJsonMistake } from "./json-mistake.ts";

export default defineSecretStore({
  type: "secretstores.local.file",
  status: "stable",
  summary: "Secrets from a JSON file, for development.",
  metadata: Type.Object({
    secretsFile: requiredText({
      description: "Path of a JSON file; read when the component opens, and again when the file has changed.",
      example: "./secrets.json",
    }),
    nestedSeparator: text({
      default: ":",
      description: "Put between the names of nested values: `{redis: {password}}` is the secret `redis:password`.",
    }),
    multiValued: flag({
      default: false,
      description: "A name at the top is one secret with all the values below it.",
    }),
  }),
  capabilities: ["multiple"],
  async open(settings, { signal, log }) {
    const path = resolve(settings.secretsFile);
    const read = async (aborted: AbortSignal | undefined) => {
      const document = await readDocument(path, aborted);
      return new Map<string, SecretValues>(
        settings.multiValued
          ? flattenBelow(document, settings.nestedSeparator)
          : flatten(document, settings.nestedSeparator).map(([name, value]) => [name, { [name]: value }]),
      );
    };
    let version = await versionOf(path);
    let secrets = await read(signal);
    /** A file that is being written, or is wrong, takes away nothing that was read before. */
    const current = async (call: Call) => {
      const now = await versionOf(path);
      if (now === version) return secrets;
      try {
        secrets = await read(call.signal);
        version = now;
      } catch (error) {
        log.warn("the changed secrets file is not used", { error: causeText(error) });
      }
      return secrets;
    };
    return {
      async get(name, _metadata, call) {
        const values = (await current(call)).get(name);
        if (!values) throw fail("secretNotFound", { name });
        return values;
      },
      getAll: async (_metadata, call) => Object.fromEntries(await current(call)),
      close: async () => {},
    };
  },
});

/** Changes whenever the file is written or replaced; empty: there is none. */
async function versionOf(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return "";
  }
}

async function readDocument(path: string, signal: AbortSignal | undefined): Promise<Json> {
  let content: string;
  try {
    content = (await readFile(path, { encoding: "utf8", ...(signal ? { signal } : {}) })).replace(/^\uFEFF/, "");
  } catch (error) {
    throw fail("openFailed", { why: `secretsFile cannot be read: ${causeText(error)}` }, { cause: error });
  }
  const mistake = findJsonMistake(content);
  if (mistake) {
    const { line, column, expected } = mistake;
    throw fail("openFailed", { why: `secretsFile is not JSON: ${path}:${line}:${column}: expected ${expected}` });
  }
  const document = parseWritten(content);
  if (!content.trimStart().startsWith("{")) {
    throw fail("openFailed", { why: `secretsFile must hold a JSON object, such as {"password": "..."}: ${path}` });
  }
  return document;
}

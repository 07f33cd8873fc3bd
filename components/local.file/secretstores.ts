import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
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
      description: "Path of a JSON file; read once, when the component opens.",
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
  async open(settings, { signal }) {
    const document = await readDocument(resolve(settings.secretsFile), signal);
    const secrets = new Map<string, SecretValues>(
      settings.multiValued
        ? flattenBelow(document, settings.nestedSeparator)
        : flatten(document, settings.nestedSeparator).map(([name, value]) => [name, { [name]: value }]),
    );
    return {
      async get(name) {
        const values = secrets.get(name);
        if (!values) throw fail("secretNotFound", { name });
        return values;
      },
      getAll: async () => Object.fromEntries(secrets),
      close: async () => {},
    };
  },
});

async function readDocument(path: string, signal: AbortSignal): Promise<Json> {
  let content: string;
  try {
    content = (await readFile(path, { encoding: "utf8", signal })).replace(/^\uFEFF/, "");
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

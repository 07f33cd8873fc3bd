import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { causeText, fail, MechaError } from "../../specs/errors.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import { requiredText, text } from "../contract/settings.ts";
import { toContent } from "./content.ts";
import { type Folder, openFolder } from "./folder.ts";

export default defineBinding({
  type: "bindings.localstorage",
  status: "stable",
  summary: "Keeps files in a folder of this machine.",
  metadata: Type.Object({
    rootPath: requiredText({
      description: "Folder of the files; made when it is absent. No request reaches a file outside.",
      example: "./files",
    }),
    fileName: Type.Optional(text({ description: "Name for requests that give none; default: create makes one up." })),
  }),
  capabilities: ["output"],
  async open(settings, { name }) {
    const folder = await openFolder(settings.rootPath).catch((error: unknown) => {
      throw fail("openFailed", { why: `rootPath cannot be used: ${causeText(error)}` }, { cause: error });
    });
    return {
      operations: ["create", "get", "delete", "list"],
      async invoke(request) {
        try {
          return await perform(folder, request, request.metadata["fileName"] || settings.fileName || "");
        } catch (error) {
          if (error instanceof MechaError) throw error;
          throw fail("backendUnavailable", { name, cause: causeText(error) }, { cause: error });
        }
      },
      close: async () => {},
    };
  },
});

async function perform(
  folder: Folder,
  { operation, data }: BindingRequest,
  name: string,
): Promise<BindingAnswer | undefined> {
  switch (operation) {
    case "create": {
      return json({ fileName: await folder.write(name || randomUUID(), toContent(data)) });
    }
    case "get":
      return { data: await folder.read(required(name, operation)) };
    case "delete":
      await folder.remove(required(name, operation));
      return undefined;
    case "list":
      return json(await folder.list(name));
    default:
      throw fail("unimplemented", { what: `operation ${operation} (one of create, get, delete, list)` });
  }
}

function required(name: string, operation: string): string {
  if (name === "")
    throw fail("requestMetadataInvalid", { key: "fileName", why: `${operation} needs the name of a file` });
  return name;
}

const json = (value: unknown): BindingAnswer => ({ data: Buffer.from(JSON.stringify(value)) });

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { resourceSchemas } from "../../specs/schemas/all.ts";
import type { Step } from "./step.ts";

const folder = "specs/schemas/json";

/** specs/schemas/*.ts → specs/schemas/json/*.schema.json */
export const schemas: Step = {
  name: "schemas",
  outputs: [`${folder}/*.json`],
  async run({ out }) {
    await mkdir(join(out, folder), { recursive: true });
    for (const [name, schema] of Object.entries(resourceSchemas())) {
      await writeFile(join(out, folder, name), `${JSON.stringify(schema, undefined, 2)}\n`);
    }
  },
};

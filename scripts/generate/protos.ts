import { execFile } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Step } from "./step.ts";

const exec = promisify(execFile);

/** specs/proto → specs/gen, as specs/buf.gen.yaml says. Needs no network. */
export const protos: Step = {
  name: "protos",
  outputs: ["specs/gen/**"],
  async run({ root, out }) {
    const bin = join(root, "node_modules", ".bin");
    // buf finds protoc-gen-es, and both find node, by PATH.
    const path = [bin, dirname(process.execPath), process.env["PATH"]].join(delimiter);
    await exec(join(bin, "buf"), ["generate", "--output", join(out, "specs")], {
      cwd: join(root, "specs"),
      env: { ...process.env, PATH: path },
    });
  },
};

import { describe, expect, it } from "vitest";
import type { BindingRequest } from "../../../../../components/contract/bindings.ts";
import { forward } from "../../../../../sidecar/blocks/bindings/outputs.ts";
import { componentsOf, type OpenPart } from "../../../../support/components.ts";

/** Output bindings that note what they are given and keep it until `release`; `full` refuses, `source` is none. */
function outputs(...names: readonly string[]) {
  const given: string[] = [];
  const waiting: (() => void)[] = [];
  const part = (name: string): OpenPart<"bindings"> => ({
    name,
    driver: { kind: "bindings", type: "bindings.fake", capabilities: ["output"] } as never,
    opened: {
      close: async () => {},
      operations: ["create"],
      async invoke({ operation, data }: BindingRequest) {
        given.push(`${name} ${operation} ${Buffer.from(data).toString()}`);
        if (name === "full") throw new Error("full");
        await new Promise<void>((resolve) => waiting.push(resolve));
        return undefined;
      },
    },
    ...(name === "source" ? { runtime: { direction: "input" } } : {}),
  });
  const components = componentsOf(...(names.map(part) as unknown as OpenPart[]));
  const release = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { components, given, release };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const answer = { data: Buffer.from("x"), parallel: false };

describe("an app's answer to an input event", () => {
  it("is given to the output bindings that it names, one after the other", async () => {
    const { components, given, release } = outputs("a", "b");
    const done = forward(components, { ...answer, to: ["a", "b"] });
    await turn();
    expect(given).toEqual(["a create x"]);
    release();
    await turn();
    expect(given).toEqual(["a create x", "b create x"]);
    release();
    await done;
  });

  it("or to all of them at once", async () => {
    const { components, given, release } = outputs("a", "b");
    const done = forward(components, { ...answer, to: ["a", "b"], parallel: true });
    await turn();
    expect(given).toEqual(["a create x", "b create x"]);
    release();
    await done;
  });

  it("is refused when a binding is unknown, is no output, or refuses it", async () => {
    const { components, given } = outputs("full", "source");
    for (const [name, why] of [
      ["nope", "couldn't find output binding nope; configured: full"],
      ["source", "couldn't find output binding source; configured: full"],
      ["full", "full"],
    ] as const) {
      await expect(forward(components, { ...answer, to: [name, "full"] })).rejects.toThrow(why);
    }
    expect(given).toEqual(["full create x"]);
  });
});

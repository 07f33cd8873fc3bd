import type { BindingCapabilities } from "../../../components/contract/bindings.ts";
import type { Forward } from "../../kernel/app.ts";
import type { Component, Components } from "../../kernel/components.ts";

/** The output side of the binding of that name. Throws an Error that names those there are. */
export function requireOutput(components: Components, name: string): BindingCapabilities["output"] {
  const component = components.find("bindings", name);
  // A driver offers the members of a capability together.
  if (component?.opened.invoke && isOutput(component)) return component.opened as BindingCapabilities["output"];
  const known = components
    .all("bindings")
    .filter((one) => one.opened.invoke && isOutput(one))
    .map((one) => one.name);
  throw new Error(`couldn't find output binding ${name}; configured: ${known.join(", ") || "none"}`);
}

/** By its setting `direction`, where it has one. */
function isOutput({ runtime }: Component<"bindings">): boolean {
  const direction = runtime["direction"];
  if (typeof direction !== "string" || direction === "") return true;
  return direction.split(",").some((one) => one.trim().toLowerCase() === "output");
}

/** Gives an app's answer to the output bindings that it names, by their operation `create`; rejects when one refuses it. */
export async function forward(components: Components, { to, data, parallel }: Forward): Promise<void> {
  const create = (name: string) =>
    requireOutput(components, name).invoke({ operation: "create", data, metadata: {} }, {});
  if (parallel) await Promise.all(to.map(create));
  else for (const name of to) await create(name);
}

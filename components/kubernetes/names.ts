import { fail } from "../../specs/errors.ts";

const label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
const isLabel = new RegExp(`^${label}$`);
const isSubdomain = new RegExp(`^${label}(\\.${label})*$`);

/** Whether an object of the API can have that name. */
export const isObjectName = (name: string): boolean => name.length <= 253 && isSubdomain.test(name);

/** A namespace, fit for a path. Throws `requestMetadataInvalid`. */
export function checkedNamespace(namespace: string): string {
  if (namespace.length <= 63 && isLabel.test(namespace)) return namespace;
  throw fail("requestMetadataInvalid", {
    key: "namespace",
    why: `${JSON.stringify(namespace)} is no namespace: it must be lower-case letters, digits and hyphens`,
  });
}

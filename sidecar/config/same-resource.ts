import type { Resource } from "../kernel/config-types.ts";

/** Whether two resources say the same, wherever and on whatever lines they are written. */
export function isSameResource(left: Resource, right: Resource): boolean {
  return fingerprint(left) === fingerprint(right);
}

function fingerprint({ source: _, ...rest }: Resource): string {
  // Only pairs carry lines, and only these kinds hold pairs; elsewhere "line" may be a name of the user's.
  const hasPairs = rest.kind === "Component" || rest.kind === "HTTPEndpoint";
  return JSON.stringify(rest, (key, value) => (hasPairs && key === "line" ? undefined : value));
}

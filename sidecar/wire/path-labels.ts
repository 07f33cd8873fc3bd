import type { MetricsConfig } from "../kernel/config-types.ts";

/**
 * The label that stands for a path in metrics. A template of `pathMatching` that fits stands for it; else, with increased
 * cardinality, the path itself without what is different in every call: keys of state and secrets, ids of actors and
 * workflows. Empty: the path is no label.
 */
export function pathLabels({ increasedCardinality, pathMatching }: MetricsConfig["http"]): (path: string) => string {
  const templates = pathMatching
    .map((template) => ({ template, pattern: toPattern(template), said: specificity(template) }))
    .sort((a, b) => b.said - a.said);
  return (path) => {
    const found = templates.find(({ pattern }) => pattern.test(path));
    if (found) return found.template;
    return increasedCardinality ? withoutIds(path) : "";
  };
}

const isOpen = (template: string): boolean => template.endsWith("/") || template.endsWith("...}");

/** What says more about a path goes before what says less. */
const specificity = (template: string): number =>
  template.replace(/\{[^}]*\}/g, "").length - (isOpen(template) ? 0.5 : 0);

/** `{name}` is one segment, `{name...}` the rest of the path, and a slash at the end everything below. */
function toPattern(template: string): RegExp {
  const parts = template.split(/(\{[^}]*\})/).map((part) => {
    if (!part.startsWith("{")) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return part.endsWith("...}") ? ".*" : "[^/]+";
  });
  return new RegExp(`^${parts.join("")}${template.endsWith("/") ? ".*" : ""}$`);
}

function withoutIds(path: string): string {
  const [, version, api, ...rest] = path.split("/");
  switch (api) {
    case "state":
    case "secrets":
      return rest.length > 1 ? `/${version}/${api}/${rest[0]}` : path;
    case "actors":
      return rest.length > 2 ? `/${version}/actors/${rest[0]}/{id}/${rest[2]}` : path;
    case "workflows":
      return rest.length > 1 ? `/${version}/workflows/${rest[0]}/{id}${rest[2] ? `/${rest[2]}` : ""}` : path;
    default:
      return path;
  }
}

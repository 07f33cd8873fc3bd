import type { ApiRule } from "../kernel/config-types.ts";

/** Which APIs the Configuration resource leaves open: spec.api.allowed and spec.api.denied. */
export interface ApiAccess {
  /** `version` is v1, v1alpha1, v1alpha2 or v1beta1. */
  http(group: string, version: string, route: string): boolean;
  grpc(group: string, version: string): boolean;
}

interface Rules {
  readonly allowed: readonly ApiRule[];
  readonly denied: readonly ApiRule[];
}

/** Denied goes before allowed; an empty list of allowed ones allows everything; health is always open. */
export function apiAccess({ allowed, denied }: Rules): ApiAccess {
  const decide = (protocol: "http" | "grpc", matches: (rule: ApiRule) => boolean): boolean => {
    const of = (rules: readonly ApiRule[]) => rules.filter((rule) => rule.protocol === protocol);
    if (of(denied).some(matches)) return false;
    const limits = of(allowed);
    return limits.length === 0 || limits.some(matches);
  };
  return {
    http: (group, version, route) =>
      group === "healthz" ||
      decide("http", (rule) => (rule.name === group && toVersion(rule.version) === version) || isPrefix(rule, route)),
    grpc: (group, version) => decide("grpc", (rule) => rule.name === group && toVersion(rule.version) === version),
  };
}

/** `v1.0-alpha1` and `v1alpha1` say the same. */
export const toVersion = (text: string): string => text.replace(".0", "").replace("-", "");

/** The older form: the name is the beginning of the path behind the version. */
function isPrefix(rule: ApiRule, route: string): boolean {
  const start = `/${rule.version}/${rule.name}`;
  return route === start || route.startsWith(`${start}/`);
}

/** Version of a gRPC method, from its name: `QueryStateAlpha1` is v1alpha1. */
export function versionOfRpc(name: string): string {
  const suffix = /(Alpha|Beta)(\d+)$/.exec(name);
  return suffix ? `v1${suffix[1]?.toLowerCase()}${suffix[2]}` : "v1";
}

/** Version of an HTTP route, from its first segment. */
export const versionOfRoute = (route: string): string => toVersion(route.split("/")[1] ?? "");

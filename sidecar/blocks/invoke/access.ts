import type { AccessControl } from "../../kernel/config-types.ts";
import type { Caller } from "../../kernel/peer.ts";

/** Whether a caller may do something. `verb` is undefined for gRPC. */
export type MayInvoke = (caller: Caller | undefined, operation: string, verb: string | undefined) => boolean;

/** Hears of each decision, and whether the caller's policy or the global default made it. */
export type NoteDecision = (by: "app" | "global", allowed: boolean) => void;

type Policy = AccessControl["policies"][number];

interface Rule {
  readonly pattern: RegExp;
  readonly verbs: ReadonlySet<string>;
  readonly allow: boolean;
}

/**
 * The access rules of this app for calls from others. `operation` starts with a slash, is decoded and has no `..`; over HTTP
 * its case does not count. Without rules everything is allowed. The most specific operation of a policy decides, else the
 * policy's default, else the global one; a caller that is not known, or is not who the policy means, gets the global one.
 */
export function accessRules(control: AccessControl | undefined, note: NoteDecision = () => {}): MayInvoke {
  if (!control) return () => true;
  const byDefault = control.defaultAction === "allow";
  const policies = new Map(control.policies.map((policy) => [keyOf(policy), compile(policy, byDefault)]));
  const decide = (by: "app" | "global", allowed: boolean): boolean => {
    note(by, allowed);
    return allowed;
  };
  return (caller, operation, verb) => {
    const policy = caller && policies.get(keyOf(caller));
    if (!policy) return decide("global", byDefault);
    // Only a certificate tells the trust domain; without one the caller's name is all there is.
    if (caller.trustDomain !== undefined && caller.trustDomain !== policy.trustDomain)
      return decide("global", byDefault);
    return decide("app", policy.decide(operation, verb));
  };
}

const keyOf = ({ appId, namespace }: { readonly appId: string; readonly namespace: string }): string =>
  `${namespace}/${appId}`;

function compile(policy: Policy, globalDefault: boolean) {
  const fallback = policy.defaultAction === undefined ? globalDefault : policy.defaultAction === "allow";
  const ordered = policy.operations.toSorted((a, b) => specificity(b.name) - specificity(a.name));
  const rulesFor = (lowerCase: boolean): Rule[] =>
    ordered.map(({ name, httpVerbs, action }) => ({
      pattern: toPattern(lowerCase ? name.toLowerCase() : name),
      verbs: new Set(httpVerbs),
      allow: action === "allow",
    }));
  const [http, grpc] = [rulesFor(true), rulesFor(false)];
  return {
    trustDomain: policy.trustDomain,
    decide(operation: string, verb: string | undefined): boolean {
      if (verb === undefined) return grpc.find(({ pattern }) => pattern.test(operation))?.allow ?? fallback;
      const lower = operation.toLowerCase();
      const rule = http.find(({ pattern }) => pattern.test(lower));
      return rule && (rule.verbs.has("*") || rule.verbs.has(verb)) ? rule.allow : fallback;
    },
  };
}

/** Characters that are fixed: the more, the more is said. Without a wildcard everything is. */
const specificity = (name: string): number =>
  name.includes("*") ? name.replaceAll("*", "").length : Number.POSITIVE_INFINITY;

/** `*` is part of one segment; at the very end it is anything that follows. */
function toPattern(name: string): RegExp {
  const path = name.length > 1 ? name.replace(/\/$/, "") : name;
  const open = path.endsWith("*");
  const parts = (open ? path.slice(0, -1) : path).split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}${open ? ".*" : ""}$`);
}

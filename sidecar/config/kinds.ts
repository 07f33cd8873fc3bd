import { componentSchema } from "../../specs/schemas/component.ts";
import { configurationSchema } from "../../specs/schemas/configuration.ts";
import { apiGroups } from "../../specs/schemas/document.ts";
import { httpEndpointSchema } from "../../specs/schemas/http-endpoint.ts";
import { resiliencySchema } from "../../specs/schemas/resiliency.ts";
import { subscriptionV1Schema, subscriptionV2Schema } from "../../specs/schemas/subscription.ts";
import { closest, didYouMean } from "../kernel/did-you-mean.ts";
import type { Finding } from "./report.ts";
import { topLevelKeys, topLevelLine, topLevelText, type YamlDocument } from "./yaml-documents.ts";

/** Schema by kind and version; undefined: the document is kept as it is. */
const kinds = {
  Component: { v1alpha1: componentSchema },
  Configuration: { v1alpha1: configurationSchema },
  HTTPEndpoint: { v1alpha1: httpEndpointSchema },
  MCPServer: { v1alpha1: undefined },
  Resiliency: { v1alpha1: resiliencySchema },
  Subscription: { v1alpha1: subscriptionV1Schema, v2alpha1: subscriptionV2Schema },
  WorkflowAccessPolicy: { v1alpha1: undefined },
} as const;

export type Kind = keyof typeof kinds;

/** What a document says it is. */
export type Classified =
  | { readonly is: "resource"; readonly kind: Kind; readonly version: string; readonly schema: object | undefined }
  /** Something of other tools. */
  | { readonly is: "foreign" }
  /** Neither ours nor clearly another's. */
  | { readonly is: "unclear"; readonly finding: Finding }
  /** Meant to be ours, but misspelt. */
  | { readonly is: "misspelt"; readonly finding: Finding };

/** Tells a document's kind by `apiVersion` and `kind`. */
export function classify(document: YamlDocument): Classified {
  const apiVersion = topLevelText(document, "apiVersion");
  const kind = topLevelText(document, "kind");
  const [group = "", version = ""] = apiVersion?.split("/") ?? [];
  const at = (key: string, message: string, hint: string): Finding => {
    return { file: document.file, line: topLevelLine(document, key), keyPath: key, message, hint };
  };
  const ours = (apiGroups as readonly string[]).includes(group);
  if (kind === undefined || kind === "") return withoutKind(document, ours, at);
  if (!Object.hasOwn(kinds, kind)) {
    if (!ours) return { is: "foreign" };
    const hint = didYouMean(kind, Object.keys(kinds)) ?? `known kinds: ${Object.keys(kinds).join(", ")}`;
    return { is: "misspelt", finding: at("kind", `unknown kind ${JSON.stringify(kind)}`, hint) };
  }
  const versions: Record<string, object | undefined> = kinds[kind as Kind];
  if (ours && Object.hasOwn(versions, version)) {
    return { is: "resource", kind: kind as Kind, version, schema: versions[version] };
  }
  const wanted = `dapr.io/${closest(version, Object.keys(versions)) ?? Object.keys(versions)[0]}`;
  if (apiVersion === undefined || apiVersion === "") {
    return { is: "misspelt", finding: at("apiVersion", "is missing", `add "apiVersion: ${wanted}"`) };
  }
  // Other projects have kinds of the same name.
  if (!ours && closest(group, apiGroups) === undefined) return { is: "foreign" };
  const message = `${JSON.stringify(apiVersion)} has no ${kind}`;
  return { is: "misspelt", finding: at("apiVersion", message, `write "apiVersion: ${wanted}"`) };
}

function withoutKind(
  document: YamlDocument,
  ours: boolean,
  at: (...about: [string, string, string]) => Finding,
): Classified {
  const meant = topLevelKeys(document).find((key) => key !== "kind" && closest(key, ["kind"]));
  const hint = meant ? `${JSON.stringify(meant)} should be "kind"` : 'add "kind: Component" or another kind';
  if (ours) return { is: "misspelt", finding: at("kind", "is missing", hint) };
  return { is: "unclear", finding: at("kind", "is missing, so this is not a resource", hint) };
}

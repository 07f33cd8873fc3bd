import { resolve } from "node:path";
import type { ComponentDocument } from "../../specs/schemas/component.ts";
import type { HttpEndpointDocument } from "../../specs/schemas/http-endpoint.ts";
import type { ResiliencyDocument } from "../../specs/schemas/resiliency.ts";
import type { SubscriptionV1Document, SubscriptionV2Document } from "../../specs/schemas/subscription.ts";
import type {
  ComponentResource,
  HttpEndpointResource,
  Problem,
  RawResource,
  ResiliencyResource,
  Resource,
  SubscriptionResource,
} from "../kernel/config-types.ts";
import { classify } from "./kinds.ts";
import { type Located, locate } from "./located.ts";
import { Report } from "./report.ts";
import { readDocuments, resourceFiles } from "./resource-files.ts";
import { findUnknownPolicies, toResiliency } from "./to-resiliency.ts";
import {
  type ResourceContext,
  toComponent,
  toHttpEndpoint,
  toRaw,
  toSubscriptionV1,
  toSubscriptionV2,
  toVersion,
} from "./to-resource.ts";
import type { YamlDocument } from "./yaml-documents.ts";

export interface ResourceOptions {
  readonly appId: string;
  /** Namespace whose resources are used; absent: those of every namespace. */
  readonly namespace?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Store of secrets for resources that name none. */
  readonly defaultSecretStore?: string | undefined;
  /** `type` or `type/version` of components that are not to be loaded. */
  readonly deniedComponents: readonly string[];
  /** Files whose Configuration is read elsewhere. */
  readonly configPaths: readonly string[];
  readonly strict: boolean;
}

export interface LoadedResources {
  readonly components: readonly ComponentResource[];
  readonly subscriptions: readonly SubscriptionResource[];
  readonly resiliency: readonly ResiliencyResource[];
  readonly httpEndpoints: readonly HttpEndpointResource[];
  readonly rawResources: readonly RawResource[];
  readonly problems: readonly Problem[];
}

/**
 * Loads what the folders hold for one app. Unusable documents are left out with a problem; a problem of severity
 * `error` means that the sidecar must not start with them. Never throws.
 */
export async function loadResources(folders: readonly string[], options: ResourceOptions): Promise<LoadedResources> {
  const report = new Report(options.strict);
  const say = {
    broken: report.skipped.bind(report),
    odd: report.overlooked.bind(report),
  };
  const found: Entry[] = [];
  for (const file of await resourceFiles(folders, report)) {
    for (const document of await readDocuments(file, say)) {
      const entry = readResource(document, options, report);
      if (entry) found.push(entry);
    }
  }
  const here = found.filter(({ resource }) => isInNamespace(resource, options.namespace));
  refuseDuplicates(here, report);
  const mine = here.filter(
    ({ resource }) => isInScope(resource, options.appId) && !isDenied(resource, options, report),
  );
  reportUnknownPolicies(mine, report);
  return { ...byKind(mine.map(({ resource }) => resource)), problems: report.problems };
}

/** A resource together with the document it was read from. */
interface Entry {
  readonly resource: Resource;
  readonly located: Located<unknown>;
}

function readResource(document: YamlDocument, options: ResourceOptions, report: Report): Entry | undefined {
  const classified = classify(document);
  if (classified.is === "unclear") report.noted(classified.finding);
  if (classified.is === "misspelt") report.skipped(classified.finding);
  if (classified.is !== "resource") return undefined;
  const { kind, version, schema } = classified;
  if (kind === "Configuration") {
    noteConfiguration(document, options, report);
    return undefined;
  }
  const context: ResourceContext = {
    env: options.env,
    ...(options.defaultSecretStore && { defaultSecretStore: options.defaultSecretStore }),
  };
  const located = locate(document, schema ?? headerSchema, true);
  const resource = located.wrong.length > 0 ? undefined : convert(`${kind}/${version}`, located, context);
  for (const finding of located.odd) report.overlooked(finding);
  for (const finding of located.wrong) report.skipped(finding);
  if (located.wrong.length > 0) noteSkipped(kind, document, report);
  return resource && located.wrong.length === 0 ? { resource, located } : undefined;
}

/** The least a document must have whose kind is not described. */
const headerSchema = {
  type: "object",
  required: ["metadata"],
  properties: {
    metadata: {
      type: "object",
      required: ["name"],
      properties: {
        name: { type: "string", minLength: 1, description: "Name of the resource." },
        namespace: { type: "string" },
      },
    },
    scopes: { type: "array", items: { type: "string" } },
    spec: {},
    apiVersion: {},
    kind: {},
  },
};

function convert(kindAndVersion: string, located: Located<unknown>, context: ResourceContext): Resource {
  // The schema that the document was read by is the one its type comes from.
  switch (kindAndVersion) {
    case "Component/v1alpha1":
      return toComponent(located as Located<ComponentDocument>, context);
    case "HTTPEndpoint/v1alpha1":
      return toHttpEndpoint(located as Located<HttpEndpointDocument>, context);
    case "Resiliency/v1alpha1":
      return toResiliency(located as Located<ResiliencyDocument>);
    case "Subscription/v1alpha1":
      return toSubscriptionV1(located as Located<SubscriptionV1Document>);
    case "Subscription/v2alpha1":
      return toSubscriptionV2(located as Located<SubscriptionV2Document>);
    default:
      return toRaw(kindAndVersion.split("/")[0] as RawResource["kind"], located as Located<Record<string, unknown>>);
  }
}

/** Findings name keys; this names what is missing because of them. */
function noteSkipped(kind: string, document: YamlDocument, report: Report): void {
  const metadata = document.document.getIn(["metadata", "name"]);
  const name = typeof metadata === "string" ? ` ${JSON.stringify(metadata)}` : "";
  const { file, line } = document;
  report.noted({ file, line, message: `${kind}${name} is skipped`, hint: "correct it as said above" });
}

function noteConfiguration({ file, line }: YamlDocument, { configPaths }: ResourceOptions, report: Report): void {
  if (configPaths.some((path) => resolve(path) === resolve(file))) return;
  report.noted({
    file,
    line,
    message: "a Configuration in a resources folder is not used",
    hint: `add --config ${file}`,
  });
}

function isInNamespace({ namespace }: Resource, wanted: string | undefined): boolean {
  return !wanted || !namespace || namespace === wanted;
}

function isInScope({ scopes }: Resource, appId: string): boolean {
  return scopes.length === 0 || scopes.includes(appId);
}

function isDenied(resource: Resource, { deniedComponents }: ResourceOptions, report: Report): boolean {
  if (resource.kind !== "Component") return false;
  const type = resource.type.toLowerCase();
  const denied = deniedComponents.find((entry) => {
    const [deniedType = "", deniedVersion] = entry.toLowerCase().split("/");
    return deniedType === type && (deniedVersion === undefined || toVersion(deniedVersion) === resource.version);
  });
  if (denied === undefined) return false;
  const message = `component ${JSON.stringify(resource.name)} is not loaded: ${denied} is denied`;
  report.noted({ ...resource.source, message, hint: "see spec.components.deny of the Configuration" });
  return true;
}

/** Two components of one name would hide each other; for the other kinds it is only suspicious. */
function refuseDuplicates(entries: readonly Entry[], report: Report): void {
  const first = new Map<string, Resource>();
  for (const { resource, located } of entries) {
    const { kind, name, source } = resource;
    const id = `${kind}/${name}`;
    const earlier = first.get(id);
    if (earlier === undefined) {
      first.set(id, resource);
      continue;
    }
    const finding = {
      file: source.file,
      line: located.lineOf("metadata.name"),
      keyPath: "metadata.name",
      message: `another ${kind} is called ${JSON.stringify(name)}: ${earlier.source.file}:${earlier.source.line}`,
      hint: "rename one of the two",
    };
    if (kind === "Component") report.fatal(finding);
    else report.overlooked(finding);
  }
}

function reportUnknownPolicies(entries: readonly Entry[], report: Report): void {
  const resiliency = entries.filter(({ resource }) => resource.kind === "Resiliency");
  const resources = resiliency.map(({ resource }) => resource as ResiliencyResource);
  findUnknownPolicies(resources, (index, keyPath, message, hint) => {
    const { resource, located } = resiliency[index] as Entry;
    report.overlooked({ file: resource.source.file, line: located.lineOf(keyPath), keyPath, message, hint });
  });
}

function byKind(resources: readonly Resource[]): Omit<LoadedResources, "problems"> {
  const all = <K extends Resource["kind"]>(...kinds: K[]) => {
    return resources.filter((resource): resource is Extract<Resource, { kind: K }> =>
      kinds.includes(resource.kind as K),
    );
  };
  return {
    components: all("Component"),
    subscriptions: all("Subscription"),
    resiliency: all("Resiliency"),
    httpEndpoints: all("HTTPEndpoint"),
    rawResources: all("MCPServer", "WorkflowAccessPolicy"),
  };
}

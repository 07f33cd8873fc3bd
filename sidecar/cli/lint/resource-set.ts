import { resolve } from "node:path";
import type { ComponentDocument } from "../../../specs/schemas/component.ts";
import { configurationSchema } from "../../../specs/schemas/configuration.ts";
import type { HttpEndpointDocument } from "../../../specs/schemas/http-endpoint.ts";
import type { ResiliencyDocument } from "../../../specs/schemas/resiliency.ts";
import type { SubscriptionV1Document, SubscriptionV2Document } from "../../../specs/schemas/subscription.ts";
import { loadConfiguration } from "../../config/configuration-files.ts";
import { classify } from "../../config/kinds.ts";
import { type Located, locate } from "../../config/located.ts";
import type { Finding } from "../../config/report.ts";
import { readDocuments } from "../../config/resource-files.ts";
import { toResiliency } from "../../config/to-resiliency.ts";
import { toComponent, toHttpEndpoint, toSubscriptionV1, toSubscriptionV2 } from "../../config/to-resource.ts";
import { topLevelKeys, type YamlDocument } from "../../config/yaml-documents.ts";
import type { Configuration, Problem, Resource } from "../../kernel/config-types.ts";
import { readRunFile } from "../run/run-file.ts";

/** A resource with the document it was read from, which collects findings about it. */
export interface Entry<R extends Resource = Resource> {
  readonly resource: R;
  readonly located: Located<unknown>;
  /** Findings that are no reason to fail. */
  readonly doubts: Finding[];
}

/** A Configuration with the places of its keys. */
export interface ConfigurationEntry {
  readonly configuration: Configuration;
  readonly located: Located<unknown>;
}

/** Everything that was read, and what was wrong with it while reading. */
export class ResourceSet {
  readonly entries: Entry[] = [];
  readonly configurations: ConfigurationEntry[] = [];
  readonly problems: Problem[] = [];
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Reads all documents of a file. Those of other tools are passed over. */
  async add(file: string): Promise<void> {
    const error = (finding: Finding) => this.problems.push({ ...finding, severity: "error" });
    const documents = await readDocuments(file, { broken: error, odd: error });
    if (documents.some(isRunFile)) return void this.problems.push(...(await readRunFile(file)).problems.map(strict));
    let configuration: Located<unknown> | undefined;
    for (const document of documents) {
      const classified = classify(document);
      if (classified.is === "misspelt") error(classified.finding);
      if (classified.is === "unclear") this.problems.push({ ...classified.finding, severity: "warning" });
      if (classified.is !== "resource") continue;
      if (classified.kind === "Configuration") configuration ??= locate(document, configurationSchema, false);
      else this.#addResource(`${classified.kind}/${classified.version}`, document, classified.schema);
    }
    if (configuration) await this.#addConfiguration(file, configuration);
  }

  #addResource(kind: string, document: YamlDocument, schema: object | undefined): void {
    // Kinds without a schema are kept as they are written, so nothing can be wrong with them.
    if (schema === undefined) return;
    const located = locate(document, schema, true);
    const convert = converters[kind];
    if (convert && located.wrong.length === 0) {
      this.entries.push({ resource: convert(located, this.#env), located, doubts: [] });
      return;
    }
    const findings = [...located.wrong, ...located.odd];
    this.problems.push(...findings.map((finding) => ({ ...finding, severity: "error" as const })));
  }

  async #addConfiguration(file: string, located: Located<unknown>): Promise<void> {
    const { configuration, problems } = await loadConfiguration([file], { env: this.#env, strict: true });
    this.problems.push(...problems);
    this.configurations.push({ configuration, located });
  }

  /** Entries of one kind. */
  ofKind<K extends Resource["kind"]>(kind: K): Entry<Extract<Resource, { kind: K }>>[] {
    return this.entries.filter(({ resource }) => resource.kind === kind) as unknown as Entry<
      Extract<Resource, { kind: K }>
    >[];
  }

  /** All problems so far, each once, in the order of the files. */
  allProblems(): Problem[] {
    const found = this.entries.flatMap(({ located, doubts }) => [
      ...[...located.wrong, ...located.odd].map((finding): Problem => ({ ...finding, severity: "error" })),
      ...doubts.map((finding): Problem => ({ ...finding, severity: "warning" })),
    ]);
    const unique = new Map([...this.problems, ...found].map((problem) => [keyOf(problem), problem]));
    return [...unique.values()].sort(byPlace);
  }
}

type Env = Readonly<Record<string, string | undefined>>;
type Convert = (located: Located<unknown>, env: Env) => Resource;

/** By kind and version. The schema that the document was read by is the one its type comes from. */
const converters: Readonly<Record<string, Convert>> = {
  "Component/v1alpha1": (located, env) => toComponent(located as Located<ComponentDocument>, { env }),
  "HTTPEndpoint/v1alpha1": (located, env) => toHttpEndpoint(located as Located<HttpEndpointDocument>, { env }),
  "Resiliency/v1alpha1": (located) => toResiliency(located as Located<ResiliencyDocument>),
  "Subscription/v1alpha1": (located) => toSubscriptionV1(located as Located<SubscriptionV1Document>),
  "Subscription/v2alpha1": (located) => toSubscriptionV2(located as Located<SubscriptionV2Document>),
};

/** A file that `mecha run -f` takes. */
function isRunFile(document: YamlDocument): boolean {
  const keys = topLevelKeys(document);
  return keys.includes("apps") && !keys.includes("kind");
}

/** What a run passes over, a check does not. */
function strict(problem: Problem): Problem {
  return { ...problem, severity: "error" };
}

const keyOf = ({ file, line, keyPath, message }: Problem) =>
  JSON.stringify([file && resolve(file), line, keyPath, message]);

function byPlace(a: Problem, b: Problem): number {
  const [left, right] = [a.file ?? "", b.file ?? ""];
  if (left !== right) return left < right ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

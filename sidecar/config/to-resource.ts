import type { ComponentDocument } from "../../specs/schemas/component.ts";
import type { HttpEndpointDocument } from "../../specs/schemas/http-endpoint.ts";
import type { SubscriptionV1Document, SubscriptionV2Document } from "../../specs/schemas/subscription.ts";
import type {
  ComponentResource,
  HttpEndpointResource,
  NameValuePair,
  RawResource,
  ResourceHeader,
  Subscription,
  SubscriptionResource,
} from "../kernel/config-types.ts";
import { parseDurationMs } from "../kernel/duration.ts";
import { flatSettings } from "../kernel/flat-settings.ts";
import type { Located } from "./located.ts";
import { type PairContext, toPair, toPairs } from "./pairs.ts";
import { neededSecrets } from "./values.ts";

/** What reading any resource depends on. */
export interface ResourceContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Store used by resources that name none; absent outside Kubernetes. */
  readonly defaultSecretStore?: string;
}

/** What a document of any kind says about itself. */
export function toHeader(located: Located<HeaderDocument>): ResourceHeader {
  const { metadata, scopes = [] } = located.data;
  const { name, namespace } = metadata;
  return { name, ...(namespace ? { namespace } : {}), scopes, source: located.source };
}

interface HeaderDocument {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
  readonly scopes?: readonly string[];
}

export function toComponent(located: Located<ComponentDocument>, context: ResourceContext): ComponentResource {
  const { spec } = located.data;
  const store = storeOf(located.data.auth, context);
  const metadata = toPairs(spec.metadata, "spec.metadata", located, pairContext(context, store));
  return {
    kind: "Component",
    ...toHeader(located),
    type: spec.type,
    version: toVersion(spec.version),
    metadata,
    initTimeoutMs: parseDurationMs(spec.initTimeout),
    ignoreErrors: spec.ignoreErrors,
    ...(spec.requires.length > 0 ? { requires: spec.requires } : {}),
    ...withStore(store, metadata),
  };
}

/** The published versions `""`, `v0` and `v1` are one. */
export function toVersion(written: string): string {
  return written === "" || written === "v0" ? "v1" : written;
}

export function toHttpEndpoint(located: Located<HttpEndpointDocument>, context: ResourceContext): HttpEndpointResource {
  const { baseUrl, headers: writtenHeaders, clientTLS } = located.data.spec;
  const store = storeOf(located.data.auth, context);
  const pairs = pairContext(context, store);
  if (!/^https?:\/\//i.test(baseUrl) || !URL.canParse(baseUrl)) {
    const bare = !baseUrl.includes("://") && URL.canParse(`http://${baseUrl}`);
    const hint = bare ? `write "http://${baseUrl}"` : 'write a URL such as "https://host"';
    located.refuse("spec.baseUrl", `${JSON.stringify(baseUrl)} is not an HTTP URL`, hint);
  }
  const headers = toPairs(writtenHeaders, "spec.headers", located, pairs);
  const tls = (key: "rootCA" | "certificate" | "privateKey"): NameValuePair | undefined => {
    const written = clientTLS?.[key];
    return written && toPair(key, written, `spec.clientTLS.${key}`, located, pairs);
  };
  const [rootCa, certificate, privateKey] = [tls("rootCA"), tls("certificate"), tls("privateKey")];
  const all = [...headers, rootCa, certificate, privateKey].filter((pair) => pair !== undefined);
  const clientTls = clientTLS && {
    ...(rootCa && { rootCa }),
    ...(certificate && { certificate }),
    ...(privateKey && { privateKey }),
    renegotiation: clientTLS.renegotiation,
  };
  const header = toHeader(located);
  return {
    kind: "HTTPEndpoint",
    ...header,
    baseUrl,
    headers,
    ...(clientTls && { clientTls }),
    ...withStore(store, all),
  };
}

export function toSubscriptionV1(located: Located<SubscriptionV1Document>): SubscriptionResource {
  const { spec } = located.data;
  const routes = spec.route ? [{ match: "", path: spec.route }] : [];
  return { kind: "Subscription", ...toHeader(located), ...subscribed(spec), routes };
}

export function toSubscriptionV2(located: Located<SubscriptionV2Document>): SubscriptionResource {
  const { spec } = located.data;
  const { rules, default: fallback } = spec.routes;
  const routes = [...rules, ...(fallback ? [{ match: "", path: fallback }] : [])];
  return { kind: "Subscription", ...toHeader(located), ...subscribed(spec), routes };
}

function subscribed(
  spec: SubscriptionV1Document["spec"] | SubscriptionV2Document["spec"],
): Omit<Subscription, "routes"> {
  const { pubsubname, topic, metadata, deadLetterTopic, bulkSubscribe, delivery } = spec;
  return {
    pubsubName: pubsubname,
    topic,
    metadata: delivery ? { ...metadata, ...flatSettings(delivery) } : metadata,
    ...(deadLetterTopic ? { deadLetterTopic } : {}),
    ...(bulkSubscribe ? { bulkSubscribe } : {}),
  };
}

/** A document that is kept as it was written. Its name and scopes are still read. */
export function toRaw(kind: RawResource["kind"], located: Located<Record<string, unknown>>): RawResource {
  return { kind, ...toHeader(located as unknown as Located<HeaderDocument>), document: located.data };
}

function storeOf(auth: { secretStore?: string } | undefined, context: ResourceContext): string | undefined {
  return auth?.secretStore || context.defaultSecretStore;
}

function pairContext({ env }: ResourceContext, secretStore: string | undefined): PairContext {
  return { env, secretStore };
}

function withStore(secretStore: string | undefined, pairs: readonly NameValuePair[]) {
  return { ...(secretStore && { secretStore }), neededSecrets: neededSecrets(secretStore, pairs) };
}

import type { Request } from "../kernel/request.ts";

export interface SpanFacts {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Name and attributes of the span of a call. `endpoint` is the name of its method, for calls that say nothing themselves. */
export function factsOf({ api, wire }: Request, endpoint: string): SpanFacts {
  const attributes = { "dapr.protocol": wire, "dapr.api": api || endpoint };
  if (wire === "grpc" || api === "") {
    const service = /^\/?(?:[\w.]+\.)?(\w+)\//.exec(api)?.[1];
    return { name: api || endpoint, attributes: { ...attributes, ...(service && { "rpc.service": service }) } };
  }
  const [verb = "", path = ""] = api.split(" ");
  const [, version, block = "", name = "", ...rest] = path.split("/");
  switch (block) {
    case "state":
    case "secrets":
    case "bindings":
      return { name: path, attributes: { ...attributes, ...database(block, `${verb} /${version}/${block}`, name) } };
    case "publish":
      return { name: path, attributes: { ...attributes, ...messaging(rest) } };
    case "invoke":
      return rest[0] === "method" ? invocation(name, rest.slice(1).join("/"), attributes) : { name: path, attributes };
    default:
      return { name: path, attributes };
  }
}

const database = (block: string, statement: string, name: string) => ({
  "db.system": block,
  "db.name": name,
  "db.statement": `${statement}/${name}`,
  "db.connection_string": block,
});

const messaging = (topic: readonly string[]) => ({
  "messaging.system": "pubsub",
  "messaging.destination": topic.join("/"),
  "messaging.destination_kind": "topic",
});

const invocation = (appId: string, method: string, attributes: Readonly<Record<string, string>>): SpanFacts => ({
  name: `CallLocal/${appId}/${method}`,
  attributes: {
    ...attributes,
    "dapr.invoke_method": method,
    "net.peer.name": appId,
    "rpc.service": "ServiceInvocation",
  },
});

import { type Static, Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { defineSecretStore, type SecretValues } from "../contract/secrets.ts";
import { text } from "../contract/settings.ts";
import { type KubeObject, KubernetesApi } from "./api.ts";
import { clusterSettings } from "./cluster.ts";
import { checkedNamespace, isObjectName } from "./names.ts";

const metadata = Type.Object({
  defaultNamespace: Type.Optional(
    text({ description: "Namespace of requests that give none; default: NAMESPACE of the sidecar's environment." }),
  ),
  ...clusterSettings,
});

interface Secret extends KubeObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>> | null;
}

export default defineSecretStore({
  type: "secretstores.kubernetes",
  status: "beta",
  summary: "Reads the secrets of a Kubernetes namespace.",
  metadata,
  capabilities: ["multiple"],
  async open(settings, context) {
    const api = await KubernetesApi.open(settings.kubeconfigPath, context);
    try {
      await api.check(context.signal);
    } catch (error) {
      api.close();
      throw error;
    }
    const folderOf = (request: Readonly<Record<string, string>>) => namespaceOf(request, settings, context.namespace);
    return {
      async get(name, request, { signal }) {
        const namespace = folderOf(request);
        // The server would refuse the name, or take it for another path.
        if (!isObjectName(name)) throw fail("secretNotFound", { name });
        const what = `get secrets in the namespace ${namespace}`;
        const found = await api.find<Secret>(`api/v1/namespaces/${namespace}/secrets/${name}`, what, signal);
        if (!found) throw fail("secretNotFound", { name });
        return valuesOf(found);
      },
      async getAll(request, { signal }) {
        const namespace = folderOf(request);
        const what = `list secrets in the namespace ${namespace}`;
        const { items } = await api.list<Secret>(`api/v1/namespaces/${namespace}/secrets`, what, signal);
        return Object.fromEntries(items.map((one) => [one.metadata.name, valuesOf(one)]));
      },
      ping: ({ signal = new AbortController().signal }) => api.check(signal),
      close: async () => api.close(),
    };
  },
});

function namespaceOf(
  request: Readonly<Record<string, string>>,
  { defaultNamespace }: Static<typeof metadata>,
  own: string,
): string {
  return checkedNamespace(request["namespace"] || defaultNamespace || own);
}

function valuesOf({ data }: Secret): SecretValues {
  const values = Object.entries(data ?? {});
  return Object.fromEntries(values.map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]));
}

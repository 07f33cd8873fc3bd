import { join } from "node:path";
import kubernetesBindings from "../../components/kubernetes/bindings.ts";
import kubernetesNames from "../../components/kubernetes/name-resolution.ts";
import kubernetesSecrets from "../../components/kubernetes/secretstores.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { type KubernetesDouble, startKubernetes } from "../support/kubernetes-api.ts";
import { tempFolder } from "../support/temp-folder.ts";
import type { BindingTarget } from "./bindings.suite.ts";
import type { ResolverTarget } from "./name-resolution.suite.ts";
import type { SecretTarget } from "./secrets.suite.ts";
import { fresh } from "./target.ts";

export const kubernetesSecretTarget: SecretTarget = {
  driver: kubernetesSecrets,
  async prepare(secrets) {
    const { cluster, kubeconfig } = await startKubernetes();
    for (const [name, value] of Object.entries(secrets)) {
      cluster.put("secrets", "default", name, { data: { [name]: Buffer.from(value).toString("base64") } });
    }
    return { kubeconfigPath: join(tempFolder({ config: kubeconfig() }), "config") };
  },
};

export const kubernetesResolverTarget: ResolverTarget = {
  driver: kubernetesNames,
  prepare: async (addresses) => ({
    port: 5001,
    servers: [
      await startDnsServer({
        "orders-dapr.default.svc.cluster.local": { a: addresses.map((address) => address.split(":")[0] ?? "") },
      }),
    ],
  }),
};

let latest: KubernetesDouble;

export const kubernetesBindingTarget: BindingTarget = {
  driver: kubernetesBindings,
  async prepare() {
    const { cluster, kubeconfig } = await startKubernetes();
    latest = cluster;
    return { namespace: "shop", kubeconfigPath: join(tempFolder({ config: kubeconfig() }), "config") };
  },
  input: {
    async happen() {
      latest.put("events", "shop", fresh("event"), {});
      await turns();
    },
  },
};

/** Both ends of the connection are in this process: so many turns take an event from one to the other. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import type { Clock } from "../contract/driver.ts";
import type { ClientTls } from "../contract/http-client.ts";
import { readPem } from "../contract/pem.ts";
import { text } from "../contract/settings.ts";
import { type Credentials, execToken, fixedHeader, tokenFile } from "./credentials.ts";
import { type KubeContext, readKubeconfig } from "./kubeconfig.ts";

/** Setting of every component that asks the API server. */
export const clusterSettings = {
  kubeconfigPath: Type.Optional(
    text({
      description: "Path of a kubeconfig; default: the pod's service account, else KUBECONFIG, else ~/.kube/config.",
    }),
  ),
};

/** An API server and who asks. */
export interface Cluster {
  readonly url: URL;
  readonly tls: ClientTls;
  readonly credentials: Credentials;
  /** What to correct when it refuses: a setting, or where the credentials are from. */
  readonly source: string;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Where a pod finds its service account. */
  readonly accountFolder: string;
}

const here = (): Surroundings => ({
  env: process.env,
  home: homedir(),
  accountFolder: "/var/run/secrets/kubernetes.io/serviceaccount",
});

/** Finds the cluster. Rejects with `openFailed`. */
export async function findCluster(
  kubeconfigPath: string | undefined,
  clock: Clock,
  surroundings = here(),
): Promise<Cluster> {
  const { env, home, accountFolder } = surroundings;
  if (kubeconfigPath) return fromKubeconfig("kubeconfigPath", kubeconfigPath, clock);
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, KUBECONFIG: named } = env;
  if (host && existsSync(join(accountFolder, "token"))) {
    const source = "the service account of the pod";
    const ca = await readPem(source, join(accountFolder, "ca.crt"));
    return {
      url: new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port || "443"}/`),
      tls: { ca },
      credentials: tokenFile(source, join(accountFolder, "token"), clock),
      source,
    };
  }
  if (named) return fromKubeconfig("KUBECONFIG", named, clock);
  const usual = join(home, ".kube", "config");
  if (existsSync(usual)) return fromKubeconfig("~/.kube/config", usual, clock);
  throw fail("openFailed", {
    why: "kubeconfigPath: this is no pod with a service account, and there is no ~/.kube/config; set kubeconfigPath",
  });
}

async function fromKubeconfig(source: string, paths: string, clock: Clock): Promise<Cluster> {
  const context = await readKubeconfig(source, paths);
  const url = URL.parse(context.server.endsWith("/") ? context.server : `${context.server}/`);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw fail("openFailed", { why: `${source}: the server ${JSON.stringify(context.server)} is not a URL` });
  }
  const { ca, serverName, insecure, certificate, key } = context;
  const tls = { ca, serverName, insecure, certificate, key };
  return { url, tls, credentials: credentialsOf(source, context, clock), source };
}

function credentialsOf(source: string, { token, tokenFile: file, basic, exec }: KubeContext, clock: Clock) {
  // A file goes before a token, which may be a copy of what was in it.
  if (file) return tokenFile(source, file, clock);
  if (token) return fixedHeader(`Bearer ${token}`);
  if (basic) return fixedHeader(`Basic ${Buffer.from(`${basic.user}:${basic.password}`).toString("base64")}`);
  if (exec) return execToken(source, exec, clock);
  return fixedHeader(undefined);
}

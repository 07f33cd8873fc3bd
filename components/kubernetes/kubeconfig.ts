import { readFile } from "node:fs/promises";
import { delimiter, dirname, resolve } from "node:path";
import { causeText, fail } from "../../specs/errors.ts";

/** How to run a program that gives credentials. */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** One context of a kubeconfig: where the API server is and who asks. Certificates and keys are PEM texts. */
export interface KubeContext {
  readonly server: string;
  readonly ca: string | undefined;
  readonly serverName: string | undefined;
  readonly insecure: boolean;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly basic: { readonly user: string; readonly password: string } | undefined;
  readonly exec: ExecPlugin | undefined;
}

type Fields = Readonly<Record<string, unknown>>;
interface File {
  readonly path: string;
  readonly document: Fields;
}

/**
 * Reads the current context of one kubeconfig, or of several as in KUBECONFIG, where the first that names something wins.
 * Rejects with `openFailed`, which names `setting`.
 */
export async function readKubeconfig(setting: string, paths: string): Promise<KubeContext> {
  const files: File[] = [];
  for (const path of paths.split(delimiter).filter((one) => one !== "")) files.push(await readOne(setting, path));
  const wrong = (what: string) => fail("openFailed", { why: `${setting}: ${what} in ${paths}` });
  const current = files.map(({ document }) => textIn(document, "current-context")).find(Boolean);
  if (!current) throw wrong("there is no current-context");
  const context = named(files, "contexts", current, "context");
  if (!context) throw wrong(`there is no context ${current}`);
  const clusterName = textIn(context.fields, "cluster") ?? "";
  const cluster = named(files, "clusters", clusterName, "cluster");
  if (!cluster) throw wrong(`there is no cluster ${clusterName}`);
  const userName = textIn(context.fields, "user");
  const user = userName ? named(files, "users", userName, "user") : undefined;
  if (userName && !user) throw wrong(`there is no user ${userName}`);
  const server = textIn(cluster.fields, "server");
  if (!server) throw wrong(`cluster ${clusterName} has no server`);
  if (textIn(cluster.fields, "proxy-url")) throw wrong("proxy-url is not supported; leave it out");
  if (user?.fields["auth-provider"]) throw wrong(`auth-provider of user ${userName} is of old; use its exec plugin`);
  const certified = user ? await certificateOf(setting, user) : {};
  return {
    server,
    ca: await pemOf(setting, cluster, "certificate-authority"),
    serverName: textIn(cluster.fields, "tls-server-name"),
    insecure: cluster.fields["insecure-skip-tls-verify"] === true,
    token: user && textIn(user.fields, "token"),
    tokenFile: user && pathIn(user, "tokenFile"),
    certificate: undefined,
    key: undefined,
    ...certified,
    basic: user && basicOf(user.fields),
    exec: user && execOf(user),
  };
}

async function readOne(setting: string, path: string): Promise<File> {
  const { parse } = await import("yaml");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw fail("openFailed", { why: `${setting}: cannot be read (${causeText(error)})` }, { cause: error });
  }
  try {
    const document: unknown = parse(text);
    if (typeof document === "object" && document !== null) return { path, document: document as Fields };
  } catch {
    // Its text might quote a token.
  }
  throw fail("openFailed", {
    why: `${setting}: ${path} is no kubeconfig, which is YAML with clusters, users, contexts`,
  });
}

interface Entry {
  readonly fields: Fields;
  /** Relative paths in it start here. */
  readonly folder: string;
}

function named(files: readonly File[], list: string, name: string, key: string): Entry | undefined {
  for (const { path, document } of files) {
    const entries = Array.isArray(document[list]) ? (document[list] as Fields[]) : [];
    const entry = entries.find((one) => one["name"] === name);
    if (entry) return { fields: (entry[key] ?? {}) as Fields, folder: dirname(resolve(path)) };
  }
  return undefined;
}

function textIn(fields: Fields, key: string): string | undefined {
  const value = fields[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function pathIn({ fields, folder }: Entry, key: string): string | undefined {
  const path = textIn(fields, key);
  return path === undefined ? undefined : resolve(folder, path);
}

/** What `<key>-data` holds, or the file that `<key>` names. */
async function pemOf(setting: string, entry: Entry, key: string): Promise<string | undefined> {
  const data = textIn(entry.fields, `${key}-data`);
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  const path = pathIn(entry, key);
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw fail("openFailed", { why: `${setting}: ${key} cannot be read (${causeText(error)})` }, { cause: error });
  }
}

async function certificateOf(setting: string, user: Entry) {
  const certificate = await pemOf(setting, user, "client-certificate");
  return { certificate, key: await pemOf(setting, user, "client-key") };
}

function basicOf(fields: Fields): KubeContext["basic"] {
  const user = textIn(fields, "username");
  return user === undefined ? undefined : { user, password: textIn(fields, "password") ?? "" };
}

function execOf({ fields, folder }: Entry): ExecPlugin | undefined {
  const exec = fields["exec"] as Fields | undefined;
  const command = exec && textIn(exec, "command");
  if (!exec || command === undefined) return undefined;
  const env = Array.isArray(exec["env"]) ? (exec["env"] as { name: string; value: string }[]) : [];
  return {
    apiVersion: textIn(exec, "apiVersion") ?? "client.authentication.k8s.io/v1",
    // A path is relative to the file; a bare name is looked up on PATH.
    command: command.includes("/") ? resolve(folder, command) : command,
    args: Array.isArray(exec["args"]) ? exec["args"].map(String) : [],
    env: Object.fromEntries(env.map(({ name, value }) => [name, String(value)])),
  };
}

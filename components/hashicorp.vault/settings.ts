import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import type { ClientTls } from "../contract/http-client.ts";
import { readPem } from "../contract/pem.ts";
import { choice, durationMs, flag, secret, text } from "../contract/settings.ts";

export const metadata = Type.Object({
  vaultAddr: text({ default: "https://127.0.0.1:8200", description: "Where the server is: a URL of http or https." }),
  caPem: Type.Optional(
    text({ description: "Authority of the server's certificate, as PEM text; goes before caPath and caCert." }),
  ),
  caPath: Type.Optional(
    text({ description: "Folder with the PEM file of that authority, the first one of it; goes before caCert." }),
  ),
  caCert: Type.Optional(text({ description: "Path of the PEM file of that authority." })),
  skipVerify: flag({ default: false, description: "Take any certificate: for development only." }),
  tlsServerName: Type.Optional(
    text({ description: "Name to look for in the certificate; default: that of vaultAddr." }),
  ),
  vaultToken: Type.Optional(
    secret({
      description: "Token of a policy that may read the secrets. This, vaultTokenMountPath or AppRole is needed.",
    }),
  ),
  vaultTokenMountPath: Type.Optional(
    text({ description: "Path of a file with the token; read again when the server no longer takes the token." }),
  ),
  appRoleId: Type.Optional(
    text({ description: "Role id of an AppRole to log in with; its tokens are renewed before they end." }),
  ),
  appRoleSecretId: Type.Optional(secret({ description: "Secret id of the AppRole." })),
  appRoleSecretIdPath: Type.Optional(
    text({ description: "Path of a file with the secret id; read again at each log-in." }),
  ),
  appRolePath: text({ default: "approle", description: "Where the AppRole method is mounted, below auth/." }),
  vaultNamespace: Type.Optional(text({ description: "Namespace of the server, where it has them." })),
  vaultKVPrefix: text({ default: "dapr", description: "Folder of the secrets below enginePath." }),
  vaultKVUsePrefix: flag({ default: true, description: "Without: secrets are right below enginePath." }),
  enginePath: text({ default: "secret", description: "Where the KV engine is mounted." }),
  vaultKVVersion: choice(["1", "2"], { default: "2", description: "Version of the KV engine; 1 keeps one version." }),
  vaultValueType: choice(["map", "text"], {
    default: "map",
    description: "`map`: the keys and values of a secret; `text`: all of it as JSON text, under the secret's own name.",
  }),
  vaultTimeout: durationMs({ default: 30_000, unit: "s", description: "Longest wait for an answer of the server." }),
});
export type VaultSettings = Static<typeof metadata>;

/** The settings of all that is about the connection, read. Rejects with `openFailed`. */
export async function readTls(settings: VaultSettings): Promise<ClientTls> {
  return { ca: await readAuthority(settings), serverName: settings.tlsServerName, insecure: settings.skipVerify };
}

/** Where requests go; a path in the setting stays in front of theirs. Throws `openFailed`. */
export function readAddress({ vaultAddr }: VaultSettings): URL {
  const url = URL.parse(vaultAddr.endsWith("/") ? vaultAddr : `${vaultAddr}/`);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw fail("openFailed", {
    why: `vaultAddr: ${JSON.stringify(vaultAddr)} is not a URL; write it as https://vault.example.com:8200`,
  });
}

async function readAuthority({ caPem, caPath, caCert }: VaultSettings): Promise<string | undefined> {
  if (caPem) {
    if (caPem.includes("-----BEGIN CERTIFICATE")) return caPem;
    throw fail("openFailed", { why: "caPem: holds no PEM text, which starts with -----BEGIN CERTIFICATE-----" });
  }
  if (!caPath) return readPem("caCert", caCert);
  try {
    const files = await readdir(caPath, { withFileTypes: true });
    // Mounted secrets are links to files.
    const names = files.filter((file) => !file.isDirectory() && !file.name.startsWith(".")).map(({ name }) => name);
    const [first] = names.sort();
    if (first !== undefined) return await readFile(join(caPath, first), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return readPem("caPath", caPath);
    throw fail("openFailed", { why: `caPath: cannot be read (${causeText(error)})` }, { cause: error });
  }
  throw fail("openFailed", { why: `caPath: there is no file in ${caPath}` });
}

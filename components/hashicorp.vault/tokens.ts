import { fail } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { openAppRole } from "./app-role.ts";
import type { VaultServer } from "./server.ts";
import type { VaultSettings } from "./settings.ts";
import { openTokenFile } from "./token-file.ts";
import type { TokenSource } from "./token-source.ts";

/** By the one way that the settings give. Rejects with `openFailed` or `backendUnavailable`. */
export async function openTokens(
  settings: VaultSettings,
  server: VaultServer,
  context: OpenContext,
): Promise<TokenSource> {
  const { vaultToken, vaultTokenMountPath, appRoleId } = settings;
  const ways = Object.entries({ vaultToken, vaultTokenMountPath, appRoleId }).filter(([, value]) => value);
  if (ways.length > 1) {
    const names = ways.map(([name]) => name).join(" and ");
    throw fail("openFailed", { why: `${names}: give one way to a token, not several` });
  }
  if (vaultToken)
    return { setting: "vaultToken", token: vaultToken, replace: async () => false, close: async () => {} };
  if (vaultTokenMountPath) return openTokenFile("vaultTokenMountPath", vaultTokenMountPath);
  if (appRoleId) return openAppRole(settings, appRoleId, server, context);
  throw fail("openFailed", {
    why: "vaultToken: no token is given; set vaultToken, vaultTokenMountPath, or appRoleId with its secret id",
  });
}

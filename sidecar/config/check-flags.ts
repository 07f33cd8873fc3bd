import type { Problem } from "../kernel/config-types.ts";
import type { FlagName, FlagValues } from "./flags.ts";

/** What is wrong with flags that each are well formed. */
export function checkFlags(values: FlagValues): Problem[] {
  return [...checkAppId(values), ...checkPorts(values), ...checkHealth(values)];
}

function checkAppId({ mode, "app-id": appId }: FlagValues): Problem[] {
  if (appId === "") return [error("app-id", "is required", "write --app-id <name of the app>")];
  if (mode === "standalone") {
    if (!appId.includes(".")) return [];
    return [error("app-id", `${quoted(appId)} holds a dot`, `write --app-id ${appId.replaceAll(".", "-")}`)];
  }
  // The name of the app's service is made of it.
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(appId) && `${appId}-dapr`.length <= 63) return [];
  const label = appId
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 58);
  const message = `${quoted(appId)} is not a name of at most 58 lower-case letters, digits and dashes`;
  return [error("app-id", message, `write --app-id ${label || "my-app"}`)];
}

function checkPorts(values: FlagValues): Problem[] {
  const port = values["app-port"];
  const clash = (["dapr-http-port", "dapr-grpc-port"] as const).find((name) => values[name] === port);
  if (port === undefined || clash === undefined) return [];
  return [error(clash, `${port} is the port of the app`, `change --${clash} or --app-port`)];
}

function checkHealth(values: FlagValues): Problem[] {
  const intervalMs = values["app-health-probe-interval"] * 1000;
  const timeoutMs = values["app-health-probe-timeout"];
  if (intervalMs <= 0 || timeoutMs <= intervalMs) return [];
  const message = `${timeoutMs} ms is longer than the interval of ${intervalMs} ms`;
  return [error("app-health-probe-timeout", message, `write ${intervalMs} or less`)];
}

function error(flag: FlagName, message: string, hint: string): Problem {
  return { severity: "error", flag, message, hint };
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

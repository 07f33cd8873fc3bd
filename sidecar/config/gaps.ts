import { fail } from "../../specs/errors.ts";
import type { Config } from "../kernel/config-types.ts";

/**
 * What the configuration asks for and this sidecar does not offer. Where going on without it would be unsafe, it refuses
 * to start; the rest is told as warnings.
 *
 * @throws MechaError `openFailed` for middleware, since leaving out a check that somebody relies on opens a door
 */
export function findGaps(config: Config): readonly string[] {
  const { httpPipeline, appHttpPipeline, accessControl } = config.configuration;
  const [handler] = [...httpPipeline, ...appHttpPipeline];
  if (handler) {
    const where = httpPipeline.includes(handler) ? "httpPipeline" : "appHttpPipeline";
    const why = `spec.${where}: middleware ${handler.name} (${handler.type}) is not offered; take it out, or check requests in the app`;
    throw fail("openFailed", { why });
  }
  const gaps: string[] = [];
  if (config.controlPlane.mtlsEnabled)
    gaps.push("--enable-mtls is not offered: calls between sidecars travel in clear text");
  if (accessControl)
    gaps.push(
      "spec.accessControl trusts the app id that a peer names, since calls between sidecars carry no certificate",
    );
  if (config.profile.enabled) gaps.push("--enable-profiling is not offered; start with `node --cpu-prof` instead");
  for (const { kind, name, source } of config.rawResources)
    gaps.push(`${source.file}:${source.line}: ${kind} ${name} is not used by this sidecar`);
  return gaps;
}

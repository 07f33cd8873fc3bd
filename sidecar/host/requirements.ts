import type { AnyDriver } from "../../components/contract/any-driver.ts";
import { capabilitiesOf } from "../../components/contract/capabilities.ts";
import { fail } from "../../specs/errors.ts";
import { didYouMean } from "../kernel/did-you-mean.ts";

/** Capabilities that an app counts on, by component name. */
export type Requirements = Readonly<Record<string, readonly string[]>>;

/** A capability that cannot be had. */
export interface Unmet {
  readonly name: string;
  readonly message: string;
  readonly hint: string;
}

/** Compares what is required with what a driver can do. `emulated`: a sentence for each that the sidecar makes up for. */
export function compareRequired(
  { type, kind, capabilities }: AnyDriver,
  required: readonly string[],
): { readonly unmet: readonly Unmet[]; readonly emulated: readonly string[] } {
  const known = capabilitiesOf(kind);
  const unmet: Unmet[] = [];
  const emulated: string[] = [];
  for (const name of new Set(required)) {
    const about = known[name];
    if (!about) {
      const names = Object.keys(known);
      const hint = didYouMean(name, names) ?? (names.length > 0 ? `use ${names.join(", ")}` : `${kind} has none`);
      unmet.push({ name, message: `requires ${JSON.stringify(name)}, which is no capability of ${kind}`, hint });
    } else if ((capabilities as readonly string[]).includes(name)) continue;
    else if (about.emulated) emulated.push(`${type} lacks ${name}: ${about.emulated}`);
    else {
      const message = `requires ${name} (${about.means}), which ${type} cannot do`;
      unmet.push({
        name,
        message,
        hint: `\`mecha components --kind ${kind} --capability ${name}\` lists drivers that can`,
      });
    }
  }
  return { unmet, emulated };
}

/**
 * @param at put before every problem
 * @returns a sentence for each capability that the sidecar makes up for
 * @throws `openFailed` that names each one that cannot be had, with what would help
 */
export function checkRequired(at: string, driver: AnyDriver, required: readonly string[]): readonly string[] {
  const { unmet, emulated } = compareRequired(driver, required);
  if (unmet.length === 0) return emulated;
  throw fail("openFailed", { why: unmet.map(({ message, hint }) => `${at}: ${message}; ${hint}`).join("\n") });
}

/** @throws `openFailed` when something is required of a component that is not declared */
export function checkDeclared(requirements: Requirements, declared: readonly string[]): void {
  const absent = Object.keys(requirements).filter((name) => !declared.includes(name));
  if (absent.length === 0) return;
  const why = absent.map((name) => {
    const hint = didYouMean(name, declared) ?? `declared: ${declared.join(", ") || "none"}`;
    return `Configuration: spec.components.requires names ${name}, which is not declared; ${hint}`;
  });
  throw fail("openFailed", { why: why.join("\n") });
}

import { type AnyDriver, runtimeSettings } from "../../../components/contract/any-driver.ts";
import { isPluggable } from "../../../components/pluggable/driver.ts";
import { socketNames } from "../../../components/pluggable/sockets.ts";
import { registry } from "../../../components/registry.gen.ts";
import { compareRequired } from "../../host/requirements.ts";
import { readSettings, type SettingText } from "../../host/settings.ts";
import type { ComponentResource, NameValuePair } from "../../kernel/config-types.ts";
import { didYouMean } from "../../kernel/did-you-mean.ts";
import type { Entry } from "./resource-set.ts";

type Registry = Readonly<Record<string, (() => Promise<{ readonly default: unknown }>) | undefined>>;

type Env = Readonly<Record<string, string | undefined>>;

/** Checks a component against the driver its type names: that there is one, and every setting. */
export async function checkComponent(entry: Entry<ComponentResource>, env: Env): Promise<void> {
  const driver = await requireDriver(entry, env);
  if (!driver) return;
  checkSettings(entry, driver);
  const { requires = [] } = entry.resource;
  for (const { name, message, hint } of compareRequired(driver, requires).unmet) {
    entry.located.refuse(`spec.requires[${requires.indexOf(name)}]`, message, hint);
  }
}

async function requireDriver(entry: Entry<ComponentResource>, env: Env): Promise<AnyDriver | undefined> {
  const { resource, located } = entry;
  const drivers = registry as Registry;
  const wanted = resource.type.toLowerCase();
  const load = drivers[resource.version === "v1" ? wanted : `${wanted}/${resource.version}`];
  if (load) return (await load()).default as AnyDriver;
  const types = Object.keys(drivers).filter((type) => !type.includes("/"));
  if (types.includes(wanted)) {
    const versions = Object.keys(drivers).flatMap((type) =>
      type.startsWith(`${wanted}/`) ? type.slice(wanted.length + 1) : [],
    );
    located.refuse(
      "spec.version",
      `${resource.type} has no version ${resource.version}`,
      `write ${["v1", ...versions].join(" or ")}`,
    );
    return undefined;
  }
  if (mayHaveSocket(entry, env)) return undefined;
  // A type of the same kind is closer than one that is only spelt like it.
  const kind = `${wanted.split(".")[0]}.`;
  const near = types.filter((type) => type.startsWith(kind));
  const hint = didYouMean(wanted, near) ?? didYouMean(wanted, types) ?? "`mecha components` lists them";
  located.refuse("spec.type", `there is no component type ${JSON.stringify(resource.type)}`, hint);
  return undefined;
}

/** Whether a process of its own may offer the type: where a folder of sockets is named. What it can do only it knows. */
function mayHaveSocket({ resource, located, doubts }: Entry<ComponentResource>, env: Env): boolean {
  const folder = env["DAPR_COMPONENTS_SOCKETS_FOLDER"] || env["DAPR_COMPONENT_SOCKETS_FOLDER"];
  const [category = "", ...words] = resource.type.toLowerCase().split(".");
  if (!folder || !isPluggable(category)) return false;
  const name = words.join(".");
  if (!socketNames(folder).some((one) => one.toLowerCase() === name)) {
    doubts.push({
      file: located.source.file,
      line: located.lineOf("spec.type"),
      keyPath: "spec.type",
      message: `${resource.type} is not built in, and there is no ${name}.sock in ${folder}`,
      hint: "start the component's process before the sidecar, or within its initTimeout",
    });
  }
  return true;
}

/** A value that is known when the sidecar starts, not now. */
function isOpen({ value, secretKeyRef, envRef }: NameValuePair): boolean {
  return secretKeyRef !== undefined || envRef !== undefined || /\{(uuid|podName|namespace|appID)\}/.test(value ?? "");
}

interface Property {
  readonly aliases?: readonly string[];
  readonly sensitive?: boolean;
}

function checkSettings(entry: Entry<ComponentResource>, driver: AnyDriver): void {
  const { resource, located } = entry;
  const runtime = runtimeSettings[driver.kind];
  const properties = { ...runtime?.properties, ...driver.metadata.properties } as Record<string, Property>;
  // Spelling in lower case → the setting's own name.
  const names = new Map(
    Object.entries(properties).flatMap(([name, { aliases = [] }]) =>
      [name, ...aliases].map((one) => [one.toLowerCase(), name] as const),
    ),
  );
  const placed = resource.metadata.map((pair, at) => ({
    pair,
    at,
    name: names.get(pair.name.toLowerCase()) ?? pair.name,
  }));
  const known: SettingText[] = placed
    .filter(({ pair }) => !isOpen(pair))
    .map(({ pair }) => ({ name: pair.name, value: pair.value ?? "" }));
  const open = placed.filter(({ pair }) => isOpen(pair));
  const { problems } = readSettings(driver.metadata, runtime, known);
  for (const { key, message, hint } of problems.map(splitProblem)) {
    // Missing among the known values only.
    if (open.some(({ name }) => name === key)) continue;
    const written = placed.findLast(({ name }) => name === key);
    if (written)
      located.refuse(
        `spec.metadata[${written.at}].value`,
        `${key}: ${message}`,
        hint ?? `see \`mecha components ${driver.type}\``,
      );
    else located.refuse("spec.metadata", `${key}: ${message}`, `add "- name: ${key}"`);
  }
  const { unknown } = readSettings(
    driver.metadata,
    runtime,
    placed.map(({ pair }) => ({ name: pair.name, value: pair.value ?? "" })),
  );
  for (const { key, message, hint } of unknown.map(splitProblem)) {
    const at = placed.find(({ pair }) => pair.name === key)?.at ?? 0;
    located.refuse(
      `spec.metadata[${at}].name`,
      `${driver.type} has no setting ${JSON.stringify(key)}`,
      hint ?? `${message}; see \`mecha components ${driver.type}\``,
    );
  }
  for (const { pair, at, name } of placed) {
    const keyPath = `spec.metadata[${at}]`;
    const earlier = placed.slice(0, at).some((other) => other.name === name);
    if (earlier)
      located.refuse(`${keyPath}.name`, `${name} is given twice`, "remove one of the two; the last one counts");
    if (properties[name]?.sensitive && pair.value) {
      const hint = "use secretKeyRef or envRef, so that it can be kept out of the repository";
      entry.doubts.push({
        file: resource.source.file,
        line: located.lineOf(keyPath),
        keyPath,
        message: `${name} is a secret in plain text`,
        hint,
      });
    }
  }
}

/** A problem of `readSettings`: `metadata port: "x" is not a number; write 1`. */
function splitProblem(text: string): { key: string; message: string; hint: string | undefined } {
  const [, key = "", rest = text] = /^metadata (\S+): (.*)$/s.exec(text) ?? [];
  const at = rest.indexOf("; ");
  return at < 0
    ? { key, message: rest, hint: undefined }
    : { key, message: rest.slice(0, at), hint: rest.slice(at + 2) };
}

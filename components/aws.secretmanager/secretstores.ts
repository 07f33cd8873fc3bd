import type {
  GetSecretValueCommandOutput,
  ListSecretsCommandOutput,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { type Client, openClient } from "../aws/client.ts";
import { errorName, type Fixes, isDenied, translate } from "../aws/failures.ts";
import { fewAtOnce } from "../aws/few-at-once.ts";
import { awsSettings } from "../aws/settings.ts";
import type { Call } from "../contract/driver.ts";
import { defineSecretStore, type SecretValues } from "../contract/secrets.ts";
import { flag } from "../contract/settings.ts";

type Library = typeof import("@aws-sdk/client-secrets-manager");
type Texts = Readonly<Record<string, string>>;

const readsAtOnce = 10;
const longestPage = 100;

const fixes: Fixes = {
  InvalidRequestException: "the secret cannot be read now; it may be scheduled for deletion",
  DecryptionFailure: "the key that the secret is encrypted with cannot be used; check it in KMS",
};

/** Gone, or about to be. */
const leftOut: ReadonlySet<string> = new Set(["ResourceNotFoundException", "InvalidRequestException"]);

export default defineSecretStore({
  type: "secretstores.aws.secretmanager",
  status: "beta",
  summary: "Secrets from AWS Secrets Manager. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    multipleKeyValuesPerSecret: flag({
      default: false,
      description: "A secret that holds a JSON object gives one value for each of its keys.",
    }),
  }),
  capabilities: ["multiple"],
  async open(settings, context) {
    const library = await import("@aws-sdk/client-secrets-manager");
    const client = await openClient(
      (options) => new library.SecretsManagerClient(options),
      { service: "Secrets Manager" },
      settings,
      context,
    );
    const secrets = new Secrets(client, library, settings.multipleKeyValuesPerSecret);
    return {
      get: (name, metadata, call) => secrets.get(name, metadata, call),
      getAll: (_metadata, call) => secrets.getAll(call),
      close: () => client.close(),
    };
  },
});

class Secrets {
  readonly #client: Client<SecretsManagerClient>;
  readonly #library: Library;
  readonly #isMultiple: boolean;

  constructor(client: Client<SecretsManagerClient>, library: Library, isMultiple: boolean) {
    this.#client = client;
    this.#library = library;
    this.#isMultiple = isMultiple;
  }

  /** Request metadata `version_id` and `version_stage` pick a version; default: the current one. */
  async get(name: string, metadata: Texts, call: Call): Promise<SecretValues> {
    try {
      return await this.#read(name, metadata, call);
    } catch (error) {
      throw this.#reason(error, name, call);
    }
  }

  async #read(name: string, { version_id: version, version_stage: stage }: Texts, call: Call): Promise<SecretValues> {
    const command = new this.#library.GetSecretValueCommand({
      SecretId: name,
      ...(version ? { VersionId: version } : {}),
      ...(stage ? { VersionStage: stage } : {}),
    });
    return this.#values(name, await this.#client.ask((secrets, options) => secrets.send(command, options), call));
  }

  #reason(error: unknown, name: string, call: Call): unknown {
    if (call.signal?.aborted) return call.signal.reason;
    if (errorName(error) === "ResourceNotFoundException") return fail("secretNotFound", { name }, { cause: error });
    return translate(error, this.#client.asked, fixes);
  }

  /** Reads what the listing names; what the policy hides or somebody deletes meanwhile is left out. */
  async getAll(call: Call): Promise<Readonly<Record<string, SecretValues>>> {
    const names: string[] = [];
    let token: string | undefined;
    do {
      const command = new this.#library.ListSecretsCommand({
        MaxResults: longestPage,
        ...(token === undefined ? {} : { NextToken: token }),
      });
      const page: ListSecretsCommandOutput = await this.#client.run(
        (secrets, options) => secrets.send(command, options),
        call,
        fixes,
      );
      for (const { Name } of page.SecretList ?? []) if (Name !== undefined) names.push(Name);
      token = page.NextToken;
    } while (token !== undefined);
    const found = await fewAtOnce(names, readsAtOnce, (name) => this.#find(name, call));
    return Object.fromEntries(found.flatMap((one) => (one === undefined ? [] : [one])));
  }

  async #find(name: string, call: Call): Promise<readonly [string, SecretValues] | undefined> {
    try {
      return [name, await this.#read(name, {}, call)];
    } catch (error) {
      if (isDenied(error) || leftOut.has(errorName(error))) return undefined;
      throw this.#reason(error, name, call);
    }
  }

  #values(name: string, { SecretString: text, SecretBinary: bytes }: GetSecretValueCommandOutput): SecretValues {
    const value = text ?? Buffer.from(bytes ?? []).toString("base64");
    const several = this.#isMultiple && text !== undefined ? findObject(text) : undefined;
    if (several === undefined) return { [name]: value };
    return Object.fromEntries(
      Object.entries(several).map(([key, one]) => [key, typeof one === "string" ? one : JSON.stringify(one)]),
    );
  }
}

function findObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

import type { DescribeParametersCommandOutput, SSMClient } from "@aws-sdk/client-ssm";
import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { type Client, openClient } from "../aws/client.ts";
import { errorName, type Fixes, isDenied, translate } from "../aws/failures.ts";
import { fewAtOnce } from "../aws/few-at-once.ts";
import { awsSettings } from "../aws/settings.ts";
import type { Call } from "../contract/driver.ts";
import { defineSecretStore, type SecretValues } from "../contract/secrets.ts";
import { text } from "../contract/settings.ts";

type Library = typeof import("@aws-sdk/client-ssm");
type Texts = Readonly<Record<string, string>>;
type Named = readonly [name: string, value: string];

/** The service gives no more parameters at once. */
const readTogether = 10;
const readsAtOnce = 4;
const longestPage = 50;

const fixes: Fixes = { InvalidKeyId: "the key that the parameter is encrypted with cannot be used; check it in KMS" };
const absent: ReadonlySet<string> = new Set(["ParameterNotFound", "ParameterVersionNotFound"]);

export default defineSecretStore({
  type: "secretstores.aws.parameterstore",
  status: "beta",
  summary: "Secrets from the Parameter Store of AWS Systems Manager. Tested against a double of AWS only.",
  metadata: Type.Object({
    ...awsSettings,
    prefix: text({
      default: "",
      description: "Put before every name, such as `/app1/`; parameters with other beginnings are not seen.",
    }),
  }),
  capabilities: [],
  async open(settings, context) {
    const library = await import("@aws-sdk/client-ssm");
    const client = await openClient(
      (options) => new library.SSMClient(options),
      { service: "Parameter Store" },
      settings,
      context,
    );
    const parameters = new Parameters(client, library, settings.prefix);
    return {
      get: (name, metadata, call) => parameters.get(name, metadata, call),
      getAll: (_metadata, call) => parameters.getAll(call),
      close: () => client.close(),
    };
  },
});

class Parameters {
  readonly #client: Client<SSMClient>;
  readonly #library: Library;
  readonly #prefix: string;

  constructor(client: Client<SSMClient>, library: Library, prefix: string) {
    this.#client = client;
    this.#library = library;
    this.#prefix = prefix;
  }

  /** Request metadata `version_id` picks a version or a label; default: the newest. */
  async get(name: string, { version_id: version }: Texts, call: Call): Promise<SecretValues> {
    const path = this.#prefix + name;
    try {
      return { [name]: await this.#read(version ? `${path}:${version}` : path, call) };
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      // No parameter can have a name of that form.
      const isMalformed = errorName(error) === "ValidationException" && !/^[\w./-]+$/.test(path);
      if (absent.has(errorName(error)) || isMalformed) throw fail("secretNotFound", { name }, { cause: error });
      throw translate(error, this.#client.asked, fixes);
    }
  }

  async #read(path: string, call: Call): Promise<string> {
    const command = new this.#library.GetParameterCommand({ Name: path, WithDecryption: true });
    const { Parameter } = await this.#client.ask((ssm, options) => ssm.send(command, options), call);
    return Parameter?.Value ?? "";
  }

  /** What the policy hides or somebody deletes meanwhile is left out. */
  async getAll(call: Call): Promise<Readonly<Record<string, SecretValues>>> {
    const paths = await this.#list(call);
    const chunks = Array.from({ length: Math.ceil(paths.length / readTogether) }, (_, n) =>
      paths.slice(n * readTogether, (n + 1) * readTogether),
    );
    const found = await fewAtOnce(chunks, readsAtOnce, (chunk) => this.#readSeveral(chunk, call));
    return Object.fromEntries(
      found.flat().map(([path, value]) => {
        const name = path.slice(this.#prefix.length);
        return [name, { [name]: value }];
      }),
    );
  }

  async #list(call: Call): Promise<readonly string[]> {
    const paths: string[] = [];
    const filters = this.#prefix ? [{ Key: "Name", Option: "BeginsWith", Values: [this.#prefix] }] : [];
    let token: string | undefined;
    do {
      const command = new this.#library.DescribeParametersCommand({
        MaxResults: longestPage,
        ...(filters.length > 0 ? { ParameterFilters: filters } : {}),
        ...(token === undefined ? {} : { NextToken: token }),
      });
      const page: DescribeParametersCommandOutput = await this.#client.run(
        (ssm, options) => ssm.send(command, options),
        call,
        fixes,
      );
      for (const { Name } of page.Parameters ?? []) if (Name !== undefined) paths.push(Name);
      token = page.NextToken;
    } while (token !== undefined && token !== "");
    return paths;
  }

  async #readSeveral(paths: readonly string[], call: Call): Promise<readonly Named[]> {
    const command = new this.#library.GetParametersCommand({ Names: [...paths], WithDecryption: true });
    try {
      const { Parameters = [] } = await this.#client.ask((ssm, options) => ssm.send(command, options), call);
      return Parameters.map(({ Name = "", Value = "" }) => [Name, Value]);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      if (!isDenied(error)) throw translate(error, this.#client.asked, fixes);
      // One that is not allowed spoils the whole answer.
      const each = await Promise.all(paths.map((path) => this.#find(path, call)));
      return each.flatMap((one) => (one === undefined ? [] : [one]));
    }
  }

  async #find(path: string, call: Call): Promise<Named | undefined> {
    try {
      return [path, await this.#read(path, call)];
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      if (isDenied(error) || absent.has(errorName(error))) return undefined;
      throw translate(error, this.#client.asked, fixes);
    }
  }
}

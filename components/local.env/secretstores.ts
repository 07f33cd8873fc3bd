import { Type } from "typebox";
import { defineSecretStore } from "../contract/secrets.ts";
import { text } from "../contract/settings.ts";

/** Tokens and settings of the sidecar itself, which an app has no business to read. */
const denied = /^(?:APP_API_TOKEN$|DAPR_)/i;

export default defineSecretStore({
  type: "secretstores.local.env",
  status: "stable",
  summary: "Secrets from the environment of the sidecar, for development.",
  metadata: Type.Object({
    prefix: text({
      default: "",
      description: "Only variables that start with this text; a secret is named without it.",
      example: "MYAPP_",
    }),
  }),
  capabilities: [],
  async open({ prefix }) {
    const permitted = (variable: string) => variable.startsWith(prefix) && !denied.test(variable);
    const read = (variable: string) => (Object.hasOwn(process.env, variable) ? process.env[variable] : undefined);
    return {
      async get(name) {
        const variable = prefix + name;
        // An unset variable reads as empty, as it does in a shell: that is the published behaviour.
        return { [name]: (permitted(variable) && read(variable)) || "" };
      },
      async getAll() {
        const variables = Object.entries(process.env).filter(([variable]) => permitted(variable));
        return Object.fromEntries(
          variables.map(([variable, value]) => {
            const name = variable.slice(prefix.length);
            return [name, { [name]: value ?? "" }];
          }),
        );
      },
      close: async () => {},
    };
  },
});

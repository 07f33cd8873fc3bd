import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { defineResolver } from "../contract/name-resolution.ts";
import { requiredText } from "../contract/settings.ts";
import { type Apps, parseApps } from "./apps.ts";

export default defineResolver({
  type: "nameresolution.static",
  status: "beta",
  summary: "Finds the apps that its settings list.",
  metadata: Type.Object({
    apps: requiredText({
      description: "Addresses by app id, or by `<app id>.<namespace>`: a list or a text with commas.",
      example: '{"orders": ["10.0.0.5:50002", "10.0.0.6:50002"]}',
    }),
  }),
  async open(settings) {
    const apps = appsOf(settings.apps);
    return {
      register: async () => {},
      resolve: async (appId, namespace) => apps.get(`${appId}.${namespace}`) ?? apps.get(appId) ?? [],
      known: async () => [...apps.keys()].sort(),
      close: async () => {},
    };
  },
});

function appsOf(text: string): Apps {
  try {
    return parseApps(text);
  } catch (error) {
    throw fail("openFailed", { why: `apps cannot be used: ${causeText(error)}` }, { cause: error });
  }
}

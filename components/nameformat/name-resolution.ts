import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { defineResolver } from "../contract/name-resolution.ts";
import { integer, requiredText } from "../contract/settings.ts";

export default defineResolver({
  type: "nameresolution.nameformat",
  status: "beta",
  summary: "Builds the host name of an app from its id; asks nobody.",
  metadata: Type.Object({
    format: requiredText({
      description: "Name with {appid}, and {namespace} if need be; a port may follow.",
      example: "service-{appid}.default.svc.cluster.local",
    }),
    port: integer({ default: 50002, minimum: 1, maximum: 65535, description: "Port when format names none." }),
  }),
  async open({ format, port }) {
    if (!format.includes("{appid}")) {
      throw fail("openFailed", {
        why: "format must contain {appid}, such as service-{appid}.default.svc.cluster.local",
      });
    }
    const withPort = /:\d+$/.test(format) ? format : `${format}:${port}`;
    return {
      register: async () => {},
      resolve: async (appId, namespace) => [
        withPort.replaceAll("{appid}", () => appId).replaceAll("{namespace}", () => namespace),
      ],
      close: async () => {},
    };
  },
});

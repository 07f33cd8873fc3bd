import { Type } from "typebox";
import { secret, text } from "../contract/settings.ts";

const form =
  "`user:password@tcp(host:3306)/database?name=value`. `tls` is one of true, custom (with pemPath), skip-verify, preferred and false; `timeout` bounds connecting; names that are not known are system variables of the connection";

/** The connection string, under whatever name. */
export const connectionText = (more = "") =>
  secret({ description: `${form}${more}.`, example: "app:secret@tcp(localhost:3306)/app" });

export const pemPath = Type.Optional(
  text({
    description:
      "Authority of the server's certificate, path of a PEM file or PEM text; asks for TLS, unless tls does.",
  }),
);

import type { Transporter } from "nodemailer";
import { type Static, Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import { type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call } from "../contract/driver.ts";
import { flag, integer, requiredText, secret, text } from "../contract/settings.ts";

const operations = ["create"] as const;

const addresses = (about: string) =>
  Type.Optional(text({ description: `${about}; several separated by ";". The metadata of a request goes before it.` }));

const metadata = Type.Object({
  host: requiredText({ description: "Mail server.", example: "mail.example.com" }),
  port: integer({ default: 587, minimum: 1, maximum: 65_535, description: "Its port; 465 speaks TLS from the start." }),
  user: Type.Optional(text({ description: "User to authenticate as; without one nobody is." })),
  password: Type.Optional(secret({ description: "Password of the user." })),
  skipTLSVerify: flag({ default: false, description: "Take any certificate: for development only." }),
  emailFrom: addresses("Sender"),
  emailTo: addresses("Receivers"),
  emailCC: addresses("Receivers of a copy"),
  emailBCC: addresses("Receivers whom the others do not see"),
  subject: Type.Optional(text({ description: "Subject. The metadata of a request goes before it." })),
  priority: integer({
    default: 3,
    minimum: 1,
    maximum: 5,
    description: "1, highest, to 5. The metadata of a request goes before it.",
  }),
});
type Settings = Static<typeof metadata>;

/** A server that says nothing for so long is taken for absent. */
const silenceMs = 30_000;

export default defineBinding({
  type: "bindings.smtp",
  status: "beta",
  summary: "Sends mail by an SMTP server.",
  metadata,
  capabilities: ["output"],
  async open(settings, { name }) {
    const { host, port, user, password, skipTLSVerify } = settings;
    if (Boolean(user) !== Boolean(password)) {
      throw fail("openFailed", { why: "user and password belong together: give both or neither" });
    }
    const { createTransport } = await import("nodemailer");
    const transport = createTransport({
      host,
      port,
      secure: port === 465,
      tls: { rejectUnauthorized: !skipTLSVerify },
      ...(user ? { auth: { user, pass: password } } : {}),
      connectionTimeout: silenceMs,
      greetingTimeout: silenceMs,
      socketTimeout: silenceMs,
      // What an app gives is text, not the path of a file or an address to fetch.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return {
      operations,
      async invoke(request, call) {
        if (request.operation !== "create") {
          const cause = `operation ${request.operation} is not one of ${operations.join(", ")}`;
          throw fail("bindingFailed", { name, cause });
        }
        await send(transport, mailOf(settings, request), { name, server: `${host}:${port}` }, call);
        return undefined;
      },
      close: async () => transport.close(),
    };
  },
});

interface Mail {
  readonly from: string;
  readonly to: string[];
  readonly cc: string[];
  readonly bcc: string[];
  readonly subject: string;
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The mail of a request. Throws `requestMetadataInvalid` naming what is missing or wrong. */
function mailOf(settings: Settings, { data, metadata: given }: BindingRequest): Mail {
  const required = (key: "emailFrom" | "emailTo" | "subject"): string => {
    const value = given[key] || settings[key];
    if (value) return oneLine(key, value);
    throw fail("requestMetadataInvalid", { key, why: "is missing; give it in the request or in the component" });
  };
  const receivers = (key: "emailTo" | "emailCC" | "emailBCC") =>
    oneLine(key, given[key] || settings[key] || "")
      .split(";")
      .map((one) => one.trim())
      .filter(Boolean);
  const priority = given["priority"] ?? String(settings.priority);
  if (!/^[1-5]$/.test(priority)) {
    throw fail("requestMetadataInvalid", { key: "priority", why: `must be 1 to 5, got ${JSON.stringify(priority)}` });
  }
  required("emailTo");
  return {
    from: required("emailFrom"),
    to: receivers("emailTo"),
    cc: receivers("emailCC"),
    bcc: receivers("emailBCC"),
    subject: required("subject"),
    html: bodyOf(data),
    headers: { "X-Priority": priority },
  };
}

/** A line break would begin another header. */
function oneLine(key: string, value: string): string {
  if (!/[\r\n]/.test(value)) return value;
  throw fail("requestMetadataInvalid", { key, why: "must not hold a line break" });
}

/** HTML; a JSON text is what it says. */
function bodyOf(data: Uint8Array): string {
  const body = Buffer.from(data).toString("utf8");
  if (!body.startsWith('"')) return body;
  try {
    return String(JSON.parse(body));
  } catch {
    return body;
  }
}

async function send(
  transport: Transporter,
  mail: Mail,
  { name, server }: { readonly name: string; readonly server: string },
  { signal }: Call,
): Promise<void> {
  signal?.throwIfAborted();
  const sending = transport.sendMail(mail);
  // The library takes no signal: who has left does not wait, and what is under way may still be sent.
  const left = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  try {
    await Promise.race([sending, left]);
  } catch (error) {
    sending.catch(() => undefined);
    if (signal?.aborted) throw signal.reason;
    throw fail("bindingFailed", { name, cause: `${fixOf(error, server)} (${causeText(error)})` }, { cause: error });
  }
}

function fixOf(error: unknown, server: string): string {
  switch ((error as { readonly code?: string }).code) {
    case "EAUTH":
      return `user, password: ${server} does not take them; correct them`;
    case "ECONNECTION":
    case "ESOCKET":
    case "ETIMEDOUT":
    case "EDNS":
      return `host, port: ${server} cannot be reached as it is written; correct them, or set skipTLSVerify for a certificate of your own`;
    case "EENVELOPE":
      return `emailFrom, emailTo: ${server} takes no mail between them`;
    case "ETLS":
      return `port: ${server} cannot begin TLS; correct it`;
    default:
      return `${server} does not take the mail`;
  }
}

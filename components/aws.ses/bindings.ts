import { type Static, Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { openClient } from "../aws/client.ts";
import type { Fixes } from "../aws/failures.ts";
import { awsSettings } from "../aws/settings.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import { text } from "../contract/settings.ts";

const several = "several are separated by `;`. Requests may give others.";

const mailSettings = {
  emailFrom: Type.Optional(text({ description: "Address of the sender. Requests may give another." })),
  emailTo: Type.Optional(text({ description: `Address of the receiver; ${several}` })),
  emailCc: Type.Optional(text({ description: `Address of who gets a copy; ${several}` })),
  emailBcc: Type.Optional(text({ description: `Address of who gets a copy that the others do not see; ${several}` })),
  subject: Type.Optional(text({ description: "Subject. Requests may give another." })),
};
const metadata = Type.Object({ ...awsSettings, ...mailSettings });

type Mail = Partial<Record<keyof typeof mailSettings, string>>;

const fixes: Fixes = {
  MessageRejected: "emailFrom, emailTo: SES has not verified an address; verify it, or ask for production access",
  MailFromDomainNotVerifiedException: "emailFrom: SES has not verified the domain; verify it",
  NotFoundException: "emailFrom: SES does not know the address or its domain; verify it",
  AccountSuspendedException: "the account may not send mail; ask AWS why",
  SendingPausedException: "the account has stopped sending mail; start it again in SES",
};

export default defineBinding({
  type: "bindings.aws.ses",
  status: "beta",
  summary: "Sends mail by SES, with the data as its HTML. Tested against a double of AWS only.",
  metadata,
  capabilities: ["output"],
  async open(settings, context) {
    const { SendEmailCommand, SESv2Client } = await import("@aws-sdk/client-sesv2");
    const client = await openClient((options) => new SESv2Client(options), { service: "SES" }, settings, context);
    return {
      operations: ["create"],
      async invoke(request, call) {
        const command = new SendEmailCommand(toEmail(request, settings));
        const answer = await client.run((ses, options) => ses.send(command, options), call, fixes);
        return { metadata: { messageId: answer.MessageId ?? "" } } satisfies BindingAnswer;
      },
      close: () => client.close(),
    };
  },
});

function toEmail({ operation, data, metadata: given }: BindingRequest, settings: Static<typeof metadata>) {
  if (operation !== "create") throw fail("unimplemented", { what: `operation ${operation} (only create)` });
  const names = Object.keys(mailSettings) as (keyof Mail)[];
  const mail: Mail = Object.fromEntries(names.map((name) => [name, given[name] || settings[name] || ""]));
  const [to, copies, blind] = [mail.emailTo, mail.emailCc, mail.emailBcc].map(addresses);
  const missing = (key: string, what: string) =>
    fail("requestMetadataInvalid", { key, why: `a mail needs ${what}; give it in the request or in the component` });
  if (!mail.emailFrom) throw missing("emailFrom", "a sender");
  if (!mail.subject) throw missing("subject", "a subject");
  if ([to, copies, blind].every((list) => list?.length === 0)) throw missing("emailTo", "somebody who gets it");
  return {
    FromEmailAddress: mail.emailFrom,
    Destination: { ToAddresses: to, CcAddresses: copies, BccAddresses: blind },
    Content: {
      Simple: {
        Subject: { Data: mail.subject, Charset: "UTF-8" },
        Body: { Html: { Data: toHtml(data), Charset: "UTF-8" } },
      },
    },
  };
}

const addresses = (written = "") =>
  written
    .split(";")
    .map((one) => one.trim())
    .filter((one) => one !== "");

/** A JSON text loses its quotes. */
function toHtml(data: Uint8Array): string {
  const written = Buffer.from(data).toString();
  if (!written.startsWith('"')) return written;
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === "string" ? value : written;
  } catch {
    return written;
  }
}

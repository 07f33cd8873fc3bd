import { CreateEmailIdentityCommand, SESv2Client } from "@aws-sdk/client-sesv2";
import { describe, expect, test } from "vitest";
import ses from "../../components/aws.ses/bindings.ts";
import { awsClient, awsSettings, awsThrough, ownAws } from "../support/aws.ts";
import { openDriver } from "../support/open-driver.ts";
import { requireService } from "../support/server.ts";

const isMissing = !(await requireService("moto"));

describe.skipIf(isMissing)("mail by SES", () => {
  const opened = async (settings: object) => {
    const place = await ownAws();
    await awsClient(SESv2Client, place).send(new CreateEmailIdentityCommand({ EmailIdentity: "me@example.com" }));
    const bodies: string[] = [];
    const through = await awsThrough(place, (_, body) => {
      bodies.push(body);
      return "pass";
    });
    const binding = await openDriver(ses, { ...awsSettings(through), ...settings });
    const send = (data: string, metadata: Record<string, string> = {}) =>
      binding.invoke?.({ operation: "create", data: Buffer.from(data), metadata }, {});
    return { send, bodies };
  };

  test("a request completes what the component says, and wins over it", async () => {
    const { send, bodies } = await opened({ emailFrom: "me@example.com", emailTo: "x@example.com", subject: "old" });
    const metadata = { emailTo: "a@example.com; b@example.com", emailCc: "c@example.com", subject: "new" };
    expect(await send('"<b>hello</b>"', metadata)).toEqual({ metadata: { messageId: expect.any(String) } });
    expect(JSON.parse(bodies[0] ?? "")).toMatchObject({
      FromEmailAddress: "me@example.com",
      Destination: {
        ToAddresses: ["a@example.com", "b@example.com"],
        CcAddresses: ["c@example.com"],
        BccAddresses: [],
      },
      Content: { Simple: { Subject: { Data: "new" }, Body: { Html: { Data: "<b>hello</b>" } } } },
    });
  });

  test("what a mail lacks is named", async () => {
    const { send } = await opened({});
    await expect(send("x")).rejects.toThrow("metadata emailFrom: a mail needs a sender");
    await expect(send("x", { emailFrom: "me@example.com" })).rejects.toThrow(
      "metadata subject: a mail needs a subject",
    );
    const alone = { emailFrom: "me@example.com", subject: "s" };
    await expect(send("x", alone)).rejects.toThrow("metadata emailTo: a mail needs somebody who gets it");
  });

  test("an address that SES has not verified is named as the setting", async () => {
    const { send } = await opened({ emailFrom: "who@nowhere.example", emailTo: "a@example.com", subject: "s" });
    await expect(send("x")).rejects.toThrow(/emailFrom, emailTo: SES has not verified an address; verify it/);
  });
});

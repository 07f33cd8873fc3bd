/** Personal data that can be told by its form, most specific first. */
const patterns: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\b[\w.%+-]+@[\w-]+(?:\.[\w-]+)+\b/g, "<EMAIL_ADDRESS>"],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g, "<IBAN>"],
  [/\b\d(?:[ -]?\d){12,18}\b/g, "<CREDIT_CARD>"],
  [/\b\d{3}-\d{2}-\d{4}\b/g, "<SSN>"],
  [/\b(?:\d{1,3}\.){3}\d{1,3}\b/g, "<IP_ADDRESS>"],
  [/(?<![\w.])\+?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}\b/g, "<PHONE_NUMBER>"],
];

/** The text with e-mail addresses, card, account, social security and phone numbers and IP addresses replaced by their kind. */
export function scrub(text: string): string {
  return patterns.reduce((rest, [pattern, name]) => rest.replace(pattern, name), text);
}

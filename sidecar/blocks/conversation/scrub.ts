/**
 * Takes what tells of a person out of a text: addresses, numbers of phones, cards, accounts and identities. It knows
 * forms, not meanings: names of persons and places stay.
 */
export function scrub(text: string): string {
  return forms.reduce(
    (scrubbed, [form, label, holds]) => scrubbed.replace(form, (found) => (holds(found) ? label : found)),
    text,
  );
}

const always = () => true;
const digitsOf = (text: string) => text.replace(/\D/g, "");

/** Order matters: a card number would also pass for a phone number. */
const forms: readonly (readonly [form: RegExp, label: string, holds: (found: string) => boolean])[] = [
  [/[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+/gi, "<EMAIL_ADDRESS>", always],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g, "<IBAN>", always],
  [/\b\d(?:[ -]?\d){12,18}\b/g, "<CREDIT_CARD>", isCardNumber],
  [/\b\d{3}-\d{2}-\d{4}\b/g, "<SSN>", always],
  [/\b(?:\d{1,3}\.){3}\d{1,3}\b/g, "<IP_ADDRESS>", (found) => found.split(".").every((part) => Number(part) <= 255)],
  [/(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])/gi, "<IP_ADDRESS>", always],
  [
    /(?<![\w.])\+?(?:\(\d{1,4}\)|\d{1,4})(?:[ .-]?(?:\(\d{1,4}\)|\d{2,5})){1,5}(?![\w])/g,
    "<PHONE_NUMBER>",
    isPhoneNumber,
  ],
];

/** The check digit of payment cards (ISO/IEC 7812-1). */
function isCardNumber(found: string): boolean {
  const sum = [...digitsOf(found)].reverse().reduce((total, digit, i) => {
    const value = i % 2 === 1 ? Number(digit) * 2 : Number(digit);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

/** Plain numbers and dates are shorter, or are written without the signs of a phone number. */
function isPhoneNumber(found: string): boolean {
  const digits = digitsOf(found).length;
  const isDate = /^\d{4}[.-]\d{1,2}[.-]\d{1,2}$/.test(found) || /^\d{1,2}[.-]\d{1,2}[.-]\d{4}$/.test(found);
  return digits >= 8 && digits <= 15 && !isDate && /[+ ().-]/.test(found);
}

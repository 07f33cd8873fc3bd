import type { DescEnum, DescField, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";

/** Describes a file in the notation of wire-contract.txt: one line per method, message and enum. */
export function wireLines(file: DescFile): string[] {
  return [
    ...file.services.flatMap(serviceLines),
    ...file.messages.flatMap((message) => messageLines(message)),
    ...file.enums.map((each) => enumLine(each)),
  ];
}

/** The lines of wire-contract.txt by proto package; the lines before the first package explain the notation. */
export function linesByPackage(text: string): Map<string, string[]> {
  const sections = text.split(/^\[(.*)\]$/m).slice(1);
  const packages = new Map<string, string[]>();
  for (let i = 0; i < sections.length; i += 2) {
    packages.set(sections[i] ?? "", (sections[i + 1] ?? "").split("\n").filter(Boolean));
  }
  return packages;
}

function serviceLines(service: DescService): string[] {
  return service.methods.map((method) => {
    const [request, response] = {
      unary: ["", ""],
      server_streaming: ["", "stream "],
      client_streaming: ["stream ", ""],
      bidi_streaming: ["stream ", "stream "],
    }[method.methodKind];
    const types = `${request}${method.input.name} -> ${response}${method.output.name}`;
    return `${service.name}.${method.name}: ${types}${method.deprecated ? " deprecated" : ""}`;
  });
}

function messageLines(message: DescMessage, outer = ""): string[] {
  const name = outer + message.name;
  const fields = message.fields.toSorted((a, b) => a.number - b.number).map(fieldText);
  return [
    `${name}: ${fields.join("; ")}`.trimEnd(),
    ...message.nestedEnums.map((each) => enumLine(each, `${name}.`)),
    ...message.nestedMessages.flatMap((each) => messageLines(each, `${name}.`)),
  ];
}

function enumLine({ name, values }: DescEnum, outer = ""): string {
  return `${outer}${name}: ${values.map((value) => `${value.name}=${value.number}`).join(", ")}`;
}

function fieldText(field: DescField): string {
  const optional = field.proto.proto3Optional ? "optional " : "";
  const oneof = field.oneof ? ` of ${field.oneof.name}` : "";
  return `${field.name} ${field.number} ${optional}${typeText(field)}${oneof}${field.deprecated ? " deprecated" : ""}`;
}

/** A field's type as a .proto source writes it, without packages. */
export function typeText(field: DescField): string {
  switch (field.fieldKind) {
    case "list":
      return `repeated ${valueText(field)}`;
    case "map":
      return `map<${scalarText(field.mapKey)}, ${valueText(field)}>`;
    default:
      return valueText(field);
  }
}

function valueText(field: DescField): string {
  const named = field.message ?? field.enum;
  return named ? named.name : scalarText(field.scalar);
}

function scalarText(type: ScalarType | undefined): string {
  if (type === undefined) throw new Error("a field without message and enum has a scalar type");
  return ScalarType[type].toLowerCase();
}

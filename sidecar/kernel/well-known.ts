import { createRegistry, type Registry } from "@bufbuild/protobuf";
import {
  BoolValueSchema,
  BytesValueSchema,
  DoubleValueSchema,
  FloatValueSchema,
  Int32ValueSchema,
  Int64ValueSchema,
  ListValueSchema,
  StringValueSchema,
  StructSchema,
  UInt32ValueSchema,
  UInt64ValueSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";

/** The types that a google.protobuf.Any of the API may hold, for its JSON form. */
export const wellKnown: Registry = createRegistry(
  ...[BoolValueSchema, BytesValueSchema, DoubleValueSchema, FloatValueSchema, Int32ValueSchema, Int64ValueSchema],
  ...[ListValueSchema, StringValueSchema, StructSchema, UInt32ValueSchema, UInt64ValueSchema, ValueSchema],
);

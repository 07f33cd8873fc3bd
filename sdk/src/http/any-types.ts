import { createRegistry } from "@bufbuild/protobuf";
import {
  BoolValueSchema,
  BytesValueSchema,
  DoubleValueSchema,
  Int64ValueSchema,
  StringValueSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";

/** What an Any may hold in the messages that HTTP carries as JSON. */
export const anyTypes = createRegistry(
  BoolValueSchema,
  BytesValueSchema,
  DoubleValueSchema,
  Int64ValueSchema,
  StringValueSchema,
  ValueSchema,
);

import { type TSchemaOptions, Type } from "typebox";

/**
 * Builders for a driver's metadata schema. Component metadata arrives as text; the keyword `coerce` tells the host how
 * to read it: `"true"`, `"30s"`, `"4Mi"`. Names are matched without regard to case.
 */

interface About {
  /** One sentence for the README and for `mecha components`. */
  readonly description: string;
  /** Never logged, never echoed. */
  readonly sensitive?: boolean;
  /** Further accepted spellings of the key. */
  readonly aliases?: readonly string[];
  /** Shown in the generated example. */
  readonly example?: string;
}
type With<T> = About & { readonly default?: T };

const options = (coerce: string, about: object): TSchemaOptions => ({ coerce, ...about });

/** Text. Required unless a default is given or it is wrapped in Type.Optional. */
export const text = (about: With<string>) => Type.String(options("text", about));
/** Text that must not be empty. */
export const requiredText = (about: About) => Type.String({ ...options("text", about), minLength: 1 });
/** A value that is never logged or echoed. */
export const secret = (about: With<string>) => Type.String(options("text", { ...about, sensitive: true }));
/** 1, t, true, y, yes, on or 0, f, false, n, no, off in any case. */
export const flag = (about: With<boolean>) => Type.Boolean(options("flag", about));
/** A whole number. */
export const integer = (about: With<number> & { readonly minimum?: number; readonly maximum?: number }) =>
  Type.Integer(options("number", about));
/** Milliseconds, written as a Go duration (`1m30s`) or a bare number in `unit`. */
export const durationMs = (about: With<number> & { readonly unit?: "ms" | "s" }) =>
  Type.Number({ ...options("duration", about), minimum: 0 });
/** Bytes, written as a number or a quantity (`100Mi`). */
export const bytes = (about: With<number>) => Type.Number({ ...options("bytes", about), minimum: 0 });
/** One of a few words, compared without regard to case. */
export const choice = <const T extends readonly string[]>(values: T, about: With<T[number]>) =>
  Type.Unsafe<T[number]>({ ...options("choice", about), type: "string", enum: [...values] });
/** Comma-separated texts. */
export const list = (about: With<string[]>) => Type.Array(Type.String(), options("list", about));

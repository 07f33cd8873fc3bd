import { type TObject, Type } from "typebox";
import type { All, Call, Definition, Open, Opened, Subscription } from "./driver.ts";
import { text } from "./settings.ts";

export interface BindingRequest {
  readonly operation: string;
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface BindingAnswer {
  readonly data?: Uint8Array | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface BindingEvent {
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Resolves with the app's answer when the event is handled; a rejection asks for redelivery where the source can. */
export type BindingHandler = (event: BindingEvent) => Promise<Uint8Array | undefined>;

export interface BindingCapabilities {
  /** The app calls the outside. */
  output: {
    readonly operations: readonly string[];
    /**
     * Undefined: nothing to answer. A rejection with `bindingFailed` may carry what the other side did say as its
     * parameter `answer` (a BindingAnswer), whose metadata the API gives along with the error.
     */
    invoke(request: BindingRequest, call: Call): Promise<BindingAnswer | undefined>;
  };
  /** The outside calls the app. */
  input: { read(handler: BindingHandler, call: Call): Promise<Subscription> };
}
export type BindingCapability = keyof BindingCapabilities;
export type Binding = Opened & Partial<BindingCapabilities["input"]> & Partial<BindingCapabilities["output"]>;

/** Metadata keys of every binding that the sidecar itself reads. */
export const bindingRuntimeSettings = Type.Object({
  direction: Type.Optional(
    text({ description: "`input`, `output` or both, separated by a comma; default: asked from the app." }),
  ),
  route: Type.Optional(text({ description: "Path of the app for input events; default: the component's name." })),
});

export interface BindingDriver<M extends TObject = TObject> extends Definition<M> {
  readonly kind: "bindings";
  readonly capabilities: readonly BindingCapability[];
  readonly open: Open<M, Binding>;
}

/** Defines a binding driver for one or both directions. */
export function defineBinding<M extends TObject, const C extends BindingCapability>(
  driver: Definition<M> & {
    readonly capabilities: readonly C[];
    readonly open: Open<M, Opened & All<BindingCapabilities, C>>;
  },
): BindingDriver<M> {
  return { kind: "bindings", ...driver } as unknown as BindingDriver<M>;
}

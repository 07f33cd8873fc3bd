// The package's door: everything that is public, and nothing else.

export { type AppOptions, createApp, type MechaApp, type RunningApp } from "./app/app.ts";
export type { BindingEvent, Handlers, JobEvent } from "./app/callbacks.ts";
export { mechaFastify } from "./app/fastify.ts";
export { type AppReply, reply } from "./app/reply.ts";
export type { AppRequest } from "./app/request.ts";
export type {
  BulkEvent,
  BulkHandled,
  Handled,
  TopicRule,
  TopicSubscription,
  Verdict,
} from "./app/subscriptions.ts";
export type { BindingReply, OutputBinding } from "./blocks/bindings.ts";
export type {
  ConfigurationItem,
  ConfigurationOptions,
  ConfigurationStore,
  ConfigurationUpdate,
} from "./blocks/configuration.ts";
export type {
  ChatAnswer,
  ChatMessage,
  ChatTool,
  Conversation,
  ConverseOptions,
  ToolCall,
} from "./blocks/conversation.ts";
export type { BytesSource, CryptoProvider, DecryptOptions, EncryptOptions } from "./blocks/crypto.ts";
export type { InvokeOptions, InvokeResponse } from "./blocks/invoke.ts";
export type { Job, JobOptions, Jobs } from "./blocks/jobs.ts";
export type { Lock, LockOptions, LockStore } from "./blocks/locks.ts";
export type { PublishEntry, PublishOptions, PubSub, ReceivedEvent, SubscribeOptions } from "./blocks/pubsub.ts";
export type { Secret, SecretStore } from "./blocks/secrets.ts";
export type { ReadyOptions, Sidecar, SidecarMetadata } from "./blocks/sidecar.ts";
export type { FoundState, StateEntry, StateItem, StateOperation, StateStore } from "./blocks/state.ts";
export type { Metadata, ReadOptions, WriteOptions } from "./blocks/state-options.ts";
export type { FoundPage, StateFilter, StateQuery } from "./blocks/state-query.ts";
export type { ByteStream } from "./byte-stream.ts";
export type { CallOptions } from "./call.ts";
export { createClient, type MechaClient } from "./client.ts";
export type { ClientOptions } from "./client-options.ts";
export type { CloudEvent } from "./cloud-event.ts";
export { type ClientErrorFields, type ErrorCode, type ErrorDetail, MechaClientError } from "./errors.ts";
export type { EventStream } from "./event-stream.ts";

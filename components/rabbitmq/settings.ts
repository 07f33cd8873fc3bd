import { Type } from "typebox";
import { durationMs, flag, secret, text } from "../contract/settings.ts";

/** Settings of every component that talks to RabbitMQ. */
export const tlsSettings = {
  caCert: text({
    default: "",
    description: "Certificates (PEM) that the server's must come from; default: those that Node trusts.",
  }),
  clientCert: text({ default: "", description: "Certificate (PEM) that the sidecar shows; clientKey belongs to it." }),
  clientKey: secret({ default: "", description: "Key (PEM) of clientCert." }),
};

export const externalSetting = flag({
  default: false,
  description: "The server knows the user by clientCert, in place of a password (SASL EXTERNAL).",
});

export const redeliverInterval = durationMs({
  default: 5000,
  unit: "s",
  description: "Pause before a message that the app failed to handle is delivered again; others go on meanwhile.",
});

export const addressSettings = {
  connectionString: Type.Optional(
    secret({
      description:
        "Address of the server, `amqp://user:password@host:5672/vhost`, with TLS `amqps`; or hostname and its companions.",
      aliases: ["host"],
      example: "amqp://guest:guest@localhost:5672",
    }),
  ),
  protocol: text({ default: "amqp", description: "With hostname: `amqp`, or `amqps` for TLS." }),
  hostname: Type.Optional(text({ description: "Host and port of the server, in place of connectionString." })),
  username: Type.Optional(text({ description: "With hostname: the user; default: guest." })),
  password: Type.Optional(secret({ description: "With hostname: the user's password." })),
};

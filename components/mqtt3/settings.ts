import { choice, durationMs, flag, secret, text } from "../contract/settings.ts";

/** Settings of every component that talks to a broker of MQTT. */
export const brokerSettings = {
  protocolVersion: choice(["3.1.1", "5"], {
    default: "3.1.1",
    description:
      "Version of MQTT. 5 carries metadata and content type beside the bytes, and lets the broker end messages by ttlInSeconds.",
  }),
  caCert: text({
    default: "",
    description: "Certificates (PEM) that the broker's must come from; default: those that Node trusts.",
  }),
  clientCert: text({ default: "", description: "Certificate (PEM) that the sidecar shows; clientKey belongs to it." }),
  clientKey: secret({ default: "", description: "Key (PEM) of clientCert." }),
  retain: flag({
    default: false,
    description:
      "The broker keeps the last message of a topic for those who come later, unless a message's metadata retain says otherwise.",
  }),
};

export const urlSetting = secret({
  description:
    "Address of the broker, `tcp://user:password@host:1883`; `ssl` with TLS, `ws` or `wss` through web sockets.",
  example: "tcp://localhost:1883",
});

export const redeliverInterval = durationMs({
  default: 5000,
  unit: "s",
  description: "Pause before a message that the app failed to handle is delivered again; others go on meanwhile.",
});

import { type Static, type TObject, Type } from "typebox";
import { secret, text } from "../contract/settings.ts";

/** Where AWS is and who asks it, for every component that lives there. */
export const awsSettings = {
  region: Type.Optional(
    text({ description: "Region, such as `eu-west-1`; default: AWS_REGION, or what the profile of AWS_PROFILE says." }),
  ),
  endpoint: Type.Optional(
    text({
      description: "Address of something that speaks as AWS does; default: the region's own. `https://` is assumed.",
    }),
  ),
  accessKey: Type.Optional(
    secret({
      description:
        "Access key id. Without one the environment, the profile, the web identity of the pod, the container or the machine gives credentials.",
    }),
  ),
  secretKey: Type.Optional(secret({ description: "Secret access key that belongs to accessKey." })),
  sessionToken: Type.Optional(secret({ description: "Session token, where accessKey is a temporary one." })),
  assumeRoleArn: Type.Optional(
    text({ description: "Role to take on; accessKey, or what stands in for it, must be allowed to." }),
  ),
  sessionName: text({ default: "DaprDefaultSession", description: "Name of the session under assumeRoleArn." }),
  trustAnchorArn: Type.Optional(
    text({ description: "Refused: IAM Roles Anywhere needs a certificate that this sidecar does not have." }),
  ),
  trustProfileArn: Type.Optional(text({ description: "Refused, as trustAnchorArn is." })),
};

export type AwsSettings = Static<TObject<typeof awsSettings>>;

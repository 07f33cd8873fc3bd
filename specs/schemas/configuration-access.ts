import { Type } from "typebox";
import { choice, choiceOr, closed, texts } from "./document.ts";

const actionOrEmpty = (description: string) =>
  Type.Optional(Type.Unsafe<"allow" | "deny" | "">({ type: "string", enum: ["allow", "deny", ""], description }));

/** `spec.accessControl` of a Configuration. */
export const accessControl = Type.Optional(
  Type.Object(
    {
      defaultAction: actionOrEmpty("What happens to calls that no policy speaks of; allow when left out."),
      trustDomain: Type.String({ default: "public", description: "Trust domain of this app." }),
      policies: Type.Array(
        Type.Object(
          {
            appId: Type.String({ minLength: 1, description: "App id of the caller." }),
            trustDomain: Type.String({ minLength: 1, description: "Trust domain of the caller." }),
            namespace: Type.String({ minLength: 1, description: "Namespace of the caller." }),
            defaultAction: actionOrEmpty("What happens to operations that are not listed."),
            operations: Type.Array(
              Type.Object(
                {
                  name: Type.String({ minLength: 1, description: "Path or gRPC method; may hold *." }),
                  httpVerb: texts("Verbs the rule covers; * covers all."),
                  action: choice(["allow", "deny"], "What happens to the call."),
                },
                closed,
              ),
              { default: [], description: "Rules of single operations; the most specific wins." },
            ),
          },
          closed,
        ),
        { default: [], description: "Rules by caller." },
      ),
    },
    { ...closed, description: "Which apps may call this one." },
  ),
);

/** `spec.secrets` of a Configuration. */
export const secrets = Type.Object(
  {
    scopes: Type.Array(
      Type.Object(
        {
          storeName: Type.String({ minLength: 1, description: "Secret store that the scope limits." }),
          defaultAccess: choiceOr(["allow", "deny"], "Access to secrets that are not listed."),
          allowedSecrets: texts("When not empty, only these may be read."),
          deniedSecrets: texts("These may not be read."),
        },
        closed,
      ),
      { default: [], description: "Limits by secret store." },
    ),
  },
  { ...closed, default: {}, description: "Which secrets the app may read." },
);

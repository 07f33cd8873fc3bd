"""Secrets from the setting `secrets`, JSON such as {"db": "hunter2"} or {"db": {"user": "me", "password": "hunter2"}}."""

import json

import grpc

from protos import common_pb, instance, secrets_pb, secrets_services


class SecretStore(secrets_services.SecretStoreServicer):
    def __init__(self):
        self.secrets = {}

    async def Init(self, request, context):
        try:
            given = json.loads(request.metadata.properties.get("secrets", "{}"))
        except ValueError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "secrets: must be a JSON object")
        self.secrets[instance(context)] = {
            name: value if isinstance(value, dict) else {name: value} for name, value in given.items()
        }
        return secrets_pb.SecretStoreInitResponse()

    async def Features(self, request, context):
        return common_pb.FeaturesResponse(features=["MULTIPLE_KEY_VALUES_PER_SECRET"])

    async def Ping(self, request, context):
        return common_pb.PingResponse()

    async def Get(self, request, context):
        values = self.secrets[instance(context)].get(request.key)
        if values is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no secret {request.key}")
        return secrets_pb.GetSecretResponse(data=values)

    async def BulkGet(self, request, context):
        secrets = self.secrets[instance(context)].items()
        data = {name: secrets_pb.SecretResponse(secrets=values) for name, values in secrets}
        return secrets_pb.BulkGetSecretResponse(data=data)

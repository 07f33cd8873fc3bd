"""A queue outside: `create` puts an event into it, and whoever reads gets the events one by one."""

import collections
import itertools

import grpc

from protos import Stores, bindings_pb, bindings_services, common_pb, instance
from queues import Queue, serve

Event = collections.namedtuple("Event", "id data metadata")
IDS = itertools.count(1)
STORES = Stores(Queue)
PROPERTIES = {}


class InputBinding(bindings_services.InputBindingServicer):
    async def Init(self, request, context):
        PROPERTIES[instance(context)] = dict(request.metadata.properties)
        STORES.init(context, request.metadata.properties)
        return bindings_pb.InputBindingInitResponse()

    async def Ping(self, request, context):
        return common_pb.PingResponse()

    async def Read(self, requests, context):
        await serve(
            STORES.of(context),
            context,
            lambda event: bindings_pb.ReadResponse(message_id=event.id, data=event.data, metadata=event.metadata),
            lambda answer: answer.message_id,
            lambda answer: answer.HasField("response_error"),
            float(PROPERTIES[instance(context)].get("redeliverSeconds", 1)),
        )


class OutputBinding(bindings_services.OutputBindingServicer):
    async def Init(self, request, context):
        STORES.init(context, request.metadata.properties)
        return bindings_pb.OutputBindingInitResponse()

    async def Ping(self, request, context):
        return common_pb.PingResponse()

    async def ListOperations(self, request, context):
        return bindings_pb.ListOperationsResponse(operations=["create", "length"])

    async def Invoke(self, request, context):
        queue = STORES.of(context)
        if request.operation == "length":
            return bindings_pb.InvokeResponse(data=str(len(queue.items)).encode())
        if request.operation != "create":
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"there is no operation {request.operation}")
        queue.put(Event(str(next(IDS)), request.data, dict(request.metadata)))
        return bindings_pb.InvokeResponse()

"""Values by key, with versions, a time to live and transactions."""

import datetime
import itertools
import time

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from protos import Stores, common_pb, state_pb, state_services

FIRST_WRITE = state_pb.StateOptions.CONCURRENCY_FIRST_WRITE
STORES = Stores(dict)
VERSIONS = itertools.count(1)
LARGEST_TRANSACTION = 1000


def found(store, key):
    """The entry (value, version, end) of a key, unless its time has passed."""
    entry = store.get(key)
    if entry and entry[2] and entry[2] <= time.time():
        del store[key]
        return None
    return entry


async def refuse_etag(context, code, text):
    """The published way to say that it is the etag that is wrong."""
    detail = any_pb2.Any()
    detail.Pack(
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="etag", description=text)]
        )
    )
    status = status_pb2.Status(code=code.value[0], message=text, details=[detail])
    await context.abort(code, text, (("grpc-status-details-bin", status.SerializeToString()),))


async def check(store, request, context):
    entry = found(store, request.key)
    if request.HasField("etag"):
        if not request.etag.value.isdigit():
            await refuse_etag(context, grpc.StatusCode.INVALID_ARGUMENT, "an etag is a number")
        if entry is None or entry[1] != request.etag.value:
            await refuse_etag(context, grpc.StatusCode.FAILED_PRECONDITION, f"{request.key} has another etag")
    elif request.options.concurrency == FIRST_WRITE and entry:
        await refuse_etag(context, grpc.StatusCode.FAILED_PRECONDITION, f"{request.key} is there already")


async def write(store, request, context):
    await check(store, request, context)
    ttl = int(request.metadata.get("ttlInSeconds", 0))
    store[request.key] = (request.value, str(next(VERSIONS)), time.time() + ttl if ttl > 0 else None)


async def remove(store, request, context):
    await check(store, request, context)
    store.pop(request.key, None)


def fields(entry):
    value, version, end = entry
    metadata = {"ttlExpireTime": datetime.datetime.fromtimestamp(end, datetime.UTC).isoformat()} if end else {}
    return {"data": value, "etag": state_pb.Etag(value=version), "metadata": metadata}


class StateStore(state_services.StateStoreServicer):
    async def Init(self, request, context):
        STORES.init(context, request.metadata.properties)
        return state_pb.InitResponse()

    async def Features(self, request, context):
        return common_pb.FeaturesResponse(features=["ETAG", "TRANSACTIONAL", "TTL", "QUERY_API"])

    async def Ping(self, request, context):
        return common_pb.PingResponse()

    async def Get(self, request, context):
        entry = found(STORES.of(context), request.key)
        return state_pb.GetResponse(**fields(entry)) if entry else state_pb.GetResponse()

    async def Set(self, request, context):
        await write(STORES.of(context), request, context)
        return state_pb.SetResponse()

    async def Delete(self, request, context):
        await remove(STORES.of(context), request, context)
        return state_pb.DeleteResponse()

    async def BulkGet(self, request, context):
        entries = ((item.key, found(STORES.of(context), item.key)) for item in request.items)
        items = [state_pb.BulkStateItem(key=key, **(fields(entry) if entry else {})) for key, entry in entries]
        return state_pb.BulkGetResponse(items=items)


class TransactionalStateStore(state_services.TransactionalStateStoreServicer):
    async def Transact(self, request, context):
        store = STORES.of(context)
        before = store.copy()
        try:
            for operation in request.operations:
                act = write if operation.HasField("set") else remove
                await act(store, getattr(operation, operation.WhichOneof("request")), context)
        except BaseException:
            store.clear()
            store.update(before)
            raise
        return state_pb.TransactionalStateResponse()


class TransactionalStoreMultiMaxSize(state_services.TransactionalStoreMultiMaxSizeServicer):
    async def MultiMaxSize(self, request, context):
        return state_pb.MultiMaxSizeResponse(max_size=LARGEST_TRANSACTION)

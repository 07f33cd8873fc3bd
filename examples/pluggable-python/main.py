"""A process with four components in memory, behind one socket: state, pubsub, bindings and secretstores.memory-python."""

import asyncio
import os
import pathlib
import signal

import grpc
from grpc_reflection.v1alpha import reflection

from bindings import InputBinding, OutputBinding
from protos import SERVICES
from pubsub import PubSub
from secrets_store import SecretStore
from state import StateStore, TransactionalStateStore, TransactionalStoreMultiMaxSize
from state_query import QueriableStateStore

FOLDER = os.environ.get("DAPR_COMPONENTS_SOCKETS_FOLDER") or "/tmp/dapr-components-sockets"
MORE_THAN_ENOUGH = 64 << 20


async def main() -> None:
    socket = pathlib.Path(FOLDER, "memory-python.sock")
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    limits = ("grpc.max_receive_message_length", MORE_THAN_ENOUGH), ("grpc.max_send_message_length", MORE_THAN_ENOUGH)
    server = grpc.aio.server(options=limits)
    servicers = (
        StateStore(),
        TransactionalStateStore(),
        TransactionalStoreMultiMaxSize(),
        QueriableStateStore(),
        PubSub(),
        InputBinding(),
        OutputBinding(),
        SecretStore(),
    )
    for servicer in servicers:
        SERVICES[type(servicer).__name__](servicer, server)
    # The sidecar finds the services by reflection.
    names = [f"dapr.proto.components.v1.{name}" for name in SERVICES]
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    print(f"listening at {socket}", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await server.stop(grace=1)


asyncio.run(main())

"""The official Python SDK as client and app.

APP_PROTOCOL grpc: the blocking client beside an app that speaks gRPC; http: the asynchronous client beside a FastAPI app.
"""

import asyncio
import os
import time
import urllib.error
import urllib.request
import warnings

from awaited import Awaited
from blocks import block_steps
from invoke import invoke_steps
from pubsub import pubsub_steps
from state import state_steps
from steps import Inboxes, step
from streaming import streaming_steps

# the SDK tells of every API that it calls alpha
warnings.simplefilter('ignore')

IS_GRPC = os.environ['APP_PROTOCOL'] == 'grpc'
APP_ID = os.environ['APP_ID']
APP_PORT = int(os.environ['APP_PORT'])
POLL_SECONDS = 0.05


def start_app(inboxes):
    if IS_GRPC:
        from grpc_app import start
    else:
        from http_app import start
    start(inboxes, APP_PORT)


def open_client():
    if IS_GRPC:
        from dapr.clients import DaprClient
    else:
        from dapr.aio.clients import DaprClient
    return Awaited(DaprClient())


def until_ready():
    url = f'http://127.0.0.1:{os.environ["DAPR_HTTP_PORT"]}/v1.0/healthz'
    while True:
        try:
            urllib.request.urlopen(url)
            return
        except urllib.error.HTTPError:
            time.sleep(POLL_SECONDS)


async def main():
    inboxes = Inboxes()
    start_app(inboxes)
    opened = []

    async def open_it():
        opened.append(open_client())

    await step('the client waits for the sidecar', open_it)
    await step('the sidecar becomes ready with its app', lambda: asyncio.to_thread(until_ready))
    [dapr] = opened
    for store, kind in (('statestore', 'state.sqlite'), ('memorystate', 'state.in-memory')):
        await state_steps(dapr, store, kind)
    for pubsub, kind in (('pubsub', 'pubsub.sqlite'), ('memorypubsub', 'pubsub.in-memory')):
        await pubsub_steps(dapr, inboxes, pubsub, kind, IS_GRPC)
        await streaming_steps(dapr, inboxes, pubsub, kind, IS_GRPC)
    await invoke_steps(APP_ID, IS_GRPC)
    await block_steps(dapr, inboxes, APP_ID, IS_GRPC)
    await step('the sidecar is asked to shut down', dapr.shutdown)


asyncio.run(main())
# threads of servers and subscriptions do not end by themselves
os._exit(0)

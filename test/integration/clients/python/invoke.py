"""Service invocation of the app itself, by its own sidecar and by another one, over HTTP and over gRPC."""

import asyncio
import json
import os

import grpc
from awaited import Awaited
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprHttpError
from dapr.conf import settings
from steps import Steps, equal, refused

SIDECARS = (('its own sidecar', 'DAPR'), ('another sidecar', 'CALLER'))


def open_client(prefix, protocol):
    """A client of the sidecar whose ports the environment has under the prefix, that invokes by the protocol."""
    settings.DAPR_HTTP_PORT = int(os.environ[f'{prefix}_HTTP_PORT'])
    settings.DAPR_API_METHOD_INVOCATION_PROTOCOL = protocol
    return Awaited(DaprClient(f'127.0.0.1:{os.environ[f"{prefix}_GRPC_PORT"]}'))


async def invoke_steps(app_id, is_grpc):
    for through, prefix in SIDECARS:
        for protocol in ('http', 'grpc'):
            await _call_steps(open_client(prefix, protocol), app_id, f'over {protocol} through {through}')
    for protocol in ('http', 'grpc'):
        await _unknown_app(open_client('CALLER', protocol), protocol)
    if is_grpc:
        for through, prefix in SIDECARS:
            await _proxy_steps(f'127.0.0.1:{os.environ[f"{prefix}_GRPC_PORT"]}', app_id, through)
    settings.DAPR_HTTP_PORT = int(os.environ['DAPR_HTTP_PORT'])


async def _call_steps(dapr, app_id, way):
    it = Steps()

    @it(f'the app is called with GET {way}')
    async def _():
        answer = await dapr.invoke_method(app_id, 'hello', b'', http_verb='GET')
        equal((answer.json(), answer.content_type), ({'hello': 'world'}, 'application/json'))

    @it(f'the app is called with a body {way}')
    async def _():
        body = json.dumps({'n': 1, 'text': 'ä'})
        answer = await dapr.invoke_method(app_id, 'echo', body, content_type='application/json', http_verb='POST')
        equal(answer.json(), {'got': {'n': 1, 'text': 'ä'}})

    await it.run()


async def _unknown_app(dapr, protocol):
    it = Steps()

    @it(f'a call of an unknown app is refused over {protocol}')
    async def _():
        call = dapr.invoke_method('absent', 'hello', b'', http_verb='GET')
        if protocol == 'grpc':
            return await refused(call, grpc.StatusCode.INTERNAL, 'absent')
        try:
            await call
        except DaprHttpError as error:
            equal((error.status_code, error.error_code), (500, 'ERR_DIRECT_INVOKE'))
            assert 'absent' in error.message, error.message
        else:
            raise AssertionError('it was not refused')

    await it.run()


async def _proxy_steps(address, app_id, through):
    """Calls of a service that only the app knows, which the sidecar passes on as they are."""
    it = Steps()
    channel = grpc.insecure_channel(address)
    metadata = (('dapr-app-id', app_id), ('dapr-api-token', os.environ['DAPR_API_TOKEN']))

    @it(f'a unary call is proxied through {through}')
    async def _():
        answer, call = await asyncio.to_thread(
            channel.unary_unary('/test.Shouter/One').with_call, b'hello', metadata=metadata
        )
        equal(answer, b'HELLO')
        assert dict(call.initial_metadata())['seen-caller'].startswith('python-'), call.initial_metadata()

    @it(f'a server stream is proxied through {through}')
    async def _():
        call = channel.unary_stream('/test.Shouter/Many')
        equal(await asyncio.to_thread(lambda: list(call(b'hi', metadata=metadata))), [b'HI', b'HI', b'HI'])

    @it(f'a client stream is proxied through {through}')
    async def _():
        call = channel.stream_unary('/test.Shouter/Joined')
        equal(await asyncio.to_thread(lambda: call(iter([b'a', b'b']), metadata=metadata)), b'A B')

    @it(f'a stream both ways is proxied through {through}')
    async def _():
        call = channel.stream_stream('/test.Shouter/Each')
        equal(await asyncio.to_thread(lambda: list(call(iter([b'a', b'b']), metadata=metadata))), [b'A', b'B'])

    await it.run()
    channel.close()

"""Bindings, secrets, configuration, locks, metadata, cryptography and conversation: blocks with a few calls each."""

import json
import os

from awaited import Awaited
from blocks_crypto import crypto_steps
from blocks_talk import conversation_steps
from dapr.clients import DaprClient
from dapr.clients.grpc._response import UnlockResponseStatus
from grpc import StatusCode
from steps import Inbox, Steps, equal, refused


async def block_steps(dapr, inboxes, app_id, is_grpc):
    await _binding_steps(dapr, inboxes, app_id)
    await _secret_steps(dapr)
    await _configuration_steps(dapr, is_grpc)
    for store, kind in (('lockstore', 'lock.sqlite'), ('memorylock', 'lock.in-memory')):
        await _lock_steps(dapr, store, kind)
    await _metadata_steps(dapr, app_id)
    await crypto_steps(dapr)
    await conversation_steps(dapr)


async def _binding_steps(dapr, inboxes, app_id):
    it = Steps()
    file_name = {'fileName': f'{app_id}.txt'}

    @it('an output binding writes, reads and deletes')
    async def _():
        await dapr.invoke_binding('files', 'create', b'content', file_name)
        equal((await dapr.invoke_binding('files', 'get', b'', file_name)).data, b'content')
        equal((await dapr.invoke_binding('files', 'delete', b'', file_name)).data, b'')

    @it('an unknown binding is refused')
    async def _():
        await refused(dapr.invoke_binding('absent', 'create', b'x'), StatusCode.INTERNAL, 'absent')

    @it('an unknown operation is refused')
    async def _():
        await refused(dapr.invoke_binding('files', 'explode', b'x'), StatusCode.INTERNAL, 'explode')

    @it('an input binding reaches the app')
    async def _():
        equal(await inboxes['tick'].take(), 'tick')

    await it.run()


async def _secret_steps(dapr):
    it = Steps()

    @it('a secret is read')
    async def _():
        equal((await dapr.get_secret('secretstore', 'password')).secret, {'password': 'hush'})

    @it('all secrets are read')
    async def _():
        secrets = (await dapr.get_bulk_secret('secretstore')).secrets
        equal(secrets, {'password': {'password': 'hush'}, 'redis:user': {'redis:user': 'me'}})

    @it('an absent secret is refused')
    async def _():
        await refused(dapr.get_secret('secretstore', 'absent'), StatusCode.INTERNAL, 'absent')

    @it('an unknown secret store is refused')
    async def _():
        await refused(dapr.get_secret('nowhere', 'password'), StatusCode.INVALID_ARGUMENT, 'nowhere')

    await it.run()


async def _configuration_steps(dapr, is_grpc):
    it = Steps()

    @it('configuration items are read by key')
    async def _():
        items = (await dapr.get_configuration('configstore', ['greeting', 'absent'])).items
        equal({key: (item.value, item.version) for key, item in items.items()}, {'greeting': ('hello', '1')})

    @it('all configuration items are read')
    async def _():
        items = (await dapr.get_configuration('memoryconfig', [])).items
        equal({key: (item.value, item.version) for key, item in items.items()}, {'limit': ('10', '3')})

    # the SDK's asynchronous client cannot read the stream: it iterates it in a thread; the blocking one leaves its token
    # out of this call, so it is made to the sidecar that asks for none
    if is_grpc:
        caller = Awaited(DaprClient(f'127.0.0.1:{os.environ["CALLER_GRPC_PORT"]}'))

        @it('a configuration subscription tells changes until it is ended')
        async def _():
            inbox = Inbox()

            def keep(_, answer):
                inbox.put(int(answer.items['ticks'].value))

            subscription = await caller.subscribe_configuration('configstore', ['ticks'], keep)
            first, second = await inbox.take(), await inbox.take()
            assert second > first, (first, second)
            equal(await caller.unsubscribe_configuration('configstore', subscription), True)
            equal(await caller.unsubscribe_configuration('configstore', subscription), False)

    await it.run()


async def _lock_steps(dapr, store, kind):
    it = Steps(kind)

    async def unlock(owner):
        return (await dapr.unlock(store, 'resource', owner)).status

    @it('a lock is given to one owner')
    async def _():
        equal((await dapr.try_lock(store, 'resource', 'me', 60)).success, True)
        equal((await dapr.try_lock(store, 'resource', 'you', 60)).success, False)

    @it('a lock is only given back by its owner')
    async def _():
        equal(await unlock('you'), UnlockResponseStatus.lock_belongs_to_others)
        equal(await unlock('me'), UnlockResponseStatus.success)
        equal(await unlock('me'), UnlockResponseStatus.lock_does_not_exist)

    await it.run()


async def _metadata_steps(dapr, app_id):
    it = Steps()

    @it('metadata names the app and the components')
    async def _():
        metadata = await dapr.get_metadata()
        equal(metadata.application_id, app_id)
        [store] = [one for one in metadata.registered_components if one.name == 'statestore']
        equal((store.type, store.version), ('state.sqlite', 'v1'))
        assert 'ETAG' in store.capabilities, store

    @it('metadata takes a further value')
    async def _():
        await dapr.set_metadata('owner', 'the python sdk')
        extended = (await dapr.get_metadata()).extended_metadata
        equal(extended['owner'], 'the python sdk')
        assert extended['daprRuntimeVersion'], json.dumps(extended)

    await it.run()

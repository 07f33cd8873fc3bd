"""The state API of one store."""

import json

from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions
from grpc import StatusCode
from steps import Steps, equal, refused

FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)


async def state_steps(dapr, store, kind):
    it = Steps(kind)

    async def text_of(key):
        return (await dapr.get_state(store, key)).text()

    async def etag_of(key):
        return (await dapr.get_state(store, key)).etag

    @it('a saved text comes back')
    async def _():
        await dapr.save_state(store, 'text', 'plain ä')
        equal(await text_of('text'), 'plain ä')

    @it('saved bytes come back')
    async def _():
        await dapr.save_state(store, 'bytes', bytes(range(256)))
        equal((await dapr.get_state(store, 'bytes')).data, bytes(range(256)))

    @it('an absent key is empty')
    async def _():
        answer = await dapr.get_state(store, 'absent')
        equal((answer.data, answer.etag), (b'', ''))

    @it('several values are saved and read at once')
    async def _():
        await dapr.save_bulk_state(store, [StateItem('one', '1'), StateItem('two', '2')])
        items = (await dapr.get_bulk_state(store, ['one', 'two', 'absent'], parallelism=3)).items
        equal({item.key: item.data for item in items}, {'one': b'1', 'two': b'2', 'absent': b''})

    @it('a value with the current etag is saved')
    async def _():
        await dapr.save_state(store, 'one', '3', etag=await etag_of('one'), options=FIRST_WRITE)
        equal(await text_of('one'), '3')

    @it('a stale etag is refused')
    async def _():
        etag = await etag_of('one')
        await dapr.save_state(store, 'one', '4')
        stale = dapr.save_state(store, 'one', '5', etag=etag, options=FIRST_WRITE)
        await refused(stale, StatusCode.ABORTED, 'etag', 'DAPR_STATE_ETAG_MISMATCH')
        equal(await text_of('one'), '4')

    @it('a delete with a stale etag is refused')
    async def _():
        etag = await etag_of('one')
        await dapr.save_state(store, 'one', '6')
        stale = dapr.delete_state(store, 'one', etag=etag, options=FIRST_WRITE)
        await refused(stale, StatusCode.ABORTED, 'etag')
        equal(await text_of('one'), '6')

    @it('a deleted key is gone')
    async def _():
        await dapr.delete_state(store, 'one')
        equal(await text_of('one'), '')

    @it('a transaction writes and deletes together')
    async def _():
        operations = [
            TransactionalStateOperation(key='written', data='by transaction'),
            TransactionalStateOperation(key='two', operation_type=TransactionOperationType.delete),
        ]
        await dapr.execute_state_transaction(store, operations)
        equal((await text_of('written'), await text_of('two')), ('by transaction', ''))

    @it('a transaction with a stale etag changes nothing')
    async def _():
        operations = [
            TransactionalStateOperation(key='other', data='x'),
            TransactionalStateOperation(key='written', data='y', etag='99999'),
        ]
        await refused(dapr.execute_state_transaction(store, operations), StatusCode.INTERNAL, 'etag')
        equal((await text_of('other'), await text_of('written')), ('', 'by transaction'))

    @it('a value with a time to live is kept until then')
    async def _():
        await dapr.save_state(store, 'brief', 'x', state_metadata={'ttlInSeconds': '100'})
        equal(await text_of('brief'), 'x')

    @it('a query filters, sorts and pages')
    async def _():
        for n in (1, 2, 3):
            value = json.dumps({'n': n, 'kind': f'{kind}-query'})
            await dapr.save_state(store, f'item{n}', value, state_metadata={'contentType': 'application/json'})
        query = {
            'filter': {'EQ': {'kind': f'{kind}-query'}},
            'sort': [{'key': 'n', 'order': 'DESC'}],
            'page': {'limit': 2},
        }
        answer = await dapr.query_state(store, json.dumps(query))
        equal([item.json()['n'] for item in answer.results], [3, 2])
        rest = await dapr.query_state(store, json.dumps({**query, 'page': {'limit': 2, 'token': answer.token}}))
        equal([item.json()['n'] for item in rest.results], [1])

    @it('an unknown store is refused')
    async def _():
        call = dapr.get_state('nowhere', 'text')
        await refused(call, StatusCode.INVALID_ARGUMENT, 'nowhere', 'DAPR_STATE_NOT_FOUND')

    await it.run()

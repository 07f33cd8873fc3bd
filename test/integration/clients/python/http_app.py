"""The app that speaks HTTP, by dapr.ext.fastapi."""

import base64
import threading

import uvicorn
from dapr.ext.fastapi import DaprApp
from fastapi import Body, FastAPI


def start(inboxes, port):
    app = FastAPI()
    dapr_app = DaprApp(app)
    for pubsub in ('pubsub', 'memorypubsub'):
        _subscribe(dapr_app, inboxes, pubsub)

    @app.post('/tick')
    def tick():
        inboxes['tick'].put('tick')

    @app.get('/hello')
    def hello():
        return {'hello': 'world'}

    @app.post('/echo')
    def echo(got=Body()):
        return {'got': got}

    config = uvicorn.Config(app, host='127.0.0.1', port=port, log_level='error')
    threading.Thread(target=uvicorn.Server(config).run, daemon=True).start()


def _content(event):
    return base64.b64decode(event['data_base64']) if 'data_base64' in event else event['data']


def _subscribe(dapr_app, inboxes, pubsub):
    def keep(topic, **options):
        def handle(event=Body()):
            inboxes[f'{pubsub}/{topic}'].put(_content(event))

        dapr_app.subscribe(pubsub, topic, **options)(handle)

    keep('orders')
    keep('dead')
    keep('raw', metadata={'rawPayload': 'true'}, route=f'/raw/{pubsub}')
    attempts = []

    @dapr_app.subscribe(pubsub, 'again')
    def again(event=Body()):
        attempts.append(event['id'])
        if len(attempts) == 1:
            return {'status': 'RETRY'}
        inboxes[f'{pubsub}/again'].put((_content(event), len(attempts)))
        return {'status': 'SUCCESS'}

    @dapr_app.subscribe(pubsub, 'dropped', dead_letter_topic='dead')
    def dropped():
        return {'status': 'DROP'}

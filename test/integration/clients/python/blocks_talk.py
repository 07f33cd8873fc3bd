"""Conversation, in both versions of the API."""

from dapr.clients.grpc import conversation
from grpc import StatusCode
from steps import Steps, equal, refused

TOOL = conversation.ConversationTools(
    function=conversation.ConversationToolsFunction(
        name='weather',
        description='Tells the weather of a city.',
        parameters={'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']},
    )
)


def asked(text, **options):
    return [conversation.ConversationInputAlpha2(messages=[conversation.create_user_message(text)], **options)]


async def conversation_steps(dapr):
    it = Steps()

    @it('a conversation is answered by the first version')
    async def _():
        inputs = [conversation.ConversationInput(content='hello', role='user')]
        answer = await dapr.converse_alpha1('echo', inputs, context_id='c', temperature=0.5)
        equal([output.result for output in answer.outputs], ['hello'])

    @it('a conversation is answered by the second version')
    async def _():
        answer = await dapr.converse_alpha2('echo', asked('hello'), context_id='c', parameters={'max': 1})
        [choice] = answer.outputs[0].choices
        equal((choice.message.content, choice.finish_reason), ('hello', 'stop'))

    @it('a conversation calls a tool')
    async def _():
        answer = await dapr.converse_alpha2('echo', asked('rain?'), tools=[TOOL], tool_choice='required')
        [choice] = answer.outputs[0].choices
        [call] = choice.message.tool_calls
        equal((choice.finish_reason, call.function.name), ('tool_calls', 'weather'))

    @it('a conversation hides personal data')
    async def _():
        answer = await dapr.converse_alpha2('echo', asked('mail a@example.com', scrub_pii=True))
        content = answer.outputs[0].choices[0].message.content
        assert 'a@example.com' not in content, content

    @it('a conversation with an unknown component is refused')
    async def _():
        await refused(dapr.converse_alpha2('nobody', asked('hello')), StatusCode.INVALID_ARGUMENT, 'nobody')

    await it.run()

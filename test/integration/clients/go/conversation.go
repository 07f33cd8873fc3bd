package main

import (
	"errors"
	"fmt"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// conversationSteps go through both versions of the conversation API.
func (p *program) conversationSteps() {
	step("a conversation is answered by the first version", func() error {
		request := dapr.NewConversationRequest("echo", []dapr.ConversationInput{{Content: "hello"}})
		answer, err := p.client.ConverseAlpha1(p.ctx, request, dapr.WithContextID("c"), dapr.WithTemperature(0.5))
		if err != nil || len(answer.Outputs) != 1 {
			return errors.Join(fmt.Errorf("got %v", answer), err)
		}
		return equal(answer.Outputs[0].Result, "hello")
	})
	step("a conversation is answered by the second version", func() error {
		choice, err := p.ask(dapr.ConversationRequestAlpha2{Name: "echo", Inputs: asked("hello")})
		if err != nil {
			return err
		}
		return equal([]string{choice.Message.Content, choice.FinishReason}, []string{"hello", "stop"})
	})
	step("a conversation calls a tool", func() error {
		parameters, err := structpb.NewStruct(object{"type": "object", "properties": object{"city": object{"type": "string"}}})
		if err != nil {
			return err
		}
		required := dapr.ToolChoiceRequiredAlpha2
		choice, err := p.ask(dapr.ConversationRequestAlpha2{
			Name: "echo", Inputs: asked("rain?"), ToolChoice: &required,
			Tools: []*dapr.ConversationToolsAlpha2{{Name: "weather", Parameters: parameters}},
		})
		if err != nil || len(choice.Message.ToolCalls) != 1 {
			return errors.Join(fmt.Errorf("got %+v", choice), err)
		}
		return equal(choice.Message.ToolCalls[0].ToolTypes.Name, "weather")
	})
	step("a conversation with an unknown component is refused", func() error {
		_, err := p.client.ConverseAlpha2(p.ctx, dapr.ConversationRequestAlpha2{Name: "nobody", Inputs: asked("hello")})
		return refused(err, codes.InvalidArgument, "nobody")
	})
}

func asked(text string) []*dapr.ConversationInputAlpha2 {
	content := []*dapr.ConversationMessageContentAlpha2{{Text: &text}}
	message := &dapr.ConversationMessageAlpha2{ConversationMessageOfUser: &dapr.ConversationMessageOfUserAlpha2{Content: content}}
	return []*dapr.ConversationInputAlpha2{{Messages: []*dapr.ConversationMessageAlpha2{message}}}
}

// ask answers with the only choice.
func (p *program) ask(request dapr.ConversationRequestAlpha2) (*dapr.ConversationResultChoicesAlpha2, error) {
	answer, err := p.client.ConverseAlpha2(p.ctx, request)
	if err != nil {
		return nil, err
	}
	if len(answer.Outputs) != 1 || len(answer.Outputs[0].Choices) != 1 {
		return nil, fmt.Errorf("got %+v", answer)
	}
	return answer.Outputs[0].Choices[0], nil
}

package main

import (
	"errors"
	"strings"

	dapr "github.com/dapr/go-sdk/client"
	"github.com/dapr/go-sdk/service/common"
)

// streamingSteps go through subscriptions that the client opens as a stream.
func (p *program) streamingSteps(pubsub component) {
	publish := func(topic string, data object) error {
		return p.client.PublishEvent(p.ctx, pubsub.name, topic, data)
	}
	subscribe := func(topic string) (*dapr.Subscription, error) {
		return p.client.Subscribe(p.ctx, dapr.SubscriptionOptions{PubsubName: pubsub.name, Topic: topic})
	}
	pubsub.step("a streaming subscription gets what is published", func() error {
		subscription, err := subscribe("streamed")
		if err != nil {
			return err
		}
		if err := publish("streamed", object{"id": 1}); err != nil {
			return err
		}
		message, err := subscription.Receive()
		if err != nil {
			return err
		}
		return errors.Join(equal(message.Data, object{"id": 1.0}), equal(message.Topic, "streamed"), message.Success(), subscription.Close())
	})
	pubsub.step("a streamed message comes again when the client asks for it", func() error {
		subscription, err := subscribe("streamed-again")
		if err != nil {
			return err
		}
		if err := publish("streamed-again", object{"id": 2}); err != nil {
			return err
		}
		first, err := subscription.Receive()
		if err != nil {
			return err
		}
		if err := first.Retry(); err != nil {
			return err
		}
		second, err := subscription.Receive()
		if err != nil {
			return err
		}
		return errors.Join(equal(second.ID, first.ID), second.Success(), subscription.Close())
	})
	pubsub.step("a handler that drops sends to the dead letter topic", func() error {
		dead := "dead"
		options := dapr.SubscriptionOptions{PubsubName: pubsub.name, Topic: "streamed-dropped", DeadLetterTopic: &dead}
		drop := func(*common.TopicEvent) common.SubscriptionResponseStatus {
			return common.SubscriptionResponseStatusDrop
		}
		stop, err := p.client.SubscribeWithHandler(p.ctx, options, drop)
		if err != nil {
			return err
		}
		err = publish("streamed-dropped", object{"id": 3})
		return errors.Join(err, take(p.app.inboxes.of(pubsub.name+"/dead"), object{"id": 3.0}), stop())
	})
	pubsub.step("a streaming subscription to an unknown pubsub is refused", func() error {
		_, err := p.client.Subscribe(p.ctx, dapr.SubscriptionOptions{PubsubName: "absent", Topic: "streamed"})
		if err == nil || !strings.Contains(err.Error(), "absent") {
			return errors.Join(errors.New("it was not refused"), err)
		}
		return nil
	})
}

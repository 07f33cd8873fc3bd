package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
)

func cloudEvent(kind string, data any) string {
	event, err := json.Marshal(object{
		"specversion": "1.0", "id": kind, "source": "me", "type": kind,
		"datacontenttype": "application/json", "data": data,
	})
	if err != nil {
		panic(err)
	}
	return string(event)
}

// pubsubSteps go through the publish API and the app's subscriptions of one pubsub.
func (p *program) pubsubSteps(pubsub component) {
	publish := func(topic string, data any, opts ...dapr.PublishEventOption) error {
		return p.client.PublishEvent(p.ctx, pubsub.name, topic, data, opts...)
	}
	next := func(name string, expected any) error {
		return take(p.app.inboxes.of(pubsub.name+"/"+name), expected)
	}
	asCloudEvent := dapr.PublishEventWithContentType("application/cloudevents+json")

	pubsub.step("a published object reaches the app", func() error {
		return errors.Join(publish("orders", object{"id": 1, "text": "ä"}), next("orders", object{"id": 1.0, "text": "ä"}))
	})
	pubsub.step("a published text reaches the app", func() error {
		err := publish("orders", "plain", dapr.PublishEventWithContentType("text/plain"))
		return errors.Join(err, next("orders", "plain"))
	})
	pubsub.step("published bytes reach the app", func() error {
		bytes := []byte{0, 1, 254, 255}
		err := publish("orders", bytes, dapr.PublishEventWithContentType("application/octet-stream"))
		return errors.Join(err, next("orders", bytes))
	})
	pubsub.step("a cloud event reaches the app", func() error {
		err := publish("orders", cloudEvent("t", object{"id": 2}), asCloudEvent)
		return errors.Join(err, next("orders", object{"id": 2.0}))
	})
	pubsub.step("a raw payload reaches the app", func() error {
		err := publish("raw", []byte(`{"id": 3}`), dapr.PublishEventWithRawPayload())
		return errors.Join(err, next("raw", []byte(`{"id": 3}`)))
	})
	pubsub.step("a message comes again when the app asks for it", func() error {
		return errors.Join(publish("again", object{"id": 4}), next("again", object{"id": 4.0}))
	})
	pubsub.step("a dropped message goes to the dead letter topic", func() error {
		return errors.Join(publish("dropped", object{"id": 5}), next("dead", object{"id": 5.0}))
	})
	pubsub.step("messages are routed by their type", func() error {
		err := errors.Join(publish("routed", cloudEvent("com.example.big", object{"id": 6}), asCloudEvent), publish("routed", object{"id": 7}))
		return errors.Join(err, next("routed/big", object{"id": 6.0}), next("routed/other", object{"id": 7.0}))
	})
	pubsub.step("several events are published at once", func() error {
		answer := p.client.PublishEvents(p.ctx, pubsub.name, "orders", []any{"eight", object{"id": 9}})
		inbox := p.app.inboxes.of(pubsub.name + "/orders")
		got := []string{fmt.Sprint(<-inbox), fmt.Sprint(<-inbox)}
		slices.Sort(got)
		return errors.Join(answer.Error, equal(got, []string{"eight", "map[id:9]"}))
	})
	pubsub.step("a publish to an unknown pubsub is refused", func() error {
		err := p.client.PublishEvent(p.ctx, "absent", "orders", "x")
		return refused(err, codes.InvalidArgument, "absent")
	})
}

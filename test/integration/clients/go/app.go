package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/dapr/go-sdk/service/common"
	grpcservice "github.com/dapr/go-sdk/service/grpc"
	httpservice "github.com/dapr/go-sdk/service/http"
)

// app keeps what the sidecar sends it.
type app struct{ inboxes inboxes }

var errNotNow = errors.New("not now")

func startApp(port string, isGrpc bool) (*app, error) {
	a := &app{}
	address := "127.0.0.1:" + port
	service := httpservice.NewService(address)
	if isGrpc {
		var err error
		if service, err = grpcservice.NewService(address); err != nil {
			return nil, err
		}
	}
	for _, pubsub := range []string{"pubsub", "memorypubsub"} {
		if err := a.subscribe(service, pubsub); err != nil {
			return nil, err
		}
	}
	if err := a.answer(service, isGrpc); err != nil {
		return nil, err
	}
	go func() {
		if err := service.Start(); err != nil {
			panic(err)
		}
	}()
	return a, nil
}

func (a *app) subscribe(service common.Service, pubsub string) error {
	keep := func(name string) common.TopicEventHandler {
		return func(_ context.Context, event *common.TopicEvent) (bool, error) {
			a.inboxes.of(pubsub + "/" + name) <- event.Data
			return false, nil
		}
	}
	var attempts atomic.Int32
	again := func(ctx context.Context, event *common.TopicEvent) (bool, error) {
		if attempts.Add(1) == 1 {
			return true, errNotNow
		}
		return keep("again")(ctx, event)
	}
	drop := func(context.Context, *common.TopicEvent) (bool, error) { return false, errNotNow }
	raw := map[string]string{"rawPayload": "true"}
	for _, one := range []struct {
		common.Subscription
		handler common.TopicEventHandler
	}{
		{common.Subscription{Topic: "orders"}, keep("orders")},
		{common.Subscription{Topic: "raw", Metadata: raw}, keep("raw")},
		{common.Subscription{Topic: "again"}, again},
		{common.Subscription{Topic: "dropped", DeadLetterTopic: "dead"}, drop},
		{common.Subscription{Topic: "dead"}, keep("dead")},
		{common.Subscription{Topic: "routed", Route: "/other"}, keep("routed/other")},
		{common.Subscription{Topic: "routed", Route: "/big", Match: `event.type == "com.example.big"`, Priority: 1}, keep("routed/big")},
	} {
		one.PubsubName = pubsub
		if one.Route == "" {
			one.Route = "/" + one.Topic
		}
		one.Route = "/" + pubsub + one.Route
		if err := service.AddTopicEventHandler(&one.Subscription, one.handler); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) answer(service common.Service, isGrpc bool) error {
	hello := func(_ context.Context, in *common.InvocationEvent) (*common.Content, error) {
		return &common.Content{Data: []byte(in.Verb + " " + in.QueryString), ContentType: "text/plain"}, nil
	}
	echo := func(_ context.Context, in *common.InvocationEvent) (*common.Content, error) {
		return &common.Content{Data: in.Data, ContentType: in.ContentType}, nil
	}
	fail := func(context.Context, *common.InvocationEvent) (*common.Content, error) { return nil, errNotNow }
	tick := func(context.Context, *common.BindingEvent) ([]byte, error) {
		a.inboxes.of("tick") <- "tick"
		return nil, nil
	}
	errs := []error{
		service.AddServiceInvocationHandler("/hello", hello),
		service.AddServiceInvocationHandler("/echo", echo),
		service.AddServiceInvocationHandler("/fail", fail),
		service.AddBindingInvocationHandler("/tick", tick),
	}
	if isGrpc {
		errs[3] = service.AddBindingInvocationHandler("tick", tick)
		errs = append(errs, service.AddHealthCheckHandler("", func(context.Context) error { return nil }))
	}
	return errors.Join(errs...)
}

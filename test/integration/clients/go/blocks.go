package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	runtime "github.com/dapr/dapr/pkg/proto/runtime/v1"
	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
)

func (p *program) bindingSteps() {
	invoke := func(name, operation string, data []byte) ([]byte, error) {
		answer, err := p.client.InvokeBinding(p.ctx, &dapr.InvokeBindingRequest{
			Name: name, Operation: operation, Data: data, Metadata: map[string]string{"fileName": p.appID + ".txt"},
		})
		if err != nil || answer == nil {
			return nil, err
		}
		return answer.Data, nil
	}
	step("an output binding writes, reads and deletes", func() error {
		if _, err := invoke("files", "create", []byte("content")); err != nil {
			return err
		}
		data, err := invoke("files", "get", nil)
		if err != nil {
			return err
		}
		_, err = invoke("files", "delete", nil)
		return errors.Join(err, equal(string(data), "content"))
	})
	step("an unknown binding is refused", func() error {
		_, err := invoke("absent", "create", nil)
		return refused(err, codes.Internal, "absent")
	})
	step("an input binding reaches the app", func() error { return take(p.app.inboxes.of("tick"), "tick") })
}

func (p *program) secretSteps() {
	step("a secret is read", func() error {
		secret, err := p.client.GetSecret(p.ctx, "secretstore", "password", nil)
		return errors.Join(err, equal(secret, map[string]string{"password": "hush"}))
	})
	step("all secrets are read", func() error {
		secrets, err := p.client.GetBulkSecret(p.ctx, "secretstore", nil)
		expected := map[string]map[string]string{"password": {"password": "hush"}, "redis:user": {"redis:user": "me"}}
		return errors.Join(err, equal(secrets, expected))
	})
	step("an absent secret is refused", func() error {
		_, err := p.client.GetSecret(p.ctx, "secretstore", "absent", nil)
		return refused(err, codes.Internal, "absent")
	})
	step("an unknown secret store is refused", func() error {
		_, err := p.client.GetSecret(p.ctx, "nowhere", "password", nil)
		return refused(err, codes.InvalidArgument, "nowhere")
	})
}

func (p *program) configurationSteps() {
	step("a configuration item is read by its key", func() error {
		item, err := p.client.GetConfigurationItem(p.ctx, "configstore", "greeting")
		if err != nil || item == nil {
			return errors.Join(errors.New("no item"), err)
		}
		return equal([]string{item.Value, item.Version}, []string{"hello", "1"})
	})
	step("all configuration items are read", func() error {
		items, err := p.client.GetConfigurationItems(p.ctx, "memoryconfig", nil)
		if err != nil || len(items) != 1 || items["limit"] == nil {
			return errors.Join(fmt.Errorf("got %v", items), err)
		}
		return equal(items["limit"].Value, "10")
	})
	step("a configuration subscription tells changes until it is ended", func() error {
		values := make(chan int, 100)
		id, err := p.client.SubscribeConfigurationItems(p.ctx, "configstore", []string{"ticks"},
			func(_ string, items map[string]*dapr.ConfigurationItem) {
				value, _ := strconv.Atoi(items["ticks"].Value)
				values <- value
			})
		if err != nil {
			return err
		}
		if first, second := <-values, <-values; second <= first {
			return fmt.Errorf("got %d after %d", second, first)
		}
		if err := p.client.UnsubscribeConfigurationItems(p.ctx, "configstore", id); err != nil {
			return err
		}
		if p.client.UnsubscribeConfigurationItems(p.ctx, "configstore", id) == nil {
			return errors.New("it could be ended twice")
		}
		return nil
	})
}

func (p *program) lockSteps(store component) {
	try := func(owner string) (bool, error) {
		answer, err := p.client.TryLockAlpha1(p.ctx, store.name,
			&dapr.LockRequest{ResourceID: "resource", LockOwner: owner, ExpiryInSeconds: 60})
		return err == nil && answer.Success, err
	}
	unlock := func(owner string, expected runtime.UnlockResponse_Status) error {
		answer, err := p.client.UnlockAlpha1(p.ctx, store.name, &dapr.UnlockRequest{ResourceID: "resource", LockOwner: owner})
		if err != nil {
			return err
		}
		return equal(answer.StatusCode, int32(expected))
	}
	store.step("a lock is given to one owner", func() error {
		mine, err := try("me")
		yours, err2 := try("you")
		return errors.Join(err, err2, equal([]bool{mine, yours}, []bool{true, false}))
	})
	store.step("a lock is only given back by its owner", func() error {
		return errors.Join(
			unlock("you", runtime.UnlockResponse_LOCK_BELONGS_TO_OTHERS),
			unlock("me", runtime.UnlockResponse_SUCCESS),
			unlock("me", runtime.UnlockResponse_LOCK_DOES_NOT_EXIST))
	})
}

func (p *program) metadataSteps() {
	step("metadata names the app, its components and subscriptions", func() error {
		told, err := p.client.GetMetadata(p.ctx)
		if err != nil {
			return err
		}
		hasStore := slices.ContainsFunc(told.RegisteredComponents, func(c *dapr.MetadataRegisteredComponents) bool {
			return c.Name == "statestore" && c.Type == "state.sqlite" && slices.Contains(c.Capabilities, "ETAG")
		})
		hasTopic := slices.ContainsFunc(told.Subscriptions, func(s *dapr.MetadataSubscription) bool {
			return s.PubsubName == "pubsub" && s.Topic == "routed" && len(s.Rules.Rules) == 2
		})
		return errors.Join(equal(told.ID, p.appID), equal([]bool{hasStore, hasTopic}, []bool{true, true}))
	})
	step("metadata takes a further value", func() error {
		if err := p.client.SetMetadata(p.ctx, "owner", "the go sdk"); err != nil {
			return err
		}
		told, err := p.client.GetMetadata(p.ctx)
		if err != nil {
			return err
		}
		return equal(told.ExtendedMetadata["owner"], "the go sdk")
	})
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
)

// stateSteps go through the state API of one store.
func (p *program) stateSteps(store component) {
	c, ctx := p.client, p.ctx
	save := func(key, value string, meta map[string]string) error {
		return c.SaveState(ctx, store.name, key, []byte(value), meta)
	}
	get := func(key string) *dapr.StateItem {
		item, err := c.GetState(ctx, store.name, key, nil)
		if err != nil {
			panic(err)
		}
		return item
	}
	is := func(key, value string) error { return equal(string(get(key).Value), value) }
	firstWrite := dapr.WithConcurrency(dapr.StateConcurrencyFirstWrite)

	store.step("a saved value comes back with its etag", func() error {
		if err := save("text", "plain ä", nil); err != nil {
			return err
		}
		if item := get("text"); string(item.Value) != "plain ä" || item.Etag == "" {
			return fmt.Errorf("got %+v", item)
		}
		return nil
	})
	store.step("an absent key is empty", func() error {
		item, err := c.GetStateWithConsistency(ctx, store.name, "absent", nil, dapr.StateConsistencyEventual)
		return errors.Join(err, equal(len(item.Value), 0), equal(item.Etag, ""))
	})
	store.step("several values are saved and read at once", func() error {
		err := c.SaveBulkState(ctx, store.name,
			&dapr.SetStateItem{Key: "one", Value: []byte("1")}, &dapr.SetStateItem{Key: "two", Value: []byte("2")})
		if err != nil {
			return err
		}
		items, err := c.GetBulkState(ctx, store.name, []string{"one", "two", "absent"}, nil, 3)
		if err != nil {
			return err
		}
		values := map[string]string{}
		for _, item := range items {
			values[item.Key] = string(item.Value) + item.Error
		}
		return equal(values, map[string]string{"one": "1", "two": "2", "absent": ""})
	})
	store.step("a value with the current etag is saved", func() error {
		err := c.SaveStateWithETag(ctx, store.name, "one", []byte("3"), get("one").Etag, nil, firstWrite)
		return errors.Join(err, is("one", "3"))
	})
	store.step("a stale etag is refused", func() error {
		etag := get("one").Etag
		err := save("one", "4", nil)
		stale := c.SaveStateWithETag(ctx, store.name, "one", []byte("5"), etag, nil, firstWrite)
		return errors.Join(err, refused(stale, codes.Aborted, "etag"), is("one", "4"))
	})
	store.step("a delete with a stale etag is refused", func() error {
		etag := get("one").Etag
		err := save("one", "6", nil)
		stale := c.DeleteStateWithETag(ctx, store.name, "one", &dapr.ETag{Value: etag}, nil,
			&dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite})
		return errors.Join(err, refused(stale, codes.Aborted, "etag"), is("one", "6"))
	})
	store.step("a deleted key is gone", func() error {
		return errors.Join(c.DeleteState(ctx, store.name, "one", nil), is("one", ""))
	})
	store.step("several keys are deleted at once", func() error {
		err := errors.Join(save("a", "1", nil), save("b", "2", nil))
		return errors.Join(err, c.DeleteBulkState(ctx, store.name, []string{"a", "b"}, nil), is("a", ""), is("b", ""))
	})
	store.step("a transaction writes and deletes together", func() error {
		err := c.ExecuteStateTransaction(ctx, store.name, nil, []*dapr.StateOperation{
			{Type: dapr.StateOperationTypeUpsert, Item: &dapr.SetStateItem{Key: "written", Value: []byte("by transaction")}},
			{Type: dapr.StateOperationTypeDelete, Item: &dapr.SetStateItem{Key: "two"}},
		})
		return errors.Join(err, is("written", "by transaction"), is("two", ""))
	})
	store.step("a value with a time to live tells its end", func() error {
		err := save("brief", "x", map[string]string{"ttlInSeconds": "100"})
		if end := get("brief").Metadata["ttlExpireTime"]; end == "" {
			return errors.Join(err, errors.New("ttlExpireTime is missing"))
		}
		return err
	})
	store.step("a query filters, sorts and pages", func() error { return p.query(store) })
	store.step("an unknown store is refused", func() error {
		_, err := c.GetState(ctx, "nowhere", "text", nil)
		return refused(err, codes.InvalidArgument, "nowhere")
	})
}

func (p *program) query(store component) error {
	for n := 1; n <= 3; n++ {
		value := fmt.Sprintf(`{"n": %d, "kind": "%s-query"}`, n, store.kind)
		meta := map[string]string{"contentType": "application/json"}
		if err := p.client.SaveState(p.ctx, store.name, fmt.Sprintf("item%d", n), []byte(value), meta); err != nil {
			return err
		}
	}
	text := `{"filter": {"EQ": {"kind": "` + store.kind + `-query"}}, "sort": [{"key": "n", "order": "DESC"}], "page": {"limit": 2}}`
	answer, err := p.client.QueryStateAlpha1(p.ctx, store.name, text, nil)
	if err != nil {
		return err
	}
	numbers := []float64{}
	for _, result := range answer.Results {
		var value struct{ N float64 }
		if err := json.Unmarshal(result.Value, &value); err != nil {
			return err
		}
		numbers = append(numbers, value.N)
	}
	if answer.Token == "" {
		return errors.New("the token of the next page is missing")
	}
	return equal(numbers, []float64{3, 2})
}

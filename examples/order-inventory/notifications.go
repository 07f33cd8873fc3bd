// Notifications: tells each buyer the outcome of the order, exactly once. Go's standard library is all it uses; the
// ports of this app and of its sidecar come from the environment.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

type event struct {
	Data struct {
		ID       string `json:"id"`
		Buyer    string `json:"buyer"`
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	} `json:"data"`
}

type notification struct {
	Kind    string `json:"kind"`
	Order   string `json:"order"`
	Outcome string `json:"outcome"`
	Text    string `json:"text"`
	// Milliseconds since 1970.
	SentAt int64 `json:"sentAt"`
}

type entry struct {
	Key     string            `json:"key"`
	Value   notification      `json:"value"`
	Options map[string]string `json:"options"`
}

var (
	state   = "http://127.0.0.1:" + os.Getenv("DAPR_HTTP_PORT") + "/v1.0/state/statestore"
	sidecar = &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}
	events, confirmed, rejected, repeated atomic.Int64
)

// send records the notification; false: it was on record already.
func send(sent notification) (bool, error) {
	// first-write without an etag saves only what is not there yet: the record is what makes a notification go out once
	body, err := json.Marshal([]entry{{"notification-" + sent.Order, sent, map[string]string{"concurrency": "first-write"}}})
	if err != nil {
		return false, err
	}
	response, err := sidecar.Post(state, "application/json", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	switch response.StatusCode {
	case http.StatusNoContent:
		return true, nil
	case http.StatusConflict:
		return false, nil
	}
	return false, fmt.Errorf("order %s: %s: %s", sent.Order, response.Status, answer)
}

// on handles the events of one outcome. Any answer but a 2xx makes the sidecar deliver the event again, later.
func on(outcome, text string, counter *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var e event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		order := e.Data
		words := fmt.Sprintf(text, order.Buyer, order.Quantity, order.SKU)
		isNew, err := send(notification{"notification", order.ID, outcome, words, time.Now().UnixMilli()})
		if err != nil {
			log.Print(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		events.Add(1)
		if isNew {
			counter.Add(1)
			fmt.Println(words)
		} else {
			repeated.Add(1)
		}
	}
}

func stats(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("content-type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int64{
		"events": events.Load(), "confirmed": confirmed.Load(), "rejected": rejected.Load(), "repeated": repeated.Load(),
	})
}

func main() {
	http.HandleFunc("/order-confirmed", on("confirmed", "Dear %s, %d x %s: on the way to you.", &confirmed))
	http.HandleFunc("/order-rejected", on("rejected", "Dear %s, %d x %s: sold out, sorry.", &rejected))
	http.HandleFunc("/stats", stats)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("APP_PORT"), nil))
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	stepEnd = 15 * time.Second
	waitFor = 10 * time.Second
)

// step runs one step and reports it as a line of JSON; a step that fails does not end the program.
func step(name string, run func() error) {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- fmt.Errorf("panic: %v", cause)
			}
		}()
		done <- run()
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(stepEnd):
		err = errors.New("no end in time")
	}
	report := struct {
		Step   string `json:"step"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	}{Step: name, OK: err == nil}
	if err != nil {
		report.Detail = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(report)
}

// step runs a step that is named after the component's type.
func (c component) step(name string, run func() error) { step(c.kind+": "+name, run) }

func equal(actual, expected any) error {
	if !reflect.DeepEqual(actual, expected) {
		return fmt.Errorf("expected %#v, got %#v", expected, actual)
	}
	return nil
}

// refused fails unless the error has the code, and its text the words.
func refused(err error, code codes.Code, words string) error {
	if err == nil {
		return errors.New("it was not refused")
	}
	if status.Code(err) != code || !strings.Contains(err.Error(), words) {
		return fmt.Errorf("expected %s with %q, got %w", code, words, err)
	}
	return nil
}

// inboxes keep what arrived, under a name such as pubsub/orders.
type inboxes struct {
	lock   sync.Mutex
	byName map[string]chan any
}

func (i *inboxes) of(name string) chan any {
	i.lock.Lock()
	defer i.lock.Unlock()
	if i.byName == nil {
		i.byName = map[string]chan any{}
	}
	if i.byName[name] == nil {
		i.byName[name] = make(chan any, 100)
	}
	return i.byName[name]
}

// take fails unless what arrives next is what is expected.
func take(inbox chan any, expected any) error {
	select {
	case message := <-inbox:
		return equal(message, expected)
	case <-time.After(waitFor):
		return errors.New("no message came")
	}
}

// object is a JSON object as the SDK hands it over.
type object = map[string]any

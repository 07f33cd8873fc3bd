package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// queue hands each item to one reader; items come back unless they are acknowledged.
type queue[T any] struct {
	mutex sync.Mutex
	items []T
	// Closed and made anew when an item arrives.
	arrival chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{arrival: make(chan struct{})} }

func (q *queue[T]) put(item T) { q.change(func() { q.items = append(q.items, item) }) }

func (q *queue[T]) giveBack(items []T) {
	q.change(func() { q.items = append(slices.Clone(items), q.items...) })
}

func (q *queue[T]) change(act func()) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	act()
	close(q.arrival)
	q.arrival = make(chan struct{})
}

func (q *queue[T]) length() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return len(q.items)
}

// next takes the first item as soon as there is one; take is called while the queue is locked.
func (q *queue[T]) next(ctx context.Context, take func(T)) bool {
	for {
		q.mutex.Lock()
		arrival := q.arrival
		if ctx.Err() == nil && len(q.items) > 0 {
			take(q.items[0])
			q.items = q.items[1:]
			q.mutex.Unlock()
			return true
		}
		q.mutex.Unlock()
		select {
		case <-arrival:
		case <-ctx.Done():
			return false
		}
	}
}

// reading is one stream of items and their answers.
type reading[Item any, Message, Answer any] struct {
	queue      *queue[Item]
	stream     grpc.BidiStreamingServer[Answer, Message]
	idOf       func(Item) string
	toMessage  func(Item) *Message
	readAnswer func(*Answer) (id string, failed bool)
	redeliver  time.Duration
}

// serve sends items until the reader has closed its side; those it did not answer go back in their order.
func (r *reading[Item, Message, Answer]) serve() error {
	var mutex sync.Mutex
	var held []Item
	ctx, stop := context.WithCancel(r.stream.Context())
	sent := make(chan struct{})
	defer func() {
		stop()
		<-sent
		r.queue.giveBack(held)
	}()
	// Tells the sidecar that the stream stands: what comes to the queue from now on arrives.
	if err := r.stream.SendHeader(metadata.MD{}); err != nil {
		close(sent)
		return err
	}
	go func() {
		defer close(sent)
		for {
			var item Item
			take := func(first Item) {
				item = first
				mutex.Lock()
				defer mutex.Unlock()
				held = append(held, first)
			}
			if !r.queue.next(ctx, take) || r.stream.Send(r.toMessage(item)) != nil {
				return
			}
		}
	}()
	for {
		answer, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		id, failed := r.readAnswer(answer)
		mutex.Lock()
		if at := slices.IndexFunc(held, func(item Item) bool { return r.idOf(item) == id }); at >= 0 {
			item := held[at]
			held = slices.Delete(held, at, at+1)
			if failed {
				time.AfterFunc(r.redeliver, func() { r.queue.put(item) })
			}
		}
		mutex.Unlock()
	}
}

// pauseOf reads the setting redeliverSeconds.
func pauseOf(properties map[string]string) time.Duration {
	if pause, err := time.ParseDuration(properties["redeliverSeconds"] + "s"); err == nil {
		return pause
	}
	return time.Second
}

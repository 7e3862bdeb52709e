package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// taskEvent is an event of a trace (Chromium's Trace Event Format) that is a
// task, or the name of a thread.
type taskEvent struct {
	Name      string
	Phase     string                `json:"ph"`
	Process   int64                 `json:"pid"`
	Thread    int64                 `json:"tid"`
	Duration  float64               `json:"dur"`  // us
	OnCPU     float64               `json:"tdur"` // us; what others made it wait for is not its own
	Arguments struct{ Name string } `json:"args"`
}

// traced returns the longest task of the page's main thread while f runs, in ms.
func traced(ctx context.Context, f func() error) (float64, error) {
	var mu sync.Mutex
	var events []taskEvent
	complete := make(chan struct{})
	err := chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *tracing.EventDataCollected:
			mu.Lock()
			defer mu.Unlock()
			for _, raw := range e.Value {
				var t taskEvent
				if json.Unmarshal(raw, &t) == nil && (t.Name == "RunTask" || t.Name == "thread_name") {
					events = append(events, t)
				}
			}
		case *tracing.EventTracingComplete:
			close(complete)
		}
	})
	if err != nil {
		return 0, err
	}
	config := &tracing.TraceConfig{IncludedCategories: []string{"disabled-by-default-devtools.timeline", "devtools.timeline"}}
	if _, err := chromedp.Call(ctx, tracing.Start, tracing.StartParams{TraceConfig: config}); err != nil {
		return 0, err
	}
	failed := f()
	if _, err := chromedp.Call(ctx, tracing.End, struct{}{}); err != nil {
		return 0, err
	}
	select {
	case <-complete:
	case <-time.After(time.Minute):
		return 0, errors.New("the trace does not end")
	}
	if failed != nil {
		return 0, failed
	}
	mu.Lock()
	defer mu.Unlock()
	return longestTask(events)
}

func longestTask(events []taskEvent) (float64, error) {
	type thread struct{ process, thread int64 }
	main := map[thread]bool{}
	for _, e := range events {
		if e.Name == "thread_name" && e.Arguments.Name == "CrRendererMain" {
			main[thread{e.Process, e.Thread}] = true
		}
	}
	longest, tasks := 0.0, 0
	for _, e := range events {
		if e.Name == "RunTask" && main[thread{e.Process, e.Thread}] {
			tasks++
			took := e.OnCPU
			if took == 0 {
				took = e.Duration
			}
			longest = max(longest, took/1000)
		}
	}
	if tasks == 0 {
		return 0, errors.New("the trace has no task of a main thread")
	}
	return longest, nil
}

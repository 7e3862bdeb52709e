package main

import (
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"shirase/internal/index"
)

// A server is ready as long as it can answer; why it is not is said in words that name nothing.
func TestReady(t *testing.T) {
	a := &app{out: io.Discard, err: io.Discard}
	if err := a.root().PersistentFlags().Set("data", filepath.Join(wellInstance(t), "data")); err != nil {
		t.Fatal(err)
	}
	in, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	now := time.Now()
	published := index.NewHost(in.index, in.publisher.Log(), nil)
	h := &health{in: in, published: published, evaluator: index.NewEvaluator(in.keys, nil, published.Keys, nil), now: func() time.Time { return now }}
	want := func(when string, ready bool, reasons ...string) {
		t.Helper()
		if got := h.ready(t.Context()); got.Ready != ready || !slices.Equal(got.Reasons, reasons) || len(got.Degraded) > 0 {
			t.Errorf("%s: %+v", when, got)
		}
	}
	want("at first", true)
	now = now.Add(100 * time.Hour)
	want("long after", false, reasonExpired)
	now = time.Now()
	in.db.Close()
	want("within the second", false, reasonExpired)
	now = now.Add(200 * time.Hour)
	want("without a database", false, reasonDatabase)
}

package index

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMended: a layer that is brought back is served by the server that missed it, and what cannot be looked for is said once.
func TestMended(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		p := b.publish("shop", roster("shop", 5))
		now := p.Statement.Time.Time
		b.now = func() time.Time { return now }
		id := p.Statement.Layers[0].ID.String()
		names, err := filepath.Glob(filepath.Join(b.root, "files", "layers", "*"+id+"*"))
		if err != nil || len(names) != 1 {
			t.Fatalf("the layer's file: %v, %v", names, err)
		}
		if err := os.Rename(names[0], names[0]+".away"); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		h := b.host()
		h.errors = slog.New(slog.NewTextHandler(&said, nil))
		get := func() int {
			w := httptest.NewRecorder()
			h.Mux(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/check/v1/layers/"+id, nil))
			return w.Code
		}
		for range 3 {
			if status := get(); status != http.StatusServiceUnavailable {
				t.Errorf("without the layer: %d", status)
			}
			now = now.Add(probeEvery)
		}
		if some, all := h.Lacking(t.Context()); !some || !all {
			t.Errorf("lacking: %v, %v", some, all)
		}
		if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), "hint=") {
			t.Errorf("the log has %d lines:\n%s", n, &said)
		}
		if err := os.Rename(names[0]+".away", names[0]); err != nil {
			t.Fatal(err)
		}
		now = now.Add(probeEvery)
		if status := get(); status != http.StatusOK {
			t.Errorf("with the layer again: %d", status)
		}
		if some, all := h.Lacking(t.Context()); some || all {
			t.Errorf("still lacking: %v, %v", some, all)
		}

		said.Reset()
		served := h.log.Served
		for range 2 { // and said again once it was in order between
			h.log.Served = func(context.Context) (int64, error) { return 0, errors.New("no checkpoint") }
			for range 3 {
				now = now.Add(freshFor)
				if status := get(); status != http.StatusOK {
					t.Errorf("without a checkpoint: %d", status)
				}
			}
			h.log.Served = served
			now = now.Add(freshFor)
			get()
		}
		if n := strings.Count(said.String(), "\n"); n != 2 {
			t.Errorf("the log has %d lines:\n%s", n, &said)
		}
	})
}

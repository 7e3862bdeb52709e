package index

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestUnwitnessed: the last witnessed statement is given for half of its life, and then refused by name. Its layers stay.
func TestUnwitnessed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		p := b.publish("shop", roster("shop", 5))
		wanted, since := false, p.Statement.Time.Time
		h := b.host()
		h.log.Witnessed = func() (time.Time, bool, error) { return since, wanted, nil }
		get := func(path string) (int, string) {
			w := httptest.NewRecorder()
			h.Mux(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w.Code, w.Body.String()
		}
		half := p.Statement.Expires.Sub(p.Statement.Time.Time) / 2
		now := since
		b.now = func() time.Time { return now }
		layer := "/check/v1/layers/" + p.Statement.Layers[0].ID.String()
		for _, c := range []struct {
			wanted  bool
			after   time.Duration
			stopped bool
		}{{false, half - time.Minute, false}, {true, half, false}, {true, half + 2*freshFor, true}} {
			wanted, now = c.wanted, since.Add(c.after)
			status, body := get("/check/v1/statement")
			if stopped := status == http.StatusServiceUnavailable && strings.Contains(body, `"/problems/unwitnessed"`); stopped != c.stopped || !stopped && status != http.StatusOK {
				t.Errorf("%+v: %d %s", c, status, body)
			}
			if _, stopped, err := h.Unwitnessed(t.Context()); stopped != c.stopped || err != nil {
				t.Errorf("%+v: pages are told %v, %v", c, stopped, err)
			}
			if status, _ := get(layer); status != http.StatusOK {
				t.Errorf("%+v: the layer: %d", c, status)
			}
		}
		// Cosigned again, it is answered from again.
		since, now = now, now.Add(freshFor)
		if status, body := get("/check/v1/statement"); status != http.StatusOK {
			t.Errorf("cosigned again: %d %s", status, body)
		}
	})
}

// TestProofRenewed: an unchanged statement is proven against the newest checkpoint, so that no server seems to go back.
func TestProofRenewed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("shop", roster("shop", 5))
		h := b.host()
		signed := "a checkpoint"
		h.log.Witnessed = func() (time.Time, bool, error) { return time.Now(), true, nil }
		h.log.Checkpoint = func() ([]byte, error) { return []byte(signed), nil }
		now := time.Now()
		b.now = func() time.Time { return now }
		proof := func() string {
			now = now.Add(2 * freshFor)
			w := httptest.NewRecorder()
			h.Mux(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/check/v1/statement", nil))
			var body struct{ Proof string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			return body.Proof
		}
		size := func(proof string) string {
			_, checkpoint, _ := strings.Cut(proof, "\n\n")
			return strings.Split(checkpoint, "\n")[1]
		}
		if got := size(proof()); got != "1" {
			t.Fatalf("proven against %s entries", got)
		}
		err := db.Update(t.Context(), func(tx *sql.Tx) error {
			_, _, err := b.ledger.Append(t.Context(), tx, check.KindNotice, []byte("a notice"))
			return err
		})
		if err == nil {
			err = b.ledger.Sync(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := size(proof()); got != "2" {
			t.Fatalf("proven against %s entries, and there are 2", got)
		}
		// Cosigned by one more or anew, the tree being the same.
		h.log.Proof = func() func(context.Context, int64) ([]byte, error) {
			inner := h.log.Proof
			return func(ctx context.Context, at int64) ([]byte, error) {
				p, err := inner(ctx, at)
				return append(p, "— w.example AAAAAAAA\n"...), err
			}
		}()
		if strings.Contains(proof(), "w.example") {
			t.Fatal("it is proven again, and nothing has changed")
		}
		signed += " with one more cosignature"
		if !strings.Contains(proof(), "w.example") {
			t.Fatal("the newest cosignatures are not in it")
		}
	})
}

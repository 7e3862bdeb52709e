package services

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const (
	shop = `
id: shop-2024
asOf: "2024-05-10T10:00+09:00"
facts:
  - {key: organisation, value: {ja: 例示商店株式会社, en: Example Shop Inc.}}
  - {key: domain, id: shop, value: shop.example}
  - {key: service, id: card, value: 例示カード, status: unrelated}
  - {key: disclosed, value: "2024-05-10"}
  - {key: data-class, value: "password:hashed"}
`
	city = `
id: city-2025
asOf: "2025-05-10T10:00+09:00"
facts:
  - {key: organisation, value: 例示市}
  - {key: window.start, value: "2025-05"}
`
	nameless = `
id: nameless
asOf: "2025-05-10T10:00+09:00"
facts:
  - {key: title, value: 誰のものか分からない一覧}
`
)

// world is a room over an archive, and a ledger that notes what it is given.
type world struct {
	*Services
	t         *testing.T
	incidents *incident.Incidents
	recorded  [][]byte
	served    int64
	clock     time.Time
}

func eachWorld(t *testing.T, do func(w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		incidents, err := incident.New(ctx, db, archive.Changed)
		if err != nil {
			t.Fatal(err)
		}
		a, err := archive.New(ctx, db, incidents)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, incidents: incidents, clock: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
		w.Services, err = New(ctx, Rooms{DB: db, Archive: a.Public(),
			Record: func(_ context.Context, head []byte, list string) (int64, []byte, error) {
				w.recorded = append(w.recorded, head)
				w.served = int64(len(w.recorded))
				return w.served - 1, head, nil
			},
			Proof:  func(_ context.Context, entry int64) ([]byte, error) { return []byte("proof\n"), nil },
			Served: func(context.Context) (int64, error) { return w.served, nil }})
		if err != nil {
			t.Fatal(err)
		}
		w.now = func() time.Time { return w.clock }
		do(w)
	})
}

// record imports an incident as what others published.
func (w *world) record(facts string) {
	w.t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	if err != nil {
		w.t.Fatal(err)
	}
	done := false
	if _, err := w.incidents.Import(w.t.Context(), actor.Operator(), func() (incident.Record, error) {
		if done {
			return incident.Record{}, io.EOF
		}
		done = true
		return incident.Record{Dataset: "press", ExternalID: file.ID, ID: file.ID, Facts: file.Facts, AsOf: file.Facts[0].AsOf}, nil
	}, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) make(want bool) List {
	w.t.Helper()
	made, err := w.Make(w.t.Context())
	if err != nil || made != want {
		w.t.Fatalf("made: %t, %v", made, err)
	}
	l, err := w.Latest(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// get asks the handler, and gives the answer's status and body.
func get(h http.Handler, method, path string) (int, string) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec.Code, rec.Body.String()
}

// TestServices: a list is made when the archive has changed, of what is public alone, recorded once, served under its hash, and made of an
// earlier one by what has changed.
func TestServices(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		h := w.Handler(nil, slog.New(slog.DiscardHandler))
		if made, err := w.Make(w.t.Context()); made || err != nil {
			t.Fatalf("of nothing: %t, %v", made, err)
		}
		if _, err := w.Latest(w.t.Context()); !errors.Is(err, ErrNone) {
			t.Fatalf("before there is one: %v", err)
		}
		if code, _ := get(h, "GET", "/services/v1/head"); code != http.StatusNotFound {
			t.Errorf("a head before there is one: %d", code)
		}
		w.record(shop)
		one := w.make(true)
		var head Head
		if err := json.Unmarshal(one.Head, &head); err != nil || head != (Head{head.Bytes, 1, one.Hash, "2026-01-02T03:04:05Z", 1}) || len(w.recorded) != 1 {
			t.Errorf("head %s, %v, recorded %d times", one.Head, err, len(w.recorded))
		}
		code, list := get(h, "GET", "/services/v1/lists/"+one.Hash)
		items, err := Parse([]byte(list))
		if code != http.StatusOK || err != nil || len(items) != 1 || Hash([]byte(list)) != one.Hash || int64(len(list)) != head.Bytes {
			t.Fatalf("%d %q, %v", code, list, err)
		}
		if it := items[0]; strings.Join(it.Names, "|") != "例示商店株式会社|Example Shop Inc." || strings.Join(it.Domains, "|") != "shop.example" ||
			strings.Join(it.Unrelated, "|") != "例示カード" || it.Disclosed != "2024-05-10+09:00" || it.Over != time.Date(2024, 5, 10, 15, 0, 0, 0, time.UTC).Unix() || it.Classes != "password:hashed" {
			t.Errorf("%+v", it)
		}
		code, said := get(h, "GET", "/services/v1/head")
		var m map[string]string
		if err := json.Unmarshal([]byte(said), &m); err != nil || code != http.StatusOK || m["head"] != base64.RawURLEncoding.EncodeToString(one.Head) || m["proof"] != "proof\n" {
			t.Errorf("%d %s, %v", code, said, err)
		}

		w.make(false) // nothing has changed
		w.record(nameless)
		if l := w.make(false); l.Hash != one.Hash || len(w.recorded) != 1 {
			t.Error("what nobody can find is recorded")
		}
		w.record(city)
		two := w.make(true)
		_, list2 := get(h, "GET", "/services/v1/lists/"+two.Hash)
		change, err := w.Changed(t.Context(), one.Hash, two.Hash)
		if errors.Is(err, ErrNone) { // of two incidents, one is half of all
			change, err = Change([]byte(list), []byte(list2))
		}
		if made, err2 := Apply([]byte(list), change); err != nil || err2 != nil || string(made) != list2 {
			t.Errorf("%s, %v, %v", change, err, err2)
		}
		if items, err := Parse([]byte(list2)); err != nil || len(items) != 2 || items[0].ID != "city-2025" {
			t.Errorf("%q: %v", list2, err)
		}

		// What waits for witnesses is not served yet.
		w.served, w.until = 1, time.Time{}
		if l, err := w.Latest(t.Context()); err != nil || l.Hash != one.Hash {
			t.Errorf("served before the ledger serves it: %+v, %v", l, err)
		}
		for path, want := range map[string]int{"/services/v1/lists/" + strings.Repeat("0", 64): 404, "/services/v1/lists/x": 404, "/services/v1/": 404, "/services/v1/lists/" + one.Hash + "/since/x": 404} {
			if code, body := get(h, "GET", path); code != want || !strings.Contains(body, "problems") && code == 404 && !strings.Contains(body, "about:blank") {
				t.Errorf("%s: %d %s", path, code, body)
			}
		}
		if code, _ := get(h, "POST", "/services/v1/head"); code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", code)
		}
		busy := w.Handler(func(*http.Request, int) (time.Duration, bool) { return time.Minute, false }, slog.New(slog.DiscardHandler))
		if code, _ := get(busy, "GET", "/services/v1/lists/"+one.Hash); code != http.StatusTooManyRequests {
			t.Errorf("beyond the budget: %d", code)
		}
	})
}

// TestUnrecorded: a list that was kept and not recorded, because the process ended in between, is not served, and is recorded the next time.
func TestUnrecorded(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		record := w.Record
		w.Record = func(context.Context, []byte, string) (int64, []byte, error) { return 0, nil, errors.New("ended") }
		w.record(shop)
		if _, err := w.Make(t.Context()); err == nil {
			t.Fatal("it was made")
		}
		if _, err := w.Latest(t.Context()); !errors.Is(err, ErrNone) {
			t.Fatalf("it is served: %v", err)
		}
		w.Record = record
		if l := w.make(true); len(w.recorded) != 1 || l.Hash == "" {
			t.Error("it is not recorded")
		}
	})
}

// TestKept: of many lists the oldest go.
func TestKept(t *testing.T) {
	eachWorld(t, func(w *world) {
		t := w.t
		w.record(shop)
		first := w.make(true)
		for n := range int64(kept) {
			list, err := Encode([]Item{{ID: "a", Names: []string{"A"}, Over: n + 1}})
			if err == nil {
				err = w.Services.record(t.Context(), list, 1, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Bytes(t.Context(), first.Hash); !errors.Is(err, ErrNone) {
			t.Errorf("the first is still there: %v", err)
		}
		var n int
		if err := w.DB.QueryRowContext(t.Context(), `SELECT count(*) FROM services_list`).Scan(&n); err != nil || n != kept {
			t.Errorf("%d are kept: %v", n, err)
		}
	})
}

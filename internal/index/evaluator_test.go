package index

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestNoKey: where the evaluator's key is missing, cannot be read or is another, everything but evaluations is served,
// those are refused by name, and nobody hears a "no". With the key's file back, they are answered.
func TestNoKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		l := b.publish("alpha", roster("a", 10)).Statement.Layers[0]
		path := filepath.Join(b.root, "keys", keyFile("k1"))
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(secret []byte, mode os.FileMode) {
			t.Helper()
			if err := errors.Join(os.WriteFile(path, secret, mode), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			harm func()
			want error
		}{
			"missing":       {func() { os.Remove(path) }, files.ErrNotExist},
			"others' too":   {func() { write(good, 0o644) }, files.ErrLoose},
			"no key at all": {func() { write([]byte("no key"), 0o600) }, ErrNoKey},
			"another key":   {func() { write([]byte(check.GenerateEvaluatorKey().Secret()), 0o600) }, ErrKey},
		} {
			c.harm()
			client, s := b.serve(unlimited)
			h := b.host()
			e := NewEvaluator(b.keys, unlimited, h.Keys, nil)
			if err := e.Ready(t.Context()); !errors.Is(err, c.want) || hint.Of(err) == "" {
				t.Errorf("%s: %v, hint %q", name, err, hint.Of(err))
			}
			if err := h.Ready(t.Context()); err != nil {
				t.Errorf("%s: the host is not ready: %v", name, err)
			}
			for _, path := range []string{"statement", "layers/" + l.ID.String(), "layers/" + l.ID.String() + "/buckets/0"} {
				if status, _ := fetch(t, "GET", s.URL+"/check/v1/"+path, ""); status != http.StatusOK {
					t.Errorf("%s: %s: %d", name, path, status)
				}
			}
			if status, body := fetch(t, "POST", s.URL+evaluatePath, evaluation(t)); status != http.StatusServiceUnavailable || !strings.Contains(body, `"/problems/no-evaluator-key"`) {
				t.Errorf("%s: %d %s", name, status, body)
			}
			var status *check.StatusError
			if a, err := client.Check(t.Context(), member("b", 0)); !errors.As(err, &status) || status.Status != http.StatusServiceUnavailable {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
			write(good, 0o600)
			if err := e.Ready(t.Context()); err != nil {
				t.Errorf("%s: and back: %v", name, err)
			}
			client, _ = b.serve(unlimited)
			if v := ask(t, client, member("a", 0)); v.Result != check.Affected {
				t.Errorf("%s: and back: %+v", name, v)
			}
		}
	})
}

// fetch gives status and body of an answer.
func fetch(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(got)
}

// evaluation is the body of a request under key k1.
func evaluation(t *testing.T) string {
	t.Helper()
	blind, err := check.Blind([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	element, err := check.Bytes(blind.Element[:]).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return `{"key":"k1","blinded":["` + string(element) + `"]}`
}

// behind leads evaluations to one server and everything else to another, as a proxy before the two does.
func behind(t *testing.T, host, evaluator http.Handler) string {
	t.Helper()
	proxy := func(h http.Handler) *httputil.ReverseProxy {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		return httputil.NewSingleHostReverseProxy(u)
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxy(host))
	mux.Handle(evaluatePath, proxy(evaluator))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// TestApart: a host without a key and an evaluator without data, which know nothing of each other, answer checks behind a
// proxy that splits them by path.
func TestApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 50))
		b.publish("beta", roster("b", 50))
		host := b.host().Mux(nil)
		evaluator := NewEvaluator(b.keys, unlimited, nil, nil)
		if err := evaluator.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		client, _ := b.serve(unlimited)
		client.Server = behind(t, host, evaluator.Mux())
		for id, want := range map[string]check.Result{"a": check.Affected, "b": check.Affected, "c": check.NotInScope} {
			if v := ask(t, client, member(id, 7)); v.Result != want {
				t.Errorf("%s: %+v", id, v)
			}
		}
		// Each of the two alone has half of it.
		alone := httptest.NewServer(host)
		defer alone.Close()
		if status, body := fetch(t, "POST", alone.URL+evaluatePath, evaluation(t)); status != http.StatusServiceUnavailable || !strings.Contains(body, "no-evaluator-key") {
			t.Errorf("the host alone: %d %s", status, body)
		}
		other := httptest.NewServer(evaluator.Mux())
		defer other.Close()
		if status, body := fetch(t, "GET", other.URL+"/check/v1/statement", ""); status != http.StatusNotFound || !strings.Contains(body, "unknown-path") {
			t.Errorf("the evaluator alone: %d %s", status, body)
		}
		if status, body := fetch(t, "POST", other.URL+evaluatePath, strings.Replace(evaluation(t), "k1", "k2", 1)); status != http.StatusNotFound || !strings.Contains(body, "unknown-key") {
			t.Errorf("a key that the evaluator has not: %d %s", status, body)
		}
		// An evaluator with another key of that name answers, and is not believed.
		foreign := emptyKeys(t)
		if err := foreign.Create(keyFile("k1"), []byte(check.GenerateEvaluatorKey().Secret())); err != nil {
			t.Fatal(err)
		}
		client.Server = behind(t, host, NewEvaluator(foreign, unlimited, nil, nil).Mux())
		if a, err := client.Check(t.Context(), member("c", 0)); !errors.Is(err, check.ErrProof) {
			t.Errorf("another key: %+v, %v", a, err)
		}
		// One without any key says so.
		bare := NewEvaluator(emptyKeys(t), unlimited, nil, nil)
		if err := bare.Ready(t.Context()); !errors.Is(err, ErrNoKey) || hint.Of(err) == "" {
			t.Errorf("an evaluator without a key: %v", err)
		}
		none := httptest.NewServer(bare.Mux())
		defer none.Close()
		if status, body := fetch(t, "POST", none.URL+evaluatePath, evaluation(t)); status != http.StatusServiceUnavailable || !strings.Contains(body, "no-evaluator-key") {
			t.Errorf("an evaluator without a key: %d %s", status, body)
		}
	})
}

func emptyKeys(t *testing.T) *files.Keys {
	t.Helper()
	k, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// TestKeysLetGo: a key that is not in use any more does not stay in memory.
func TestKeysLetGo(t *testing.T) {
	keys := emptyKeys(t)
	var inUse []check.Key
	for _, id := range []string{"k1", "k2"} {
		k := check.GenerateEvaluatorKey()
		if err := keys.Create(keyFile(id), []byte(k.Secret())); err != nil {
			t.Fatal(err)
		}
		inUse = append(inUse, check.Key{ID: id, Public: k.Public()})
	}
	e := NewEvaluator(keys, unlimited, func(context.Context, string) ([]check.Key, error) { return inUse, nil }, nil)
	if err := e.Ready(t.Context()); err != nil || len(e.held) != 2 {
		t.Fatalf("%d keys, %v", len(e.held), err)
	}
	for left := 1; left >= 0; left-- {
		inUse = inUse[1:]
		if err := e.Ready(t.Context()); err != nil || len(e.held) != left {
			t.Fatalf("%d keys, want %d, %v", len(e.held), left, err)
		}
	}
}

package collect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/collect/webtest"
	"shirase/internal/incident/datasets"
)

// breaches answers as the list of breaches of Have I Been Pwned does (https://haveibeenpwned.com/API/v3#AllBreaches): JSON, only to who
// says who they are, with a tag by which it is asked for again.
type breaches struct {
	names      []string
	busy       int // how many requests are answered by "too many"
	sent, same int
	agents     map[string]bool
	raw        string // in place of the list
}

func (b *breaches) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.agents[r.UserAgent()] = true
	tag := fmt.Sprintf(`"%d-%s"`, len(b.names), b.raw)
	switch {
	case r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client"):
		http.Error(w, "no user agent", http.StatusForbidden)
		return
	case b.busy > 0:
		b.busy--
		w.Header().Set("Retry-After", "2")
		http.Error(w, `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 2 seconds."}`, http.StatusTooManyRequests)
		return
	case r.Header.Get("If-None-Match") == tag:
		b.same++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	b.sent++
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("ETag", tag)
	if b.raw != "" {
		w.Write([]byte(b.raw))
		return
	}
	var rows []string
	for _, n := range b.names {
		rows = append(rows, fmt.Sprintf(`{"Name":%q,"Title":%q,"Domain":"%s.example","BreachDate":"2024-05-01","AddedDate":"2024-06-01T00:00:00Z","ModifiedDate":"2024-06-01T00:00:00Z","PwnCount":1234,`+
			`"Description":"Made for a test.","LogoPath":"","DataClasses":["Email addresses"],"IsVerified":true,"IsFabricated":false,"IsSensitive":false,"IsRetired":false,"IsSpamList":false,"IsMalware":false}`, n, n, strings.ToLower(n)))
	}
	w.Write([]byte("[" + strings.Join(rows, ",") + "]"))
}

// TestHIBP polls the list of breaches: what is new is recorded, what has not changed is not sent again, and what is no list records nothing.
func TestHIBP(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		b := &breaches{names: []string{"Alpha", "Beta"}, busy: 1, agents: map[string]bool{}}
		w.web.Put("/api/v3/breaches", &webtest.Page{Handle: b.ServeHTTP})
		w.web.Put("/robots.txt", &webtest.Page{Data: []byte("User-agent: *\nDisallow: /\n"), Media: "text/plain"}) // of pages that programs find by themselves
		w.Dataset = func(ctx context.Context, format string, data []byte) error {
			return datasets.Take(ctx, actor.Server(), w.in, format, data)
		}
		srcs, err := ParseSources("s.yaml", []byte(`sources: [{kind: hibp, url: "`+w.web.URL+`/api/v3/breaches", every: 24h}]`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddSources(ctx, actor.Operator(), srcs); err != nil {
			t.Fatal(err)
		}
		recorded := func() int {
			t.Helper()
			list, err := w.in.Holding(ctx, []string{"organisation"})
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		w.round()
		if recorded() != 0 || len(w.fail) != 1 || !strings.Contains(w.fail[0].Error(), "429") {
			t.Fatalf("busy: %d recorded, %v", recorded(), w.fail)
		}
		day := func() { w.now = w.now.Add(25 * time.Hour); w.round() }
		w.fail = nil
		day()
		if recorded() != 2 || b.sent != 1 || len(w.fail) != 0 {
			t.Fatalf("%d recorded, sent %d times, %v", recorded(), b.sent, w.fail)
		}
		day()
		if b.sent != 1 || b.same != 1 {
			t.Errorf("what has not changed was sent %d times, and said to be the same %d times", b.sent, b.same)
		}
		b.names = append(b.names, "Gamma")
		day()
		if recorded() != 3 || b.sent != 2 {
			t.Errorf("a new breach: %d recorded, sent %d times", recorded(), b.sent)
		}
		for _, raw := range []string{"<html>sign in</html>", `{"message":"no"}`, `[{"Name":"Delta"`, `[{"Name":"","Title":""}]`} {
			b.raw, w.fail = raw, nil
			w.now = w.now.Add(30 * 24 * time.Hour)
			w.round()
			if recorded() != 3 || len(w.fail) == 0 {
				t.Errorf("%s: %d recorded, %v", raw, recorded(), errors.Join(w.fail...))
			}
		}
		if list, err := w.ListSources(ctx, actor.Operator()); err != nil || len(list) != 1 || list[0].Said == "" || list[0].Failures == 0 {
			t.Errorf("what went wrong is not told: %+v, %v", list, err)
		}
		if len(b.agents) != 1 || !b.agents["shirase/test"] {
			t.Errorf("asked as %v", b.agents)
		}
		if waiting, err := w.Count(ctx); err != nil || waiting != 0 {
			t.Errorf("%d in the inbox: %v", waiting, err)
		}
	})
}

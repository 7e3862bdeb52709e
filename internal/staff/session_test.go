package staff

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func (o *office) session(token, account string) {
	o.t.Helper()
	data, err := Codec{}.Encode(o.now.Add(SessionLasts), map[string]any{AccountKey: account})
	if err == nil {
		err = o.Sessions().CommitCtx(o.t.Context(), token, data, o.now.Add(SessionLasts))
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) found(ctx context.Context, token string) bool {
	o.t.Helper()
	_, ok, err := o.Sessions().FindCtx(ctx, token)
	if err != nil {
		o.t.Fatal(err)
	}
	return ok
}

// TestUnattended: a page that is left open keeps nobody signed in.
func TestUnattended(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		sato := o.first()
		o.session("left open", sato.ID)
		o.session("used", sato.ID)
		for range 13 {
			o.now = o.now.Add(time.Hour)
			o.found(Unattended(t.Context()), "left open")
			if !o.found(t.Context(), "used") {
				t.Fatal("a session that is used has ended")
			}
		}
		if o.found(Unattended(t.Context()), "left open") || o.found(t.Context(), "left open") {
			t.Error("a page that follows by itself keeps the session")
		}
	})
}

// TestStrangersRows: who only asks leaves no row for a week, and an idle one goes.
func TestStrangersRows(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		sato := o.first()
		o.session("stranger", "")
		o.session("sato", sato.ID)
		if !o.found(t.Context(), "stranger") {
			t.Fatal("there is no time to answer")
		}
		rows := func() (n int) {
			t.Helper()
			if err := o.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := o.db.QueryRowContext(t.Context(), `SELECT count(*) FROM staff_session`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		o.now = o.now.Add(16 * time.Minute)
		if o.found(t.Context(), "stranger") || rows() != 1 {
			t.Error("a stranger's row is there after a quarter of an hour")
		}
		o.now = o.now.Add(13 * time.Hour)
		if rows() != 0 {
			t.Error("an idle row is there")
		}
	})
}

// TestDiscoverTogether: while a provider does not answer one, another is not held up.
func TestDiscoverTogether(t *testing.T) {
	var asked sync.WaitGroup
	asked.Add(2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Done()
		asked.Wait() // for the other one
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	p := &Provider{Issuer: server.URL}
	var ends sync.WaitGroup
	for range 2 {
		ends.Go(func() {
			if _, err := p.Begin(context.Background(), time.Now(), &Journey{}); err == nil || err.Error() == "" {
				t.Error("a provider that is down was found")
			}
		})
	}
	ends.Wait()
}

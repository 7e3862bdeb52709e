package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"shirase/internal/hint"
)

// run runs a server on a free port until end, which is called once or more often.
func run(t *testing.T, s *Server) (url string, end func()) {
	t.Helper()
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, l, func(u string) error { ready <- u; return nil }) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	select {
	case url = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("it does not serve: %v", err)
	}
	return url, end
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// closing is a listener that tells when it is closed.
type closing struct {
	net.Listener
	once   sync.Once
	closed chan struct{}
}

func (l *closing) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// TestEnd: a request that is under way when the end comes is answered, work that goes on is waited for, and only then is
// serving over.
func TestEnd(t *testing.T) {
	l := &closing{Listener: listen(t), closed: make(chan struct{})}
	began, goOn := make(chan struct{}), make(chan struct{})
	var over atomic.Bool // what the handler reads is closed
	s := New(Options{})
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		if over.Load() || r.Context().Err() != nil {
			t.Error("serving was over before the last answer")
		}
		io.WriteString(w, "answered")
	}), "/")
	s.Work("wait for the last answer", func(ctx context.Context, _ func(error)) {
		<-ctx.Done()
		<-goOn
		if over.Load() {
			t.Error("serving was over before the work")
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	url, ended := make(chan string, 1), make(chan error)
	go func() {
		err := s.Run(ctx, l, func(u string) error { url <- u; return nil })
		over.Store(true)
		ended <- err
	}()
	answer := make(chan string)
	go func() {
		res, err := http.Get(<-url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-began
	stop()
	<-l.closed // nobody else is let in
	close(goOn)
	if got := <-answer; got != "answered" {
		t.Errorf("the request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestBreakOff: who does not end within the time-out is broken off, and is over when Run returns.
func TestBreakOff(t *testing.T) {
	began := make(chan struct{})
	var over atomic.Bool
	s := New(Options{Timeouts: Timeouts{Drain: 1}})
	s.Mount(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		over.Store(true)
	}), "/")
	url, end := run(t, s)
	go func() {
		if res, err := http.Get(url); err == nil {
			res.Body.Close()
		}
	}()
	<-began
	end()
	if !over.Load() {
		t.Error("a handler runs on")
	}
}

// TestNotReady: what cannot be announced is not served, which is an error; and so is an address that is taken.
func TestNotReady(t *testing.T) {
	l := listen(t)
	worked := false
	s := New(Options{})
	s.Work("work", func(ctx context.Context, _ func(error)) { <-ctx.Done(); worked = true })
	if err := s.Run(t.Context(), l, func(string) error { return io.ErrClosedPipe }); err != io.ErrClosedPipe || !worked {
		t.Errorf("%v, %v", err, worked)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
	if err := s.Run(t.Context(), l, func(string) error { return nil }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("served on a closed listener: %v", err)
	}
	l = listen(t)
	defer l.Close()
	if _, err := Listen(l.Addr().String()); err == nil || !strings.Contains(hint.Of(err), "--listen") {
		t.Errorf("an address that is taken: %v", err)
	}
}

// TestWork: what fails while the server runs is logged under its name, and what fails because of the end is not. Nothing
// works on when it is over.
func TestWork(t *testing.T) {
	var log strings.Builder
	s := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	failed, over := make(chan struct{}), false
	s.Work("look for something new", func(ctx context.Context, fail func(error)) {
		fail(errors.New("not there"))
		close(failed)
		<-ctx.Done()
		fail(ctx.Err())
		over = true
	})
	_, end := run(t, s)
	<-failed
	end()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="look for something new" error="not there"`) {
		t.Error(got)
	}
	if !over {
		t.Error("it works on")
	}
}

// TestMounts: a guard stands before everything, and limits count by the address that proxies forward.
func TestMounts(t *testing.T) {
	proxies, err := ParseProxies([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Proxies: proxies})
	few := DefaultLimits
	few.IPv4 = Rate{1, 1}
	allow, err := s.Limit(few)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Limit(few)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Limit(Limits{}); err == nil {
		t.Error("limits of nothing are accepted")
	}
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := allow(r, 1); !ok {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}), "/a", "/b")
	s.Guard(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "notice.example" {
				w.WriteHeader(http.StatusMisdirectedRequest)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	h := s.Handler()
	for _, c := range []struct {
		target, from string
		want         int
	}{
		{"http://notice.example/a", "198.51.100.1", 200}, {"http://notice.example/b", "198.51.100.1", 429}, {"http://notice.example/a", "203.0.113.1", 200},
		{"http://notice.example/c", "203.0.113.9", 404}, {"http://other.example/a", "203.0.113.200", 421},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		r.RemoteAddr = "192.0.2.1:4711"
		r.Header.Set("X-Forwarded-For", c.from)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s from %s: %d, want %d", c.target, c.from, w.Code, c.want)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no security headers", c.target)
		}
		if c.want == 429 {
			if _, ok := other(r, 1); !ok {
				t.Error("two budgets are one")
			}
		}
	}
}

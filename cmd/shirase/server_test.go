package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

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

// TestServeUntil: a request that is under way when the end comes is answered, and
// only then is serving over.
func TestServeUntil(t *testing.T) {
	inner, err := listenOn("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &closing{Listener: inner, closed: make(chan struct{})}
	began, goOn := make(chan struct{}), make(chan struct{})
	var over atomic.Bool // what the handler reads is closed
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		if over.Load() || r.Context().Err() != nil {
			t.Error("serving was over before the last answer")
		}
		io.WriteString(w, "answered")
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	url := make(chan string, 1)
	ended := make(chan error)
	go func() {
		err := serveUntil(ctx, newServer(h), l, func(u string) error { url <- u; return nil })
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
	// What cannot be announced is not served, and that is an error.
	if inner, err = listenOn("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := serveUntil(t.Context(), newServer(h), inner, func(string) error { return io.ErrClosedPipe }); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

// TestWorkersEnd: when serve and password serve are over, nothing of theirs works on.
func TestWorkersEnd(t *testing.T) {
	a := &app{out: io.Discard, err: io.Discard, data: filepath.Join(t.TempDir(), "data")}
	must(a.init(t.Context(), "", settings{Region: "JP"}, 0))(t).close()
	for name, serve := range map[string]func(ctx context.Context, in *instance, l net.Listener) error{
		"serve": func(ctx context.Context, in *instance, l net.Listener) error {
			ctx, stop := context.WithCancel(ctx)
			return a.serve(ctx, in, l, serving{}, func(string) error { stop(); return nil })
		},
		"password serve": func(ctx context.Context, in *instance, l net.Listener) error {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			out := &app{out: writerFunc(func() { stop() }), err: io.Discard, data: a.data}
			return out.servePasswords(ctx, l, 0)
		},
	} {
		in, err := a.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l, err := listenOn("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := serve(t.Context(), in, l); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, one := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(one, "shirase/internal/") {
				t.Errorf("%s is over, and this works on:\n%s", name, one)
			}
		}
		in.close()
	}
}

// writerFunc is told of every write.
type writerFunc func()

func (f writerFunc) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

// TestPasswordServeLogsPanics: of a panic its stack is logged, and nothing of the request.
func TestPasswordServeLogsPanics(t *testing.T) {
	var log strings.Builder
	h := (&app{out: io.Discard, err: &log}).passwordHandler(nil, 0) // no corpora to read
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/range/21BD1", nil))
	if rec.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "msg=panic") || !strings.Contains(log.String(), "internal/password") {
		t.Errorf("%d, %q", rec.Code, log.String())
	}
	if strings.Contains(log.String(), "21BD1") {
		t.Error("the log has what was asked for")
	}
}

// TestExtractUntil: to read a long text takes a while, and nobody has to wait for it who does not want to.
func TestExtractUntil(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	text := "We discovered unauthorized access. " + strings.Repeat("1,234 Customers of The Company Name Bank, ", 1000)
	if res, err := extractUntil(ctx, []byte(text)); err != context.Canceled {
		t.Errorf("%v, %v", res, err)
	}
}

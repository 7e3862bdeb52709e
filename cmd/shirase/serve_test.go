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
	"testing"

	"shirase/internal/config"
	"shirase/internal/serve"
)

// TestWorkersEnd: when serve and password serve are over, nothing of theirs works on.
func TestWorkersEnd(t *testing.T) {
	a := appAt(filepath.Join(t.TempDir(), "data"), io.Discard, io.Discard)
	must(a.init(t.Context(), "", a.read.Instance, 0))(t).close()
	for name, run := range map[string]func(ctx context.Context, in *instance, l net.Listener) error{
		"serve": func(ctx context.Context, in *instance, l net.Listener) error {
			ctx, stop := context.WithCancel(ctx)
			return a.serve(ctx, in, l, nil, func(string) error { stop(); return nil })
		},
		"password serve": func(ctx context.Context, in *instance, l net.Listener) error {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			return appAt(a.op().Data, writerFunc(func() { stop() }), io.Discard).servePasswords(ctx, l)
		},
	} {
		in, err := a.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l, err := serve.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), in, l); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, one := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(one, "runtime.runCleanups") {
				continue // the collector's own, which unmaps what nobody holds any more
			}
			for _, frame := range strings.Split(one, "\n") {
				if strings.HasPrefix(frame, "shirase/internal/") && !strings.HasPrefix(frame, "shirase/internal/serve.") { // whose goroutines only have to return
					t.Errorf("%s is over, and this works on:\n%s", name, one)
				}
			}
		}
		in.close()
	}
}

// appAt is a run of the command on a data folder, of which nothing else is said.
func appAt(data string, out, errw io.Writer) *app {
	a := &app{out: out, err: errw, read: config.Default()}
	a.op().Data = data
	return a
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
	h := must(appAt(t.TempDir(), io.Discard, &log).passwordServer(nil))(t).Handler() // no corpora to read
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

// TestCheckGivesUp: a server that never answers does not keep whoever asks.
func TestCheckGivesUp(t *testing.T) {
	asked := make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer s.Close()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out, errw strings.Builder
	exit := run(t.Context(), []string{"check", "--server", s.URL, "--timeout", "100ms", "hana@example.com"}, &out, &errw)
	<-asked
	if exit != exitFailed || !strings.Contains(errw.String(), "within 100ms") || !strings.Contains(errw.String(), "hint: ") || out.Len() != 0 {
		t.Errorf("exit %d: %s%s", exit, out.String(), errw.String())
	}
}

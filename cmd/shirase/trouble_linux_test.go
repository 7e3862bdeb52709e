package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestNoSpace: on a disk that is full everything that is published goes on being served, a command that would write says that
// there is no space, in words, and all is as before when there is some again.
func TestNoSpace(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("shirase-test", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	if err := os.CopyFS(disk, os.DirFS(wellInstance(t))); err != nil {
		t.Fatal(err)
	}
	if err := filepath.Walk(disk, func(path string, info os.FileInfo, err error) error { // as they were: readable by nobody else
		if err != nil || path == disk {
			return err
		}
		return os.Chmod(path, map[bool]os.FileMode{true: 0o700, false: 0o600}[info.IsDir()])
	}); err != nil {
		t.Fatal(err)
	}
	f := folder{t: t, data: filepath.Join(disk, "data")}
	server := f.serve(nil)
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	for _, path := range []string{"/", "/incidents/shop-2026", "/incidents?q=shop", "/check/v1/statement", "/checkpoint", "/api/v1/incidents", "/range/5BAA6"} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		if res.Body.Close(); res.StatusCode != 200 {
			t.Errorf("%s on a full disk: %d", path, res.StatusCode)
		}
	}
	facts := filepath.Join(t.TempDir(), "facts.yaml")
	write(t, facts, strings.ReplaceAll(string(must(os.ReadFile("../../examples/facts.yaml"))(t)), "shop-2026", "shop-2027"))
	out, ok := f.try("incident", "new", "--facts", facts)
	if ok || !strings.Contains(strings.ToLower(out), "no space") || strings.Contains(out, "4874") || strings.Contains(out, "(13)") || !strings.Contains(out, "hint:") {
		t.Errorf("a command on a full disk: %v, %s", ok, out)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f.do("publish", "shop-2026")
}

// fill fills a disk to the last byte.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// bridge leads connections to a database until it is down.
type bridge struct {
	net.Listener
	address string
	mu      sync.Mutex
	down    bool
	conns   []net.Conn
}

func (b *bridge) lead() {
	for {
		conn, err := b.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("tcp", b.address)
		b.mu.Lock()
		if b.down || err != nil {
			conn.Close()
			if err == nil {
				there.Close()
			}
			b.mu.Unlock()
			continue
		}
		b.conns = append(b.conns, conn, there)
		b.mu.Unlock()
		go func() { io.Copy(there, conn); there.Close() }()
		go func() { io.Copy(conn, there); conn.Close() }()
	}
}

func (b *bridge) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
	if down {
		for _, c := range b.conns {
			c.Close()
		}
		b.conns = nil
	}
}

// TestDatabaseAway: where the database is away, pages that are kept and the check go on, what needs the database is answered
// with 503 and when to come again, one line of the log says so, and all is as before when it is back.
func TestDatabaseAway(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, base string) {
		if strings.HasPrefix(base, "sqlite:") {
			t.Skip("a file is not away")
		}
		u := must(url.Parse(base))(t)
		b := &bridge{Listener: must(net.Listen("tcp", "127.0.0.1:0"))(t), address: u.Host}
		defer b.Close()
		go b.lead()
		u.Host = b.Addr().String()
		data := filepath.Join(t.TempDir(), "data")
		f := folder{t: t, data: data, store: u.String()}
		examples := filepath.Join("..", "..", "examples")
		f.do("init", "--url", "https://notice.example")
		f.do("incident", "new", "--facts", filepath.Join(examples, "facts.yaml"))
		f.do("scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit")
		f.do("publish", "shop-2026")

		var said strings.Builder
		a := appAt(data, io.Discard, &said)
		a.op().Store, a.op().URL = f.store, "https://notice.example"
		w, h := watched(t, a)
		for _, path := range []string{"/", "/check/v1/statement"} {
			if rec := answerOf(h, path); rec.Code != 200 {
				t.Fatalf("%s: %d", path, rec.Code)
			}
		}
		b.set(true)
		for range 3 {
			for path, want := range map[string]int{"/": 200, "/check/v1/statement": 200, "/incidents?q=shop": 503, "/incidents/shop-2026/help": 503, "/api/v1/incidents": 503, "/readyz": 503} {
				rec := answerOf(h, path)
				if rec.Code != want || want == 503 && rec.Header().Get("Retry-After") == "" {
					t.Errorf("%s while the database is away: %d, Retry-After %q", path, rec.Code, rec.Header().Get("Retry-After"))
				}
			}
		}
		if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), "away") {
			t.Errorf("the log has %d lines:\n%s", n, said.String())
		}
		b.set(false)
		w.away.look(t.Context(), w.in.db.Ping, w.in.log)
		if rec := answerOf(h, "/incidents?q=shop"); rec.Code != 200 || !strings.Contains(said.String(), "the database is back") {
			t.Errorf("when it is back: %d\n%s", rec.Code, said.String())
		}
		if store.Away(nil) || store.Away(errors.New("other")) {
			t.Error("everything is a database that is away")
		}
	})
}

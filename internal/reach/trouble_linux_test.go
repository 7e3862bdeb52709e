package reach

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// heard keeps what the log says.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(b)
}

func (h *heard) has(s string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.text.String(), s)
}

// trouble sends a campaign of n; begin makes a trouble of the database while mails leave, and end ends it, once something was heard that says
// of. Afterwards all are told or listed, and nobody got two mails.
func trouble(t *testing.T, db *store.DB, n int, of string, begin, end func()) {
	t.Helper()
	var log heard
	w := newWorld(t, db, n, func(r *Rooms) { r.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c := w.started(nil, Rates{})
	var failed atomic.Int64
	w.workOf(failing{t, func(text string) {
		failed.Add(1)
		log.Write([]byte(text))
	}}, w.Reach)
	w.until("some leave", func() bool { return w.total() > 300 })
	begin()
	w.until("the trouble is heard of", func() bool { return log.has(of) })
	after := w.total()
	end()
	if after == n {
		t.Fatal("all had left before it")
	}
	w.until("all are told or listed", func() bool {
		n, err := w.counts(t.Context(), db, c.ID)
		return err == nil && n[Pending]+n[Intended]+n[Deferred] == 0
	})
	got := w.now(c.ID)
	if got.Total() != int64(n) || got[HandedOver]+got[Unknown] != int64(n) || w.total() != len(w.taken) || len(w.taken)+int(got[Unknown]) < n {
		t.Fatalf("%v, %d mails to %d", got.Names(), w.total(), len(w.taken))
	}
	t.Logf("%d mails had left; %d unknown", after, got[Unknown])
	if got[Unknown] > 0 {
		if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.done(c.ID)
	if len(w.taken) != n {
		t.Errorf("%d of %d", len(w.taken), n)
	}
}

// failing is a test whose work may fail, and which is told of it.
type failing struct {
	*testing.T
	told func(text string)
}

func (f failing) Errorf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.told(err.Error())
		}
	}
}

// The disk of the database is full for a while: nobody is lost, nobody gets two mails, and it goes on by itself.
func TestDiskFull(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		disk := t.TempDir()
		if err := syscall.Mount("shirase-test", disk, "tmpfs", 0, "size=32m"); err != nil {
			t.Skipf("a small disk cannot be mounted here: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
		db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(disk, "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		ballast := filepath.Join(disk, "ballast")
		trouble(t, db, 20_000, store.ErrNoSpace.Error(), func() { fill(t, ballast) }, func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("postgres", func(t *testing.T) { refusing(t, "53100", store.ErrNoSpace.Error()) })
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

// The database cannot write for a while, as the disk gives errors.
func TestDiskErrors(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		// A file that may not grow gives EFBIG, which SQLite takes for an error of the disk (SQLITE_IOERR_WRITE).
		signal.Ignore(syscall.SIGXFSZ)
		t.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		to := func(most uint64) func() {
			return func() {
				if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: limit.Max}); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Cleanup(to(limit.Cur))
		trouble(t, db, 20_000, "disk I/O error", to(4096), to(limit.Cur))
	})
	t.Run("postgres", func(t *testing.T) { refusing(t, "58030", "scripted") })
}

// refusing has PostgreSQL refuse what a campaign writes with an error of its disk, which a trigger scripts.
func refusing(t *testing.T, code, of string) {
	storetest.EachURL(t, func(t *testing.T, at string) {
		if !strings.HasPrefix(at, "postgres") {
			return
		}
		db, admin := openTwo(t, at)
		do := func(q string) {
			t.Helper()
			if _, err := admin.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		do(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'scripted' USING ERRCODE = '` + code + `'; END $$`)
		trouble(t, db, 20_000, of, func() {
			do(`CREATE TRIGGER refuse BEFORE UPDATE ON reach_block FOR EACH ROW EXECUTE FUNCTION refuse()`)
		}, func() { do(`DROP TRIGGER refuse ON reach_block`) })
	})
}

// The database is away for a while, connections and all.
func TestDatabaseGone(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, at string) {
		if !strings.HasPrefix(at, "postgres") { // a file is not away: it is locked (TestLocked), or its disk fails
			return
		}
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		b := &bridge{to: u.Host}
		if b.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		go b.lead()
		u.Host = b.Addr().String()
		db, err := store.Open(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		trouble(t, db, 20_000, "cannot be written down", func() { b.set(true) }, func() { b.set(false) })
	})
}

// bridge leads connections to a database unless it is down.
type bridge struct {
	net.Listener
	to    string
	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (b *bridge) lead() {
	for {
		here, err := b.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("tcp", b.to)
		if err != nil {
			here.Close()
			continue
		}
		b.mu.Lock()
		b.conns = append(b.conns, here, there)
		if b.down {
			here.Close()
			there.Close()
		}
		b.mu.Unlock()
		go func() { io.Copy(there, here); there.Close() }()
		go func() { io.Copy(here, there); here.Close() }()
	}
}

func (b *bridge) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down = down; down {
		for _, c := range b.conns {
			c.Close()
		}
		b.conns = nil
	}
}

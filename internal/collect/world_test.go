package collect

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/collect/webtest"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const childEnv = "SHIRASE_TEST_READ_PDF"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childEnv {
		if err := read.ServeChild(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	killtest.Main(m, collectAll)
}

// world is the room over a small web, at a time that tests move.
type world struct {
	*Collection
	t    *testing.T
	web  *webtest.Web
	now  time.Time
	in   *incident.Incidents
	fail []error
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, web: webtest.New(t), now: time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)}
	dir, err := files.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	keysDir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(keysDir, 0o700); err != nil {
		t.Fatal(err)
	}
	keys, err := files.OpenKeys(keysDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if w.in, err = incident.New(ctx, db, archive.Changed); err != nil {
		t.Fatal(err)
	}
	arch, err := archive.New(ctx, db, w.in)
	if err != nil {
		t.Fatal(err)
	}
	w.Collection, err = New(ctx, Rooms{DB: db, Dir: dir, Keys: keys, Incidents: w.in, Archive: arch, Agent: "shirase/test", Now: func() time.Time { return w.now },
		Web:    fetch.New(fetch.Options{Agent: "shirase/test", Pause: -1, Allow: []netip.AddrPort{w.web.Allow}, Timeout: 20 * time.Second, Max: 4 << 20, Now: func() time.Time { return w.now }}),
		Reader: &read.Reader{PDF: child(t)}, Resolver: nowhere})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// nowhere is a resolver that reaches nobody.
var nowhere = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("no network in tests") }}

func child(t *testing.T) func(ctx context.Context, data []byte) (*read.Pages, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	keep, err := os.UserCacheDir()
	if err != nil {
		keep = t.TempDir()
	}
	keep = filepath.Join(keep, "shirase-test-pdf")
	if err := os.MkdirAll(keep, 0o700); err != nil {
		t.Fatal(err)
	}
	return read.Child(self, []string{childEnv}, keep)
}

func each(t *testing.T, run func(t *testing.T, w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { run(t, newWorld(t, db)) })
}

// round does what is due, and collects what failed.
func (w *world) round() {
	w.t.Helper()
	w.Round(w.t.Context(), func(err error) { w.fail = append(w.fail, err) })
}

func (w *world) open() []*Item {
	w.t.Helper()
	list, err := w.List(w.t.Context(), actor.Operator(), false)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// byURL finds the newest item of a page.
func (w *world) byURL(path, kind string) *Item {
	w.t.Helper()
	list, err := w.List(w.t.Context(), actor.Operator(), true)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range list {
		if i.URL == w.web.URL+path && i.Kind == kind {
			return i
		}
	}
	w.t.Fatalf("there is no item %s of %s", kind, path)
	return nil
}

// accept accepts all that an item proposes.
func (w *world) accept(id string) *Item {
	w.t.Helper()
	l, err := w.Show(w.t.Context(), actor.Operator(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	a := Acceptance{Item: id, Version: l.Version}
	if l.Incident == "" {
		a.Incident = "found-" + id[2:]
	}
	for range l.Entries {
		a.Choices = append(a.Choices, Choice{Outcome: Taken})
	}
	i, err := w.Accept(w.t.Context(), actor.Operator(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) fetched(path string) *Item {
	w.t.Helper()
	d, err := w.Fetch(w.t.Context(), actor.Operator(), w.web.URL+path)
	if err != nil {
		w.t.Fatal(err)
	}
	i, err := w.Lay(w.t.Context(), actor.Operator(), d, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

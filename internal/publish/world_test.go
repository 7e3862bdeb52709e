package publish

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/ledger"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// world is an instance in temporary folders.
type world struct {
	*Publisher
	archive *archive.View // what the public finds
	t       *testing.T
	root    string
	keys    *files.Keys
	skey    string
}

var by = actor.Operator()

// eachWorld runs do on both engines.
func eachWorld(t *testing.T, do func(t *testing.T, w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { do(t, newWorld(t, db)) })
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, root: t.TempDir()}
	var err error
	if w.skey, _, err = NewLedgerKey("publish.example/{key}"); err != nil {
		t.Fatal(err)
	}
	w.open(db)
	if _, err := w.Index.NewKey(t.Context(), w.keys, index.DefaultLocatorBits); err != nil {
		t.Fatal(err)
	}
	return w
}

// open opens every room and makes public what is not yet, as a server does that starts.
func (w *world) open(db *store.DB) {
	w.t.Helper()
	p, keys, err := openRooms(w.t, db, w.root, w.skey)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Publisher, w.keys = p, keys
	if err := p.Sync(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	a, err := archive.New(w.t.Context(), db, p.Incidents)
	if err != nil {
		w.t.Fatal(err)
	}
	w.archive = a.Public()
}

func openRooms(t *testing.T, db *store.DB, root, skey string) (*Publisher, *files.Keys, error) {
	ctx := t.Context()
	dir, err := files.Open(filepath.Join(root, "files"))
	if err != nil {
		return nil, nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { dir.Close(); keys.Close() })
	rooms := Rooms{DB: db, Dir: dir, Keys: keys}
	if rooms.Incidents, err = incident.New(ctx, db, archive.Changed); err != nil {
		return nil, nil, err
	}
	if _, err = archive.New(ctx, db, rooms.Incidents); err != nil {
		return nil, nil, err
	}
	if rooms.Rosters, err = roster.New(ctx, db, dir, keys); err != nil {
		return nil, nil, err
	}
	if rooms.Index, err = index.New(ctx, db, dir); err != nil {
		return nil, nil, err
	}
	p, err := New(ctx, rooms, skey, Instance{URL: "https://notice.example", PhoneRegion: "JP"})
	return p, keys, err
}

const rules = `
columns: {account: id, email: mail, phone: tel}
index: [email]
phoneRegion: JP
maxRejects: 1
exclude:
  - {name: foreign, when: 'country != "JP"'}
sets:
  - {when: 'nick != ""', classes: [email, nickname]}
  - {classes: [email]}
`

// facts of an incident that says what rows(6) hold.
const agreeing = `
id: shop
asOf: "2026-11-20T16:00+09:00"
facts:
  - {key: organisation, value: Shop}
  - {key: title, value: A case}
  - {key: affected.count, value: 6, unit: accounts, qualifier: exact}
  - {key: data-class, value: email}
  - {key: data-class, value: nickname}
`

// rows makes an export of n affected accounts, a foreign one, and what else is given.
func rows(n int, more ...string) string {
	var b strings.Builder
	b.WriteString("id,mail,tel,nick,country\nf,f@example.com,,x,US\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,m%d@example.com,,%s,JP\n", i, i, []string{"nick", ""}[i%2])
	}
	return b.String() + strings.Join(more, "")
}

// record records a facts file, and scope makes a roster of an export.
func (w *world) record(facts string) {
	w.t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Incidents.Create(w.t.Context(), by, file); err == nil {
		return
	}
	if _, err := w.Incidents.Add(w.t.Context(), by, file); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) scope(id, export, rulesText string) roster.Roster {
	w.t.Helper()
	return w.part(id, "", export, rulesText)
}

func (w *world) part(id, part, export, rulesText string) roster.Roster {
	w.t.Helper()
	name := filepath.Join(w.t.TempDir(), "export.csv")
	if err := os.WriteFile(name, []byte(export), 0o600); err != nil {
		w.t.Fatal(err)
	}
	r, err := roster.ParseRules("rules.yaml", []byte(rulesText), incident.ClassWords())
	if err != nil {
		w.t.Fatal(err)
	}
	make := w.Rosters.Create
	if part != "" {
		make = func(ctx context.Context, who actor.Actor, id string, o roster.Options) (roster.Roster, error) {
			return w.Rosters.CreatePart(ctx, who, id, part, o)
		}
	}
	made, err := make(w.t.Context(), by, id, roster.Options{Export: name, Rules: r, TempDir: w.t.TempDir()})
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// shown reports whether everybody sees a title of an incident; false also where nothing is public of it.
func (w *world) shown(id, title string) bool {
	w.t.Helper()
	i, err := w.Incidents.Public().Get(w.t.Context(), id)
	return err == nil && i.Title("en") == title
}

var rosterOptions = roster.Options{}

// sqlite opens an empty database: what does not depend on the engine is tried on one.
func sqlite(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// syncWith serves what is committed, in a process whose serving transaction ends with an error after the checkpoint's file
// is written.
func syncWith(t *testing.T, w *world, fail func() error) error {
	t.Helper()
	l, err := ledger.New(t.Context(), w.DB, w.Dir, w.skey, ledger.Witnesses{}, func(ctx context.Context, tx *sql.Tx, size int64) error {
		if err := w.Incidents.Serve(ctx, tx, size); err != nil {
			return err
		}
		return fail()
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.Sync(t.Context())
}

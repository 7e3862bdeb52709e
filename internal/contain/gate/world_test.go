package gate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const routesFile = `routes:
  - {name: login, paths: [/login, /session], undecided: closed}
  - {name: all, paths: [/], undecided: open}
allow:
  - {name: health, paths: [/healthz]}
`

// world is a gate over a folder, with a case whose roster has accounts 0 to 9.
type world struct {
	*Gate
	t       *testing.T
	folder  string
	rosters *roster.Rosters
	told    int // notices that were told of
	now     time.Time
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, folder: t.TempDir(), now: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}
	dir, err := files.Open(filepath.Join(w.folder, "files"))
	w.must(err)
	keys, err := files.OpenKeys(filepath.Join(w.folder, "keys"))
	w.must(err)
	w.rosters, err = roster.New(t.Context(), db, dir, keys)
	w.must(err)
	rules, err := ParseRules("routes.yaml", []byte(routesFile))
	w.must(err)
	w.Gate, err = New(t.Context(), Rooms{DB: db, Dir: dir, Keys: keys, Latest: w.rosters.Latest, Named: w.rosters.Named, Members: w.rosters.Members, Rules: rules,
		ResetURL: "https://notice.example.jp/reset", Now: func() time.Time { return w.now }})
	w.must(err)
	w.roster("loss-2026", 10)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// roster makes the roster of a case: accounts a0 to a(n-1), of which each two share an address.
func (w *world) roster(id string, n int) {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("id,mail\n")
	for i := range n {
		fmt.Fprintf(&b, "a%d,user%d@example.com\n", i, i/2)
	}
	export := filepath.Join(w.folder, "export.csv")
	w.must(os.WriteFile(export, []byte(b.String()), 0o600))
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
	w.must(err)
	_, err = w.rosters.Create(w.t.Context(), actor.Operator(), id, roster.Options{Export: export, Rules: rules, TempDir: w.folder})
	w.must(err)
}

// node is a server's, over the same database.
func (w *world) node(change func(*NodeOptions)) *Node {
	w.t.Helper()
	o := NodeOptions{Gate: func(context.Context) (*Gate, error) { return w.Gate, nil }, Dir: w.Dir, Keys: w.Keys, Rules: w.Rules, Now: func() time.Time { return w.now },
		Page: func(lang language.Lang, s Shown) []byte {
			return fmt.Appendf(nil, "%s %s %s", lang, s.Kind, s.Says.In(lang))
		}}
	if change != nil {
		change(&o)
	}
	n := NewNode(o)
	w.must(n.Start(w.t.Context()))
	return n
}

func (w *world) do(kind string, asked Asked) {
	w.t.Helper()
	if asked.Why == "" {
		asked.Why = "a test"
	}
	w.must(w.Do(w.t.Context(), actor.Operator(), kind, "loss-2026", asked))
}

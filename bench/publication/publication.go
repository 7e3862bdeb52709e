// Package publication makes an index in a temporary folder, for benchmarks of
// what seals and serves one.
package publication

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"shirase/bench/figure"
	"shirase/check"
	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/index"
	"shirase/internal/ledger"
	"shirase/internal/store"
)

// Incident is the one incident that is published.
const Incident = "bench"

// Publication is an index with its rooms.
type Publication struct {
	Index  *index.Index
	Ledger *ledger.Ledger
	Dir    *files.Dir
	Keys   *files.Keys
	DB     *store.DB
	root   string
}

// New makes an empty one.
func New(ctx context.Context) *Publication {
	root, err := os.MkdirTemp("", "shirase-bench-")
	figure.Check(err)
	p := &Publication{root: root}
	p.Dir, err = files.Open(filepath.Join(root, "files"))
	figure.Check(err)
	p.Keys, err = files.OpenKeys(filepath.Join(root, "keys"))
	figure.Check(err)
	p.DB, err = store.Open(ctx, "sqlite:"+filepath.Join(root, "bench.db"))
	figure.Check(err)
	skey, _, err := ledger.NewKey("bench.invalid/{key}")
	figure.Check(err)
	p.Ledger, err = ledger.New(ctx, p.DB, p.Dir, skey)
	figure.Check(err)
	p.Index, err = index.New(ctx, p.DB, p.Dir, p.Keys, p.Ledger)
	figure.Check(err)
	_, err = p.Index.NewKey(ctx, index.DefaultLocatorBits)
	figure.Check(err)
	return p
}

// Close removes it.
func (p *Publication) Close() {
	p.DB.Close()
	os.RemoveAll(p.root)
}

// Root is its folder.
func (p *Publication) Root() string { return p.root }

// Roster gives a roster of n made-up addresses.
func Roster(label string, n int) index.Roster {
	return index.Roster{ID: label, N: int64(n), Members: func(yield func(index.Member, error) bool) {
		for i := range n {
			if !yield(index.Member{Identity: identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("%s%d@example.com", label, i)}}, nil) {
				return
			}
		}
	}}
}

// Subject describes an incident with one exposure set.
func Subject(id string) index.Subject {
	return index.Subject{ID: id, Organisation: "Example", Title: map[string]string{"en": id}, State: check.Final, AsOf: time.Now(),
		Sets: [][]string{{"email"}}, PhoneRegion: "JP"}
}

// Publish seals and publishes n addresses.
func (p *Publication) Publish(ctx context.Context, n int) *check.Statement {
	s, err := p.Index.Seal(ctx, Incident, Roster("member", n), nil)
	figure.Check(err)
	pub, err := p.Index.Publish(ctx, Subject(Incident), s, nil)
	figure.Check(err)
	return pub.Statement
}

// Handler serves it without limits.
func (p *Publication) Handler() http.Handler {
	return index.NewHandler(p.Index, func(*http.Request, int) (time.Duration, bool) { return 0, true }).Mux()
}

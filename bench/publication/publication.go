// Package publication makes an index in a temporary folder, for benchmarks of
// what seals and serves one.
package publication

import (
	"context"
	"database/sql"
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
	p.Ledger, err = ledger.New(ctx, p.DB, p.Dir, skey, ledger.Witnesses{})
	figure.Check(err)
	p.Index, err = index.New(ctx, p.DB, p.Dir)
	figure.Check(err)
	_, err = p.Index.NewKey(ctx, p.Keys, index.DefaultLocatorBits)
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

// Roster returns a roster of n made-up addresses.
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
		Sets: [][]string{{"email"}}}
}

// Publish seals and publishes n addresses.
func (p *Publication) Publish(ctx context.Context, n int) *check.Statement {
	s, err := p.Index.Seal(ctx, p.Keys, Incident, Roster("member", n), nil)
	figure.Check(err)
	return p.Put(ctx, Subject(Incident), s)
}

// Put publishes what was sealed of an incident.
func (p *Publication) Put(ctx context.Context, subject index.Subject, s *index.Sealed) *check.Statement {
	frame := index.Frame{PhoneRegion: "JP", Ledger: check.Signing{Key: check.VKeyHash(p.Ledger.VKey()), Next: check.VKeyHash("none")}}
	d, err := p.Index.Draft(ctx, p.Keys, frame, subject, s)
	figure.Check(err)
	figure.Check(p.DB.Update(ctx, func(tx *sql.Tx) error {
		at, _, err := p.Ledger.Append(ctx, tx, check.KindStatement, d.Raw)
		if err != nil {
			return err
		}
		return p.Index.Record(ctx, tx, d, at)
	}))
	figure.Check(p.Ledger.Sync(ctx))
	return d.Statement
}

// Handler serves it without limits.
func (p *Publication) Handler() http.Handler {
	h := index.NewHost(p.Index, index.Log{Served: p.Ledger.Served, Proof: p.Ledger.Proof}, nil)
	return h.Mux(index.NewEvaluator(p.Keys, func(*http.Request, int) (time.Duration, bool) { return 0, true }, h.Keys, nil))
}

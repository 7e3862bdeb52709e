// Command case takes generated accounts in the shape of the model case from
// export to published index, and measures each stage and the peak of memory.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gtank/ristretto255"

	"shirase/bench/figure"
	"shirase/bench/publication"
	"shirase/internal/actor"
	"shirase/internal/demo"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/roster"
)

func main() {
	o := figure.Parse()
	scale := 1.0
	if o.Quick {
		scale = 0.2
	}
	ctx := context.Background()
	p := publication.New(ctx)
	defer p.Close()
	export := filepath.Join(p.Root(), "accounts.csv")
	generate(export, scale)
	total, affected, err := demo.Figures(scale)
	figure.Check(err)
	rules, err := roster.ParseRules("rules.yaml", demo.Rules(), incident.ClassWords())
	figure.Check(err)
	rosters, err := roster.New(ctx, p.DB, p.Dir, p.Keys)
	figure.Check(err)

	start := time.Now()
	r, err := rosters.Create(ctx, actor.Operator(), publication.Incident, roster.Options{Export: export, Rules: rules, TempDir: p.Root()})
	figure.Check(err)
	scoped := time.Since(start)
	if r.Counts.Affected != affected || r.Counts.Total != total {
		panic("the scope is not the planned one")
	}
	start = time.Now()
	members := index.Roster{ID: r.ID, N: affected, Members: func(yield func(index.Member, error) bool) {
		for m, err := range rosters.Members(ctx, r) {
			if !yield(index.Member{Identity: m.Identity, Set: m.Set}, err) {
				return
			}
		}
	}}
	s, err := p.Index.Seal(ctx, p.Keys, publication.Incident, members, nil)
	figure.Check(err)
	sealed := time.Since(start)
	start = time.Now()
	subject := publication.Subject(publication.Incident)
	subject.Sets = r.Sets
	p.Put(ctx, subject, s)
	published := time.Since(start)
	peak := figure.PeakMemory()
	start = time.Now()
	_, err = p.Index.Verify(ctx, nil)
	figure.Check(err)
	verified := time.Since(start)

	o.Print(figure.Figure{Name: "accounts", Value: float64(total), Unit: "accounts"})
	o.Print(figure.Figure{Name: "affected", Value: float64(affected), Unit: "accounts"})
	o.Print(figure.Figure{Name: "scope: export to sealed roster", Value: scoped.Seconds(), Unit: "s"})
	o.Print(figure.Figure{Name: "seal: roster to source layer / its multiplications alone", Value: sealed.Seconds(), Unit: "s", Reference: bare(affected)})
	o.Print(figure.Figure{Name: "publish: fold, self-check, statement, ledger", Value: published.Seconds(), Unit: "s"})
	o.Print(figure.Figure{Name: "index verify", Value: verified.Seconds(), Unit: "s"})
	o.Print(figure.Figure{Name: "export to published index", Value: (scoped + sealed + published).Seconds(), Unit: "s"})
	o.Print(figure.Figure{Name: "peak of resident memory", Value: float64(peak) / (1 << 20), Unit: "MiB", Goal: "<= 400"})
}

// generate writes the export; it is no stage of the case.
func generate(path string, scale float64) {
	f, err := os.Create(path)
	figure.Check(err)
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = demo.Write(context.Background(), w, scale, nil)
	figure.Check(err)
	figure.Check(w.Flush())
	figure.Check(f.Close())
}

// bare returns the seconds that n variable-base multiplications take on all
// processors, from a sample of them.
func bare(n int64) float64 {
	seed := make([]byte, 64)
	rand.Read(seed)
	k, err := ristretto255.NewScalar().SetUniformBytes(seed)
	figure.Check(err)
	rand.Read(seed)
	e, err := ristretto255.NewIdentityElement().SetUniformBytes(seed)
	figure.Check(err)
	const sample = 20_000
	start := time.Now()
	for range sample {
		e.ScalarMult(k, e)
	}
	return time.Since(start).Seconds() / sample * float64(n) / float64(runtime.GOMAXPROCS(0))
}

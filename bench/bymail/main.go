// Command bymail holds what a page of an incident that is answered by mail takes to answer: 1,000 questions, half of them of addresses
// in the roster, in an order drawn at random, over HTTP; and whether the two halves can be told apart, by Mann and Whitney's test, two-sided.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/people"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const (
	asked = 1000
	id    = "clinic-2026"
)

func main() {
	if err := run(figure.Parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func address(n int) string { return fmt.Sprintf("person%05d@example.com", n) }

// room is one with every second address in its roster.
func room(ctx context.Context, dir string) (*people.People, func(), error) {
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "bench.db"))
	if err != nil {
		return nil, nil, err
	}
	end := func() { db.Close() }
	folder, err := files.Open(filepath.Join(dir, "files"))
	if err != nil {
		return nil, end, err
	}
	keys, err := files.OpenKeys(filepath.Join(dir, "keys"))
	if err != nil {
		return nil, end, err
	}
	rosters, err := roster.New(ctx, db, folder, keys)
	if err != nil {
		return nil, end, err
	}
	export := "id,mail\n"
	for n := 0; n < 2*asked; n += 2 {
		export += fmt.Sprintf("%d,%s\n", n, address(n))
	}
	name := filepath.Join(dir, "export.csv")
	if err := os.WriteFile(name, []byte(export), 0o600); err != nil {
		return nil, end, err
	}
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email, health]}\n"), incident.ClassWords())
	if err != nil {
		return nil, end, err
	}
	if _, err := rosters.Create(ctx, actor.Operator(), id, roster.Options{Export: name, Rules: rules, TempDir: dir}); err != nil {
		return nil, end, err
	}
	p, err := people.New(ctx, people.Rooms{DB: db, Keys: keys, Rosters: rosters,
		ByMail: func(context.Context, string) (people.About, bool, error) { return people.About{}, true, nil },
		Send:   func(context.Context, string, string, string, string) error { return nil }})
	return p, end, err
}

func run(o figure.Options) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "bymail")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, end, err := room(ctx, dir)
	if end != nil {
		defer end()
	}
	if err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.Ask(r.Context(), id, language.JA, r.PostFormValue("address")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "ok")
	}))
	defer server.Close()
	ask := func(n int) (float64, error) {
		began := time.Now()
		res, err := http.PostForm(server.URL, url.Values{"address": {address(n)}})
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err == nil && (res.StatusCode != http.StatusOK || string(body) != "ok") {
			err = errors.New(strings.TrimSpace(string(body)))
		}
		return float64(time.Since(began).Microseconds()) / 1000, err
	}
	for n := range 50 { // warm
		if _, err := ask(asked + 100 + n); err != nil {
			return err
		}
	}
	order := mathrand.New(mathrand.NewPCG(5, 6)).Perm(asked)
	var in, out []float64
	for _, n := range order {
		took, err := ask(n)
		if err != nil {
			return err
		}
		if n%2 == 0 {
			in = append(in, took)
		} else {
			out = append(out, took)
		}
	}
	z, probability := mannWhitney(in, out)
	o.Print(figure.Figure{Name: "a question, address in the roster (median)", Value: median(in), Unit: "ms", Reference: median(out)})
	o.Print(figure.Figure{Name: "Mann-Whitney z of 1,000 questions", Value: math.Abs(z), Unit: "sigma"})
	o.Print(figure.Figure{Name: "its p, two-sided", Value: probability, Unit: "", Goal: ">= 0.01"})
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// mannWhitney says by how much the ranks of a and b differ, in standard deviations, and how likely more than that is where they do not.
func mannWhitney(a, b []float64) (z, p float64) {
	type taken struct {
		v   float64
		ofA bool
	}
	var all []taken
	for _, v := range a {
		all = append(all, taken{v, true})
	}
	for _, v := range b {
		all = append(all, taken{v, false})
	}
	slices.SortFunc(all, func(x, y taken) int { return cmp.Compare(x.v, y.v) })
	var ranks float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for k := i; k < j; k++ {
			if all[k].ofA {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	z = (ranks - n*(n+1)/2 - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
	return z, math.Erfc(math.Abs(z) / math.Sqrt2)
}

// Command watch measures what it takes to tell who watches: a new incident's roster against a million of those who asked to be told,
// matched, and handed over to a mail server of this machine.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/watchers"
)

const (
	watching = 1_000_000
	affected = 1_000_000 // of the new incident
	both     = 100_000   // of those who watch
	handed   = 10_000    // that are handed over, to see at which rate
)

func main() {
	if err := run(figure.Parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func address(n int) string { return fmt.Sprintf("person%07d@example.com", n) }

// export writes an account export of those affected: the last of those who watch, and others.
func export(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "id,mail")
	for n := range affected {
		fmt.Fprintf(w, "%d,%s\n", n, address(watching-both+n))
	}
	return w.Flush()
}

func run(o figure.Options) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "bench.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	folder, err := files.Open(filepath.Join(dir, "files"))
	if err != nil {
		return err
	}
	defer folder.Close()
	keys, err := files.OpenKeys(filepath.Join(dir, "keys"))
	if err != nil {
		return err
	}
	defer keys.Close()
	rosters, err := roster.New(ctx, db, folder, keys)
	if err != nil {
		return err
	}
	var taken atomic.Int64
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sink := &smtptest.Sink{Taken: func(smtptest.Envelope, []byte) {
		if taken.Add(1) == handed {
			stop()
		}
	}}
	relay, err := sink.Listen("")
	if err != nil {
		return err
	}
	defer sink.Close()
	var public []watchers.Standing
	room, err := watchers.New(ctx, watchers.Rooms{DB: db, Keys: keys, Rosters: rosters, URL: "https://notice.example",
		Mailer: watchers.Mailer{Relays: []smtp.Relay{{Address: relay, Security: smtp.None}}, From: message.Address{Addr: "notice@example.jp"}},
		Public: func(context.Context) ([]watchers.Standing, error) { return public, nil },
		About: func(context.Context, string) (watchers.About, bool, error) {
			return watchers.About{Title: language.Both("名簿の流出", "A list leaked")}, true, nil
		}})
	if err == nil {
		err = room.Look(ctx)
	}
	for n := 0; n < watching && err == nil; n += 250_000 {
		some := make([]string, 250_000)
		for i := range some {
			some[i] = address(n + i)
		}
		err = room.Add(ctx, watchers.Choice{Lang: language.EN}, some...)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "bench: a million watch")
	name := filepath.Join(dir, "export.csv")
	if err := export(name); err != nil {
		return err
	}
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nindex: [email]\nsets:\n  - {classes: [email, name]}\n"), incident.ClassWords())
	if err != nil {
		return err
	}
	r, err := rosters.Create(ctx, actor.Operator(), "shop", roster.Options{Export: name, Rules: rules, TempDir: dir})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "bench: the roster is made")
	public = []watchers.Standing{{Incident: "shop", State: "final", Scope: r.ID, Roster: r.ID}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	if err := room.Look(ctx); err != nil {
		return err
	}
	if _, err := room.Match(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	n, err := room.Counts(ctx)
	if err != nil {
		return err
	}
	if n.Mails["waiting"] != both {
		return fmt.Errorf("%d were matched, and %d watch and are affected", n.Mails["waiting"], both)
	}
	o.Print(figure.Figure{Name: "a roster of 1,000,000 against 1,000,000 who watch, 100,000 in both", Value: took.Seconds(), Unit: "s", Goal: "<= 60"})
	o.Print(figure.Figure{Name: "memory taken from the system for it", Value: float64(after.Sys-before.Sys) / (1 << 20), Unit: "MiB"})
	began = time.Now()
	if _, err := room.Tell(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	o.Print(figure.Figure{Name: "mails handed over without a bound, intent written down before", Value: float64(taken.Load()) / time.Since(began).Seconds(), Unit: "a second"})
	return nil
}

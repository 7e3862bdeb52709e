package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/backup"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/roster"
)

// ended is what `incident retire` and `scope shred` print.
type ended struct {
	Certificate publish.Certificate `json:"certificate"`
	Remaining   []publish.Remaining `json:"remaining"`
	Outcome     string              `json:"outcome,omitzero"`  // of scope shred: destroyed, or removed here while copies remain
	Retained    string              `json:"retained,omitzero"` // SHA-256 of what is kept
	Signed      *check.Certificate  `json:"signed,omitzero"`   // as the ledger has it
}

func printEnded(w io.Writer, e ended) {
	if len(e.Certificate.Destroyed) == 0 {
		fmt.Fprintf(w, "Nothing was destroyed.\n")
	}
	for _, d := range e.Certificate.Removed {
		fmt.Fprintf(w, "Removed from this machine on %s, and kept in a backup (below): %s\n", d.Time.UTC().Format(time.RFC3339), d.What)
	}
	for _, d := range e.Certificate.Destroyed {
		fmt.Fprintf(w, "Destroyed here on %s: %s\n", d.Time.UTC().Format(time.RFC3339), d.What)
	}
	if e.Certificate.Seq > 0 {
		fmt.Fprintf(w, "Published: statement %s\n", language.Digits(e.Certificate.Seq))
	}
	if e.Signed != nil {
		fmt.Fprintf(w, "Certified in the ledger as entry %s: %s\n", language.Digits(e.Certificate.LedgerIndex), certified(*e.Signed).EN)
	}
	if e.Retained != "" {
		fmt.Fprintf(w, "Kept, with nobody in it whom this program finds: SHA-256 %s (shirase case retained %s)\n", e.Retained, e.Certificate.Incident)
	}
	printRemaining(w, e.Remaining)
}

func (a *app) cmdRetire() *cobra.Command {
	c := &cobra.Command{Use: "retire ID", Short: "Answer for an incident no more, and destroy the keys that go with it",
		Long: `Ends the checks of an incident, for ever. The decision is recorded first; then the
evaluator keys that nothing else is answered under are destroyed here; only then it is
published. A key that other incidents are answered under stays: rotate it. What was
destroyed, and what this could not reach, is printed. A key of which a backup has
recorded a sealed copy is called removed, and not destroyed.`,
		Example: "  shirase incident retire naver-2013\n  shirase incident retire naver-2013 --json", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.openToEnd(c, "retire", args[0])
			if err != nil {
				return err
			}
			defer in.close()
			if done, err := a.proposes(c.Context(), in, publish.KindRetire, args[0], struct{}{}); done || err != nil {
				return err
			}
			cert, remaining, err := in.publisher.Retire(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			e, err := in.withCopies(c.Context(), ended{Certificate: *cert, Remaining: remaining})
			if err != nil {
				return err
			}
			return a.print(e, func(w io.Writer) { printEnded(w, e) })
		}}
	a.todayFlag(c)
	return c
}

// openToEnd opens the instance for something that cannot be undone. Somebody who sits at a terminal is asked first.
func (a *app) openToEnd(c *cobra.Command, what, id string) (*instance, error) {
	if in, ok := c.InOrStdin().(*os.File); ok && !a.json && term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(a.err, "This cannot be undone. To %s %s, type its id: ", what, id)
		line, err := firstLine(c.Context(), bufio.NewReader(in))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if strings.TrimSpace(line) != id {
			return nil, errors.New("nothing was done")
		}
	}
	in, err := a.open(c.Context())
	if err != nil {
		return nil, err
	}
	if err := a.notMerged(c.Context(), in, id); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// cmdTurn makes a command that publishes another state of an incident.
func (a *app) cmdTurn(use, short, long, done string, turn func(*publish.Publisher, context.Context, actor.Actor, string) (*publish.Publication, error)) *cobra.Command {
	c := &cobra.Command{Use: use + " ID", Short: short, Long: long, Example: "  shirase incident " + use + " naver-2013", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			open := func() (*instance, error) { return a.openToEnd(c, use, args[0]) }
			if use == "reopen" {
				open = func() (*instance, error) { return a.open(c.Context()) }
			}
			in, err := open()
			if err != nil {
				return err
			}
			defer in.close()
			if done, err := a.proposes(c.Context(), in, use, args[0], struct{}{}); done || err != nil {
				return err
			}
			pub, err := turn(in.publisher, c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			a.tellWaiting(pub.Waiting)
			state := string(pub.Statement.Incident(args[0]).State)
			return a.print(map[string]any{"incident": args[0], "state": state, "seq": pub.Statement.Seq, "changed": pub.Changed}, func(w io.Writer) {
				fmt.Fprintf(w, done, args[0], language.Digits(pub.Statement.Seq))
			})
		}}
	a.todayFlag(c)
	return c
}

func (a *app) cmdReopen() *cobra.Command {
	return a.cmdTurn("reopen", "Say that an incident's scope is examined again",
		"Publishes that the scope of an incident, which was final, is examined again. Its last\nrevision stays sealed and is asked; whoever is not in it is told that more may come.\nWhen the new scope is known: make its roster, record scope.state: final, and publish.",
		"%s is reopened: statement %s, which servers serve within seconds.\n", (*publish.Publisher).Reopen)
}

func (a *app) cmdWithdraw() *cobra.Command {
	return a.cmdTurn("withdraw", "Say that an incident was recorded by mistake",
		"Publishes that an incident's id was a mistake. Nothing of it is answered any more, and\nits id never stands for anything else. What was published stays readable.",
		"%s is withdrawn: statement %s, which servers serve within seconds.\n", (*publish.Publisher).Withdraw)
}

func (a *app) cmdShred() *cobra.Command {
	var asked publish.AskedEnd
	c := &cobra.Command{Use: "shred ID", Short: "Destroy the key of an incident's sealed rosters and of its case",
		Long: `Destroys, on this machine, the case's key: what an incident's rosters and the private
record of its case are sealed under, and the copies of it in the folders of backups that
are there. Files are removed. Where no copy of it is left, nobody can then read who was
affected, write to them, seal them anew, or read what was recorded of the case. What is
published stays, and is still answered: that ends with incident retire.

What laws want kept of the case is kept with that, without whom this program finds in it: case
retained shows it beforehand. Under a legal hold (case hold) nothing is shredded. A case that is not
closed, or for which something came up since that would have kept it open, is refused:
case closing lists it, and --despite says why its key is destroyed all the same, which is
kept. Once there is staff it is proposed, with what is open, and somebody else approves
it. The end is certified in the ledger: case certificate. Where copies of the key were not reached they are listed,
and the key is called removed; run it again when their folder is there.`,
		Example: "  shirase scope shred naver-2013", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.openToEnd(c, "shred the rosters of", args[0])
			if err != nil {
				return err
			}
			defer in.close()
			if done, err := a.proposes(c.Context(), in, publish.KindShred, args[0], asked); done || err != nil {
				return err
			}
			e, err := a.shred(c.Context(), in, args[0], asked.Despite)
			if err != nil {
				return err
			}
			return a.print(e, func(w io.Writer) { printEnded(w, e) })
		}}
	c.Flags().StringVar(&asked.Despite, "despite", "", "why the key is destroyed although the case is not at its end")
	return c
}

// shred destroys the key of an incident's rosters and case, and says what of them is left.
func (a *app) shred(ctx context.Context, in *instance, id, despite string) (ended, error) {
	if err := a.readyToShred(ctx, in); err != nil {
		return ended{}, err
	}
	c, err := in.publisher.ShredDespite(ctx, actor.Operator(), id, despite)
	if err != nil {
		if errors.Is(err, roster.ErrNone) {
			err = hint.Add(err, "shirase incident show "+id+" says what there is")
		}
		return ended{}, err
	}
	a.tellWaiting(c.Waiting)
	done := c.Time.Time
	if r, err := in.rosters.Latest(ctx, id); err == nil { // else only the case's record was sealed under the key
		done = r.Shredded.Truncate(time.Second)
	} else if !errors.Is(err, roster.ErrNone) {
		return ended{}, err
	}
	e := ended{Certificate: publish.Certificate{Incident: id, Time: c.Time.Time, Destroyed: []publish.Destroyed{}, LedgerIndex: c.LedgerIndex}, Outcome: c.Outcome, Retained: c.Retained, Signed: &c.Certificate}
	key := publish.Destroyed{What: "the key of the rosters and the case of " + id, File: roster.KeyFile(id), Time: done}
	if c.Outcome == check.OutcomeDestroyed {
		e.Certificate.Destroyed = append(e.Certificate.Destroyed, key)
	} else {
		e.Certificate.Removed = append(e.Certificate.Removed, key)
	}
	e.Remaining = c.Left
	outside, err := a.filesOutside(ctx, in, id)
	if err != nil {
		return ended{}, err
	}
	e.Remaining = append(e.Remaining, outside...)
	for _, r := range c.Remains {
		if text, ok := remains[r.What]; ok {
			e.Remaining = append(e.Remaining, publish.Remaining{What: strings.ReplaceAll(text.what, "COUNT", language.Digits(r.N)), Why: strings.ReplaceAll(text.why, "CASE", id)})
		}
	}
	if slices.Contains(c.Unknown, check.NotCounted) {
		e.Remaining = append(e.Remaining, publish.Remaining{What: "what had left the machine before", Why: "an earlier version shredded the case, so that nobody counted copies of its record, evidence that was given out and lists of parties"})
	}
	e.Remaining = append(e.Remaining, publish.Backups, publish.Remaining{What: "the account export that the roster was made from", Why: "this program keeps no copy of it, and does not know where it lies"},
		publish.Remaining{What: "the accounts' own database", Why: "whose accounts these are is known there: this program reads exports of it, and destroys nothing in it"})
	return e, nil
}

// remains says what is left of a case, beside what is listed one by one. COUNT and CASE stand for how many, and of which.
var remains = map[string]struct{ what, why string }{
	"record-exports":        {"COUNT copies of the case's record that were taken out", "whoever has them reads them: have them destroyed"},
	"evidence-outside":      {"COUNT copies and pieces of evidence that were given out", "whoever has them reads them: have them destroyed, or given back"},
	"party-lists":           {"COUNT lists that parties were given", "they are sealed to the parties' own keys"},
	"relay-logs":            {"what relays noted of mail (COUNT campaigns, answers, news, and openings of the reset)", "their logs have addresses: they are let go as those who run the relays do"},
	"sealed-index":          {"the sealed index of the incident", "it is published, and answers who asks: shirase incident retire CASE"},
	"house-files-confirmed": {"COUNT files that houses say they have destroyed", "nothing shows it but their word"},
}

// withCopies adds the sealed copies that a backup has recorded to what remains: of a key that has some, its file is gone here,
// and the key is not destroyed.
func (in *instance) withCopies(ctx context.Context, e ended) (ended, error) {
	destroyed := []publish.Destroyed{}
	var remaining []publish.Remaining
	for _, d := range e.Certificate.Destroyed {
		copies, err := in.copiesOf(ctx, d.File)
		if err != nil {
			return e, err
		}
		remaining = append(remaining, copies...)
		if len(copies) > 0 {
			e.Certificate.Removed = append(e.Certificate.Removed, d)
		} else {
			destroyed = append(destroyed, d)
		}
	}
	e.Certificate.Destroyed = destroyed
	e.Remaining = append(remaining, e.Remaining...)
	return e, nil
}

// copiesOf lists the sealed copies of a key's file that a backup has recorded.
func (in *instance) copiesOf(ctx context.Context, name string) ([]publish.Remaining, error) {
	register, err := backup.Open(ctx, in.db)
	if err != nil {
		return nil, err
	}
	var out []publish.Remaining
	copies, err := register.Copies(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, c := range copies {
		out = append(out, publish.Remaining{What: "a sealed copy of " + name, Why: filepath.Join(c.Place, filepath.FromSlash(c.File)) + ", sealed to " + c.Recipient + ": delete it"})
	}
	return out, nil
}

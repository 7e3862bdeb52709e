package main

import (
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

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/index"
	"shirase/internal/publish"
)

// keyRow is an evaluator key as `shirase key` prints it.
type keyRow struct {
	ID          string   `json:"id"`
	State       string   `json:"state"` // live, compromised or ended
	Since       string   `json:"since"`
	Public      string   `json:"public"`
	LocatorBits int      `json:"locatorBits"`
	Incidents   []string `json:"incidents"` // that are answered under it
}

// ledgerRow is a key of the ledger.
type ledgerRow struct {
	VKey string `json:"vkey"`
	Next string `json:"next,omitzero"` // SHA-256 of the vkey that alone may follow
}

func (a *app) cmdKey() *cobra.Command {
	c := group("key", "List, rotate and end the evaluator's and the ledger's keys", "  shirase key list")
	c.AddCommand(a.cmdKeyList(), a.cmdKeyRotate(), a.cmdKeyCompromised(), a.cmdKeySwitch())
	return c
}

// keyRows gives the evaluator's keys with what is answered under each.
func keyRows(ctx context.Context, in *instance) ([]keyRow, error) {
	keys, err := in.index.Keys(ctx)
	if err != nil {
		return nil, err
	}
	st, _, _, err := in.index.Statement(ctx)
	if err != nil && !errors.Is(err, index.ErrNone) {
		return nil, err
	}
	out := []keyRow{}
	for _, k := range keys {
		public, err := k.Public.MarshalText()
		if err != nil {
			return nil, err
		}
		row := keyRow{k.ID, string(k.State()), k.Since().UTC().Format(time.RFC3339), string(public), k.LocatorBits, []string{}}
		if st != nil {
			row.Incidents = append(row.Incidents, index.AnsweredUnder(st, k.ID)...)
		}
		out = append(out, row)
	}
	return out, nil
}

func (a *app) cmdKeyList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the keys, their states, and what is answered under each",
		Long: `Lists the evaluator's keys, which the index is sealed under: live, compromised or
ended, since when, and the incidents that are answered under each; and the ledger's
keys, of which the last one signs.`,
		Example: "  shirase key list\n  shirase key list --json", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			rows, err := keyRows(c.Context(), in)
			if err != nil {
				return err
			}
			signed, err := in.publisher.LedgerKeys(c.Context())
			if err != nil {
				return err
			}
			ledger := []ledgerRow{}
			for _, k := range signed {
				row := ledgerRow{VKey: k.VKey}
				if k.Next != (check.Hash{}) {
					row.Next = k.Next.String()
				}
				ledger = append(ledger, row)
			}
			return a.print(map[string]any{"keys": rows, "ledger": ledger}, func(w io.Writer) {
				printKeys(w, rows)
				for i, k := range ledger {
					what := "signs the ledger"
					if i < len(ledger)-1 {
						what = "was followed"
					}
					fmt.Fprintf(w, "%s: %s\n", k.VKey, what)
				}
			})
		}}
}

func printKeys(w io.Writer, rows []keyRow) {
	var out [][2]string
	for _, k := range rows {
		what := k.State + " since " + k.Since
		if len(k.Incidents) > 0 {
			what += "; answers for " + strings.Join(k.Incidents, ", ")
		}
		out = append(out, [2]string{k.ID, what})
	}
	table(w, out)
}

func (a *app) cmdKeyRotate() *cobra.Command {
	var planned int64
	c := &cobra.Command{Use: "rotate", Short: "Seal everything anew under a new evaluator key, and end the old one",
		Long: `Makes a new evaluator key and seals every incident anew under it, as its next
revision. Until that is done the old layers are asked too. Then the old key's file is
destroyed here, and only then that is published: copies of the old layers answer
nothing any more. Interrupted, it goes on when it is started again.

What was superseded under the old key goes with it. An incident whose roster was
shredded cannot be sealed anew, and keeps its key until it is retired.`,
		Example: "  shirase key rotate\n  shirase key rotate --planned-entries 20000000", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			bits := 0
			if planned > 0 {
				bits = index.LocatorBits(planned)
			}
			if done, err := a.proposes(c.Context(), in, publish.KindRotate, "", publish.AskedKey{LocatorBits: bits}); done || err != nil {
				return err
			}
			before, err := in.index.Keys(c.Context())
			if err != nil {
				return err
			}
			tell, end := a.progress("sealing")
			r, err := in.publisher.Rotate(c.Context(), actor.Operator(), bits, tell)
			end()
			if err != nil {
				return err
			}
			var all []publish.Remaining
			var copied []string // keys of which a backup holds a copy
			for _, id := range r.Ended {
				copies, err := in.copiesOf(c.Context(), index.KeyFile(id))
				if err != nil {
					return err
				}
				if len(copies) > 0 {
					copied = append(copied, id)
				}
				all = append(all, copies...)
			}
			r.Remaining = append(all, r.Remaining...)
			rows, err := keyRows(c.Context(), in)
			if err != nil {
				return err
			}
			made := !slices.ContainsFunc(before, func(k index.KeyStatus) bool { return k.ID == r.Key })
			return a.print(struct {
				Done      string              `json:"done"` // in a sentence
				Key       string              `json:"key"`  // that is sealed under now
				Made      bool                `json:"made"` // by this command
				Keys      []keyRow            `json:"keys"`
				Sealed    []string            `json:"sealed"`
				Ended     []string            `json:"ended"`
				Remaining []publish.Remaining `json:"remaining"`
			}{rotated(r, made), r.Key, made, rows, r.Sealed, r.Ended, r.Remaining}, func(w io.Writer) {
				fmt.Fprintf(w, "%s\n\n", rotated(r, made))
				printKeys(w, rows)
				for _, id := range r.Ended {
					if slices.Contains(copied, id) {
						fmt.Fprintf(w, "\nThe file of key %s is removed from this machine; a backup holds a sealed copy of it.\n", id)
					} else {
						fmt.Fprintf(w, "\nThe file of key %s is destroyed here.\n", id)
					}
				}
				printRemaining(w, r.Remaining)
			})
		}}
	c.Flags().Int64Var(&planned, "planned-entries", 0, "entries that the index is planned for (default: as the key before)")
	a.todayFlag(c)
	return c
}

// rotated says in a sentence what a rotation did: it need not be what was thought of.
func rotated(r *publish.Rotation, made bool) string {
	under := "the key " + r.Key + ", which was there already"
	if made {
		under = "the new key " + r.Key
	}
	sealed := "Nothing was sealed anew: whatever can be is under " + under
	if len(r.Sealed) > 0 {
		sealed = "Sealed anew under " + under + ": " + strings.Join(r.Sealed, ", ")
	}
	if len(r.Ended) == 0 {
		return sealed + ". No key ended."
	}
	return sealed + ". Ended: " + strings.Join(r.Ended, ", ") + "."
}

func printRemaining(w io.Writer, remaining []publish.Remaining) {
	fmt.Fprintf(w, "\nNot reached:\n")
	for _, r := range remaining {
		fmt.Fprintf(w, "- %s: %s\n", r.What, r.Why)
	}
}

func (a *app) cmdKeyCompromised() *cobra.Command {
	c := &cobra.Command{Use: "compromised ID", Short: "Say that somebody else may have an evaluator key",
		Long: `Publishes that somebody else may have an evaluator key. Whoever has it can test
addresses against every copy of what was sealed under it, without asking. Statement,
pages and answers say so; answers stay right. Nothing new is sealed under the key.
Rotate it next: that ends what can be learnt from copies made later, and nothing else can.`,
		Example: "  shirase key compromised k1", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if done, err := a.proposes(c.Context(), in, publish.KindCompromised, "", publish.AskedKey{Key: args[0]}); done || err != nil {
				return err
			}
			pub, err := in.publisher.Compromised(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			rows, err := keyRows(c.Context(), in)
			if err != nil {
				return err
			}
			v := struct {
				Keys []keyRow `json:"keys"`
				Seq  int64    `json:"seq,omitzero"`
			}{Keys: rows}
			if pub != nil {
				v.Seq = pub.Statement.Seq
				a.tellWaiting(pub.Waiting)
			}
			return a.print(v, func(w io.Writer) {
				printKeys(w, rows)
				fmt.Fprintf(w, "\nNext: shirase key rotate\n")
			})
		}}
	a.todayFlag(c)
	return c
}

func (a *app) cmdKeySwitch() *cobra.Command {
	var next string
	c := &cobra.Command{Use: "switch --next FILE", Short: "Have the ledger's next key sign from now on",
		Long: `Has the ledger's next key sign from now on: the one that was made with the key that
signs now, as ledger-next.key, and was kept elsewhere. The key before is destroyed
here. It need not be there: this is also what to do where it is lost or stolen. Those
who have pinned it accept the next one by what statements said all along, and no other.

A key that follows this one in turn is made, as ledger-next.key: take it away from this
machine. Tell your witnesses the new key first; servers take it up by themselves.`,
		Example: "  shirase key switch --next /media/safe/ledger-next.key", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if next == "" {
				return usagef("key switch wants --next FILE")
			}
			secret, err := readKeyFile(next)
			if err != nil {
				return err
			}
			in, err := a.openToSwitch(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			pub, err := in.publisher.SwitchLedgerKey(c.Context(), actor.Operator(), secret)
			if err != nil {
				return err
			}
			a.tellWaiting(pub.Waiting)
			file := filepath.Join(a.op().KeysDir(), publish.NextKey)
			return a.print(map[string]string{"ledgerKey": in.publisher.VKey(), "next": file}, func(w io.Writer) {
				table(w, [][2]string{{"signs now", in.publisher.VKey()}, {"is to follow", file}})
				fmt.Fprintf(w, "\nTake %s away from this machine, and destroy %s where it is kept: it signs from here now.\n", file, next)
			})
		}}
	c.Flags().StringVar(&next, "next", "", "file of the key that is to sign")
	c.MarkFlagFilename("next", "key")
	a.todayFlag(c)
	return c
}

// maxKeyFile bounds a file that is said to be a key, in bytes.
const maxKeyFile = 4 << 10

// readKeyFile reads a key from wherever it is kept.
func readKeyFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the next key: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(b) > maxKeyFile {
		err = files.ErrTooLarge
	}
	if err != nil {
		return "", fmt.Errorf("read the next key: %s: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// todayFlag gives a command the flag by which a person vouches for the clock.
func (a *app) todayFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.today, "today", "", "today's date, as YYYY-MM-DD by another clock, where the last statement is more than a month old")
}

// readToday reads what --today says.
func (a *app) readToday() (time.Time, error) {
	if a.today == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, a.today)
	if err != nil {
		return t, usagef("--today %q is not a date like %s", a.today, time.Now().UTC().Format(time.DateOnly))
	}
	return t.Add(12 * time.Hour), nil // noon: it is that day somewhere
}

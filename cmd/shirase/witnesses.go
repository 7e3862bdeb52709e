package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/site"
	"shirase/internal/witness"
)

// witnessesFile is the policy of witnesses in a data folder; where there is none, the ledger has none.
const witnessesFile = "witnesses"

// readWitnesses reads a data folder's policy of witnesses.
func (a *app) readWitnesses() (publish.Witnesses, error) {
	path := filepath.Join(a.op().Data, witnessesFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return publish.Witnesses{}, nil
	}
	if err != nil {
		return publish.Witnesses{}, fmt.Errorf("read the ledger's witnesses: %w", err)
	}
	w, err := publish.ParseWitnesses(string(text))
	if err != nil {
		return w, hint.Add(fmt.Errorf("read the ledger's witnesses in %s: %w", path, err), "give a policy that is right: shirase ledger witnesses FILE")
	}
	return w, nil
}

// witnessesGiven reads a policy of witnesses that a user names.
func witnessesGiven(ctx context.Context, path string) (publish.Witnesses, error) {
	text, err := readLimited(ctx, path, check.MaxPolicy)
	if err != nil {
		return publish.Witnesses{}, fmt.Errorf("read the ledger's witnesses: %w", err)
	}
	w, err := publish.ParseWitnesses(string(text))
	if err != nil {
		return w, hint.Add(fmt.Errorf("%s: %w", path, err), `lines like "witness NAME VKEY URL", "group NAME 2 NAME NAME NAME" and "quorum NAME" (c2sp.org/tlog-policy)`)
	}
	return w, nil
}

func (a *app) cmdLedgerWitnesses() *cobra.Command {
	var public bool
	c := &cobra.Command{
		Use:   "witnesses [FILE]",
		Short: "Show who cosigns the ledger, or say who is to",
		Long: `Shows which witnesses cosign the ledger's checkpoints, and how far what is served
is cosigned. With FILE, a policy (c2sp.org/tlog-policy without log lines, each
witness with its URL), these are asked from the next start on:

  witness north north.example/w+4b1c2d3e+AbCd... https://witness.north.example
  witness south south.example/w+0a1b2c3d+EfGh... https://south.example/witness
  witness lake  lake.example/w+99aabbcc+IjKl...  https://lake.example
  group most 2 north south lake
  quorum most

Nothing that is published is public then before the quorum has cosigned it. What
statements have once wanted can be made stricter, and never less strict. Name
witnesses that other organisations run: who owns them all is one party.`,
		Example: "  shirase ledger witnesses\n  shirase ledger witnesses policy.txt\n  shirase ledger witnesses --public",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if public && len(args) == 0 {
				return a.print(map[string]string{"public": witness.Public()}, func(w io.Writer) { io.WriteString(w, witness.Public()) })
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if len(args) == 1 {
				if err := a.setWitnesses(c.Context(), in, args[0]); err != nil {
					return err
				}
			}
			return a.printWitnesses(c.Context(), in, len(args) == 1)
		},
	}
	c.Flags().BoolVar(&public, "public", false, "show the public witnesses that this program knows of, and where their keys were read")
	return c
}

// setWitnesses puts a policy of witnesses into the data folder.
func (a *app) setWitnesses(ctx context.Context, in *instance, path string) error {
	w, err := witnessesGiven(ctx, path)
	if err != nil {
		return err
	}
	if err := in.publisher.CheckPolicy(ctx, w.Policy()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return a.writeWitnesses(w)
}

func (a *app) writeWitnesses(w publish.Witnesses) error {
	dir, err := files.Open(a.op().Data)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Put(witnessesFile, []byte(w.Policy()))
}

// cosigner is a witness as it is shown.
type cosigner struct {
	Name     string     `json:"name"`
	VKey     string     `json:"vkey"`
	Cosigned check.Time `json:"cosigned,omitzero"` // what is served
	Last     check.Time `json:"last,omitzero"`     // anything of this ledger
	LastSize int64      `json:"lastSize,omitzero"`
	Why      string     `json:"why,omitzero"` // it does not cosign
	WhySince check.Time `json:"whySince,omitzero"`
}

// printWitnesses shows how far what is served is cosigned; changed says that this is still by those who were asked before.
func (a *app) printWitnesses(ctx context.Context, in *instance, changed bool) error {
	s, err := in.publisher.Standing(ctx)
	if err != nil {
		return err
	}
	out := struct {
		Policy    string     `json:"policy"`
		Quorum    bool       `json:"quorum"`
		Since     check.Time `json:"since,omitzero"`
		Served    int64      `json:"served"`
		Waiting   int64      `json:"waiting"`
		Witnesses []cosigner `json:"witnesses"`
	}{Quorum: s.Quorum, Served: s.Served, Waiting: s.Waiting}
	w, err := a.readWitnesses()
	if err != nil {
		return err
	}
	out.Policy = w.Policy()
	if !s.Since.IsZero() {
		out.Since = check.At(s.Since)
	}
	for _, each := range s.Witnesses {
		c := cosigner{Name: each.Name, VKey: each.VKey, LastSize: each.LastSize, Why: each.Why}
		c.Cosigned, c.Last, c.WhySince = atOrNever(each.Cosigned), atOrNever(each.Last), atOrNever(each.WhySince)
		out.Witnesses = append(out.Witnesses, c)
	}
	return a.print(out, func(w io.Writer) {
		if changed {
			fmt.Fprintln(w, "These witnesses are asked from the next start on: restart shirase serve.")
			return
		}
		if len(out.Witnesses) == 0 {
			fmt.Fprintln(w, noWitnesses)
			return
		}
		rows := [][2]string{}
		for _, c := range out.Witnesses {
			rows = append(rows, [2]string{c.Name, c.says()})
		}
		table(w, rows)
		if out.Waiting > 0 {
			fmt.Fprintf(w, "\n%s entries wait for witnesses, and are not public yet.\n", language.Digits(out.Waiting))
		}
	})
}

// atOrNever is a time for JSON; the zero value of one that never was.
func atOrNever(t time.Time) check.Time {
	if t.IsZero() {
		return check.Time{}
	}
	return check.At(t)
}

// says tells whether a witness cosigns, in a line.
func (c cosigner) says() string {
	at := func(t check.Time) string { return language.DateTime(language.EN, t.Time) }
	said := "cosigned: not yet"
	switch {
	case !c.Cosigned.IsZero():
		said = "cosigned: " + at(c.Cosigned)
	case !c.Last.IsZero():
		said = fmt.Sprintf("cosigned: not what is served, but %s entries on %s", language.Digits(c.LastSize), at(c.Last))
	}
	if c.Why != "" {
		said += fmt.Sprintf("; since %s not: %s", at(c.WhySince), oneLine(c.Why))
	}
	return said
}

const noWitnesses = "No witness cosigns this ledger: that everybody is shown one history is its own word. Next: shirase ledger witnesses FILE"

// tellWaiting says on stderr that something is recorded and not public yet, and why.
func (a *app) tellWaiting(waiting error) {
	if waiting == nil {
		return
	}
	a.say("warning: recorded, and not public yet: %s", oneLine(strings.TrimPrefix(waiting.Error(), "ledger: publishing: ")))
	a.say("hint: %s", hintFor(waiting))
}

// cosigners are the witnesses as pages show them.
func (in *instance) cosigners(ctx context.Context) site.Witnesses {
	s, err := in.publisher.Standing(ctx)
	if err != nil {
		in.log.Error("read how far the ledger is cosigned", "error", err)
	}
	out := site.Witnesses{Quorum: s.Quorum}
	for _, w := range s.Witnesses {
		out.Each = append(out.Each, site.Witness{Name: w.Name, VKey: w.VKey, Cosigned: w.Cosigned})
	}
	return out
}

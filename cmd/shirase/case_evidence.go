package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/response"
)

func (a *app) cmdCaseEvidence() *cobra.Command {
	c := group("evidence", "Take in evidence, show its chain of custody, give it out", "  shirase case evidence add shop-2026-08-20 auth.log --source \"db1, /var/log\"")
	c.AddCommand(a.cmdEvidenceAdd(), a.cmdEvidenceList(), a.cmdEvidenceExport(), a.cmdEvidenceVerify(), a.cmdEvidenceHand())
	return c
}

func (a *app) cmdEvidenceAdd() *cobra.Command {
	var e response.Evidence
	var accounts bool
	c := &cobra.Command{Use: "add CASE FILE|-", Short: "Take a file in as it is: hashed while it arrives, sealed under the case's key", Args: cobra.ExactArgs(2),
		Long: `Takes a file in as evidence. Its SHA-256 is made while it arrives and stands in the
record; its bytes are sealed under the case's key and never lie on the disk otherwise.
How large it may be says the setting evidence.max. With - it is read from standard
input, and --name is wanted. --accounts says that it is an export of accounts, of which a
scope is worked out, or names and addresses of letters come (shirase campaign export): only
who works with that reads it, each reading is in its chain of custody, and it can be removed.`,
		Example: "  shirase case evidence add shop-2026-08-20 auth.log --source \"db1, /var/log\" --by Sato --collected 2026-08-20T12:00+09:00\n  ssh db1 cat /var/log/auth.log | shirase case evidence add shop-2026-08-20 - --name auth.log",
		RunE: func(c *cobra.Command, args []string) error {
			from := args[1]
			switch {
			case from == "-" && e.Name == "":
				return usagef("case evidence add wants --name for what is read from standard input")
			case from == "-":
				from = "/dev/stdin"
			case e.Name == "":
				e.Name = filepath.Base(from)
			}
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if accounts {
				e.Use = response.UseAccounts
			}
			if e.Collected != "" {
				m, err := in.moment("collected", e.Collected)
				if err != nil {
					return err
				}
				e.Collected = m.String()
			}
			f, err := files.OpenInput(c.Context(), from)
			if err != nil {
				return fmt.Errorf("take in evidence: %w", err)
			}
			defer f.Close()
			k, err := cases.AddEvidence(c.Context(), actor.Operator(), args[0], e, f)
			if err != nil {
				return err
			}
			p := k.Evidence[len(k.Evidence)-1]
			return a.print(map[string]any{"case": k.ID, "evidence": p.ID, "size": p.Size, "sha256": p.SHA256, "head": k.Head.String()}, func(w io.Writer) {
				fmt.Fprintf(w, "Evidence %d of case %s: %s, %s bytes\nSHA-256 %s\n", p.ID, k.ID, oneLine(p.Name), language.Digits(p.Size), p.SHA256)
			})
		}}
	f := c.Flags()
	f.BoolVar(&accounts, "accounts", false, "it is an export of accounts")
	f.StringVar(&e.Name, "name", "", "what it is called (default: the file's name)")
	f.StringVar(&e.Source, "source", "", "where it is from")
	f.StringVar(&e.By, "by", "", "who secured it")
	f.StringVar(&e.Collected, "collected", "", "when it was secured")
	f.StringVar(&e.Note, "note", "", "what has to be known of it")
	return c
}

func (a *app) cmdEvidenceList() *cobra.Command {
	return &cobra.Command{Use: "list CASE", Short: "List evidence with its chain of custody", Args: cobra.ExactArgs(1), Long: "Lists what was taken in, and who had it when.", Example: "  shirase case evidence list shop-2026-08-20",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, err := cases.Get(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			return a.print(map[string]any{"case": k.ID, "evidence": k.Evidence}, func(w io.Writer) {
				for _, p := range k.Evidence {
					fmt.Fprintf(w, "%4d  %s, %s bytes\n      SHA-256 %s\n", p.ID, oneLine(p.Name), language.Digits(p.Size), p.SHA256)
					for _, l := range p.Custody {
						fmt.Fprintf(w, "      %s %s by %s %s %s\n", l.RecordedAt.Format("2006-01-02T15:04:05Z"), l.What, l.RecordedBy, oneLine(l.To), oneLine(l.Why))
					}
				}
				if len(k.Evidence) == 0 {
					fmt.Fprintf(w, "There is none: shirase case evidence add CASE FILE\n")
				}
			})
		}}
}

func (a *app) cmdEvidenceExport() *cobra.Command {
	var to, why string
	c := &cobra.Command{Use: "export CASE EVIDENCE FILE", Short: "Write a piece of evidence to a file; that it was is recorded", Args: cobra.ExactArgs(3),
		Long:    "Writes what was taken in to a file, byte for byte, after it was recorded to whom it goes\nand why. Whoever gets it compares its SHA-256 with the record's.",
		Example: "  shirase case evidence export shop-2026-08-20 14 auth.log --to \"the police\" --why \"their request of 21 August\"",
		RunE: func(c *cobra.Command, args []string) error {
			n, err := number("evidence", args[1])
			if err != nil {
				return err
			}
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			var p *response.Piece
			if err := newFile(args[2], func(f io.Writer) (err error) {
				p, err = cases.ReadEvidence(c.Context(), actor.Operator(), args[0], n, "exported", to, why, f)
				return err
			}); err != nil {
				return err
			}
			return a.print(map[string]any{"case": args[0], "evidence": p.ID, "size": p.Size, "sha256": p.SHA256, "file": args[2]}, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s bytes, SHA-256 %s, as it was taken in\n", args[2], language.Digits(p.Size), p.SHA256)
			})
		}}
	c.Flags().StringVar(&to, "to", "", "to whom it goes")
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}

// newFile writes a file for its owner alone, whole or not at all. One that is there already is left alone.
func newFile(name string, write func(w io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return hint.Add(fmt.Errorf("write %s: %w", name, err), "name a file that is not there yet")
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

func (a *app) cmdEvidenceVerify() *cobra.Command {
	return &cobra.Command{Use: "verify CASE [EVIDENCE]", Short: "Verify that evidence is what was taken in", Args: cobra.RangeArgs(1, 2),
		Long:    "Reads a piece of evidence, or all of a case's, and compares it with the SHA-256 that was\nrecorded when it arrived. That it was verified is recorded.",
		Example: "  shirase case evidence verify shop-2026-08-20",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			which := []int64{}
			if len(args) == 2 {
				n, err := number("evidence", args[1])
				if err != nil {
					return err
				}
				which = append(which, n)
			} else {
				k, err := cases.Get(c.Context(), actor.Operator(), args[0])
				if err != nil {
					return err
				}
				for _, p := range k.Evidence {
					if !p.Removed() {
						which = append(which, p.ID)
					}
				}
			}
			for _, n := range which {
				if _, err := cases.VerifyEvidence(c.Context(), actor.Operator(), args[0], n); err != nil {
					return err
				}
			}
			return a.print(map[string]any{"valid": true, "case": args[0], "evidence": which}, func(w io.Writer) {
				fmt.Fprintf(w, "%d pieces of evidence are what was taken in.\n", len(which))
			})
		}}
}

func (a *app) cmdEvidenceHand() *cobra.Command {
	var l response.Custody
	var back bool
	c := a.changing(&cobra.Command{Use: "hand CASE EVIDENCE --to WHOM", Short: "Record that evidence was handed over, or came back",
		Long:    "Records a link of the chain of custody that happened elsewhere: the disk that a file was\ntaken from went to somebody, or came back from them.",
		Example: "  shirase case evidence hand shop-2026-08-20 14 --to \"the forensics company\" --why \"image of the disk\"\n  shirase case evidence hand shop-2026-08-20 14 --to \"the forensics company\" --returned"},
		2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			n, err := number("evidence", args[1])
			if err != nil {
				return nil, err
			}
			l.Evidence, l.What = n, "handed-over"
			if back {
				l.What = "returned"
			}
			return cases.HandEvidence(ctx, actor.Operator(), args[0], l)
		})
	c.Flags().StringVar(&l.To, "to", "", "to or from whom")
	c.Flags().StringVar(&l.Why, "why", "", "why")
	c.Flags().BoolVar(&back, "returned", false, "it came back")
	return c
}

func (a *app) cmdCasePlaybook() *cobra.Command {
	c := group("playbook", "List, show and check what a case begins with", "  shirase case playbook list")
	list := &cobra.Command{Use: "list", Short: "List the playbooks, yours and those that are shipped", Args: cobra.NoArgs,
		Long:    "Lists the playbooks. Yours are files in the folder playbooks of the data folder; one of a\nshipped one's name stands in its place.",
		Example: "  shirase case playbook list",
		RunE: func(c *cobra.Command, _ []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			all, err := cases.ListPlaybooks()
			if err != nil {
				return err
			}
			type row struct {
				ID        string `json:"id"`
				JA        string `json:"ja"`
				EN        string `json:"en"`
				Own       bool   `json:"own"`
				Tasks     int    `json:"tasks"`
				Questions int    `json:"questions"`
				Update    string `json:"update,omitzero"`
			}
			rows := []row{}
			for _, p := range all {
				rows = append(rows, row{p.ID, p.Name.JA, p.Name.EN, p.Own, len(p.Tasks), len(p.Questions), p.Update})
			}
			return a.print(map[string]any{"playbooks": rows}, func(w io.Writer) {
				for _, r := range rows {
					fmt.Fprintf(w, "%-20s %s: %d tasks, %d questions%s\n", r.ID, oneLine(r.EN), r.Tasks, r.Questions, map[bool]string{true: "  (yours)"}[r.Own])
				}
			})
		}}
	check := &cobra.Command{Use: "check FILE", Short: "Check a playbook's file", Args: cobra.ExactArgs(1),
		Long: "Checks a playbook: every key, every text, every span of time. What is wrong is told with\nits line.", Example: "  shirase case playbook check shirase-data/playbooks/our-shop.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			src, err := readLimited(c.Context(), args[0], maxFacts)
			if err != nil {
				return fmt.Errorf("read the playbook: %w", err)
			}
			p, findings, err := response.ParsePlaybook(filepath.Base(args[0]), src)
			if findings == nil {
				findings = []response.Finding{}
			}
			if e := a.print(map[string]any{"findings": findings}, func(w io.Writer) {
				for _, f := range findings {
					fmt.Fprintf(w, "%s:%d: %s\n", args[0], f.Line, oneLine(f.What))
					if f.Remedy != "" {
						fmt.Fprintf(w, "    %s\n", f.Remedy)
					}
				}
				if p != nil {
					fmt.Fprintf(w, "%d tasks, %d questions: nothing is wrong with it.\n", len(p.Tasks), len(p.Questions))
				}
			}); e != nil {
				return e
			}
			if err != nil {
				return errSaid
			}
			return nil
		}}
	show := &cobra.Command{Use: "show PLAYBOOK", Short: "Show what a playbook opens", Args: cobra.ExactArgs(1), Long: "Shows the tasks and questions that a playbook opens.", Example: "  shirase case playbook show account-database",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			all, err := cases.ListPlaybooks()
			if err != nil {
				return err
			}
			for _, p := range all {
				if p.ID != args[0] {
					continue
				}
				type item struct {
					JA     string `json:"ja"`
					EN     string `json:"en"`
					Within string `json:"within,omitzero"`
				}
				tasks, questions := []item{}, []item{}
				for _, t := range p.Tasks {
					tasks = append(tasks, item{t.JA, t.EN, t.Within})
				}
				for _, q := range p.Questions {
					questions = append(questions, item{q.JA, q.EN, q.Within})
				}
				return a.print(map[string]any{"id": p.ID, "own": p.Own, "tasks": tasks, "questions": questions, "update": p.Update}, func(w io.Writer) {
					for i, t := range tasks {
						fmt.Fprintf(w, "%3d  %-5s %s / %s\n", i+1, t.Within, oneLine(t.JA), oneLine(t.EN))
					}
					for i, q := range questions {
						fmt.Fprintf(w, "%3s  %-5s %s / %s\n", "?"+strconv.Itoa(i+1), q.Within, oneLine(q.JA), oneLine(q.EN))
					}
				})
			}
			return hint.Add(fmt.Errorf("there is no playbook %q", args[0]), "shirase case playbook list")
		}}
	c.AddCommand(list, show, check)
	return c
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/reach"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/returned"
)

// letterRooms gives campaigns what files for houses stand on: lists of accounts in evidence, each reading of which is in the chain of
// custody, and the facts that follow.
func (a *app) letterRooms(in *instance, rooms *reach.Rooms) {
	rooms.Files = in.dir
	rooms.Accounts = func(ctx context.Context, who actor.Actor, id string, evidence int64, why string) (io.ReadCloser, reach.Listed, error) {
		cases, err := a.casesOf(ctx, in)
		if err != nil {
			return nil, reach.Listed{}, err
		}
		r, p, err := cases.OpenAccounts(ctx, who, id, evidence, why)
		if err != nil {
			return nil, reach.Listed{}, err
		}
		return r, reach.Listed{Name: p.Name, Size: p.Size, SHA256: p.SHA256}, nil
	}
	rooms.Known = in.incidents.Get
	rooms.RecordFacts = func(ctx context.Context, who actor.Actor, id string, edits ...incident.Edit) error {
		_, err := in.incidents.Change(ctx, who, id, edits...)
		return err
	}
}

// exportAct is how a file for a house is proposed, and made.
func exportAct(r *reach.Reach) proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*reach.PlannedExport, proposal.Plan, error) {
		var asked reach.AskedExport
		if err := json.Unmarshal(request, &asked, json.RejectUnknownMembers(true)); err != nil {
			return nil, proposal.Plan{}, err
		}
		p, err := r.PlanExport(ctx, who, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "accounts", Doubts: p.Doubts}}, nil
	}
	return plannedAct(plan, func(ctx context.Context, who actor.Actor, _ string, p *reach.PlannedExport, settle func(tx *sql.Tx) error) error {
		_, err := r.ApproveExport(ctx, who, p, settle)
		return err
	})
}

// exportRow is a file of the register as it is printed.
type exportRow struct {
	ID        string          `json:"id"`
	Campaign  string          `json:"campaign"`
	Incident  string          `json:"incident"`
	State     string          `json:"state"`
	House     string          `json:"house"`
	Purpose   string          `json:"purpose"`
	DestroyBy string          `json:"destroyBy"`
	Overdue   bool            `json:"overdue"`
	Problem   string          `json:"problem,omitzero"`
	Made      string          `json:"made,omitzero"`
	Handed    string          `json:"handed,omitzero"`
	HandedBy  string          `json:"handedBy,omitzero"`
	Destroyed string          `json:"destroyed,omitzero"`
	Confirmed string          `json:"confirmed,omitzero"`
	LeftOut   reach.LeftOut   `json:"leftOut"`
	Manifest  *reach.Manifest `json:"manifest,omitzero"`
	Results   []string        `json:"results"` // SHA-256 of each file of results that was read
}

func exportRowOf(x *reach.Export) exportRow {
	row := exportRow{x.ID, x.Campaign, x.Incident, string(x.State), x.House, x.Purpose, x.DestroyBy, x.Overdue(time.Now()), x.Problem, stamp(x.Made), stamp(x.Handed), x.HandedBy, stamp(x.Destroyed), x.Confirmed, x.LeftOut, x.Manifest, []string{}}
	for _, f := range x.Results {
		row.Results = append(row.Results, f.SHA256)
	}
	return row
}

func (a *app) printExport(x *reach.Export, next string) error {
	row := exportRowOf(x)
	return a.print(row, func(w io.Writer) {
		printExportRow(w, row)
		if next != "" {
			fmt.Fprintf(w, "\nNext: %s\n", next)
		}
	})
}

func printExportRow(w io.Writer, r exportRow) {
	fmt.Fprintf(w, "File %s of campaign %s for %s is %s\n", r.ID, r.Campaign, oneLine(r.House), r.State)
	if m := r.Manifest; m != nil {
		fmt.Fprintf(w, "  %14s  rows (%s, %s)\n  %14s  bytes, sealed\n  SHA-256 sealed  %s\n  SHA-256 plain   %s\n", language.Digits(m.Rows), oneLine(strings.Join(m.Columns, ", ")), m.Encoding, language.Digits(m.SealedBytes), m.SealedSHA256, m.PlainSHA256)
	}
	for _, x := range []struct {
		n    int64
		what string
	}{{r.LeftOut.Missing, "not in it: the list does not name them, or has nothing in these columns"}, {r.LeftOut.Unwritable, "not in it: they cannot be written in this encoding"}, {r.LeftOut.More, "further rows of people who are in it"},
		{r.LeftOut.Unreadable, "rows of the list that cannot be read"}} {
		if x.n > 0 {
			fmt.Fprintf(w, "  %14s  %s\n", language.Digits(x.n), x.what)
		}
	}
	fmt.Fprintf(w, "  To be destroyed by %s\n", r.DestroyBy)
	if r.Overdue {
		fmt.Fprintln(w, "  The day has passed, and the house has not confirmed it.")
	}
	if r.Handed != "" {
		fmt.Fprintf(w, "  Handed over at %s by %s\n", r.Handed, r.HandedBy)
	}
	if r.Destroyed != "" {
		fmt.Fprintf(w, "  Destroyed, as the house confirms: %s, %s\n", r.Destroyed, oneLine(r.Confirmed))
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "  It could not be made: %s\n", oneLine(r.Problem))
	}
}

func (a *app) cmdCampaignExport() *cobra.Command {
	var x reach.AskedExport
	var file string
	c := &cobra.Command{Use: "export CAMPAIGN", Short: "Make a sealed file of whom a campaign is still to tell, for a house that prints or sends", Args: cobra.ExactArgs(1),
		Long: `Makes a file of the people whom a campaign of letters or short messages is still to tell, for
the house that prints or sends them: a row each, with a reference that stands for them, the
columns that you name, and the text where you ask for it. Columns come from a list of
accounts in the case's evidence, found by the account, address or number that the roster has.
The file is sealed to the house's age key from its first byte: nobody here can open it.

Once there is staff it only proposes to, and a second person approves it at /console; shirase
serve makes it then. Hand it over with campaign handover, which has it in the register.`,
		Example: "  shirase campaign export c-abcdefghij --house '例示印刷' --to age1... --purpose 'お詫びの郵送' --destroy-by 2027-01-31 --evidence 3 --by account --key member_id --columns 郵便番号,住所,氏名 --texts",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, in *instance, r *reach.Reach) error {
				if file != "" {
					b, err := readLimited(ctx, file, 64<<10)
					if err != nil {
						return err
					}
					for line := range strings.Lines(string(b)) {
						if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
							x.Recipients = append(x.Recipients, line)
						}
					}
				}
				what, err := r.Get(ctx, actor.Operator(), args[0])
				if err != nil {
					return hint.Add(err, "shirase campaign status")
				}
				x.Campaign = what.ID
				if done, err := a.proposes(ctx, in, reach.KindExport, what.Incident, x); done || err != nil {
					return err
				}
				made, err := r.StartExport(ctx, actor.Operator(), what.Incident, x)
				if err != nil {
					return err
				}
				return a.printExport(made, "shirase campaign handover "+made.ID+" --out "+made.ID+".csv.age")
			})
		}}
	f := c.Flags()
	f.StringVar(&x.House, "house", "", "whom the file is for")
	f.StringArrayVar(&x.Recipients, "to", nil, "the house's age key, age1... (repeatable)")
	f.StringVar(&file, "to-file", "", "file with the house's age keys, one a line")
	f.StringVar(&x.Purpose, "purpose", "", "what the house does with it")
	f.StringVar(&x.DestroyBy, "destroy-by", "", "the day by which the house has destroyed it")
	f.Int64Var(&x.Evidence, "evidence", 0, "number of the list of accounts in the case's evidence")
	f.StringVar(&x.By, "by", "", "what rows are found by: account, email or phone")
	f.StringVar(&x.Key, "key", "", "the list's column of it")
	f.StringSliceVar(&x.Columns, "columns", nil, "the list's columns that go into the file")
	f.StringVar(&x.Encoding, "encoding", "utf-8", "utf-8 or shift_jis")
	f.BoolVar(&x.Texts, "texts", false, "give each row the text, in the person's language")
	f.BoolVar(&x.Whole, "whole", false, "the list is whole: whoever it does not name cannot be written to")
	return c
}

func (a *app) cmdCampaignFiles() *cobra.Command {
	return &cobra.Command{Use: "files [INCIDENT]", Short: "List the files that were made for houses: to whom, how many, until when", Args: cobra.MaximumNArgs(1),
		Long: `Lists the register of files for houses: who handed which over, when and to whom, how many rows
it has, its hashes, by when it has to be destroyed, and whether the house has confirmed that.`,
		Example: "  shirase campaign files\n  shirase campaign files loss-2026 --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				all, err := r.Exports(ctx, actor.Operator(), strings.Join(args, ""))
				if err != nil {
					return err
				}
				rows := []exportRow{}
				for _, x := range all {
					rows = append(rows, exportRowOf(x))
				}
				return a.print(map[string]any{"files": rows}, func(w io.Writer) {
					for _, x := range rows {
						printExportRow(w, x)
						fmt.Fprintln(w)
					}
					if len(rows) == 0 {
						fmt.Fprintln(w, "No file was made for a house.")
					}
				})
			})
		}}
}

func (a *app) cmdCampaignHandover() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "handover FILE --out PATH", Short: "Take a sealed file out for its house, and have the register say so", Args: cobra.ExactArgs(1),
		Long: `Writes a sealed file, and its manifest beside it, for whoever brings it to the house. The
register has it as handed over from then on, and the house answers for whom it tells. Tell
the house the SHA-256 by another way than the file goes.`,
		Example: "  shirase campaign handover x-abcdefghij --out letters.csv.age",
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usagef("campaign handover wants --out PATH")
			}
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				x, err := r.Export(ctx, actor.Operator(), args[0])
				if err != nil {
					return hint.Add(err, "shirase campaign files")
				}
				// The place is taken before anything is written down as handed over.
				f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return hint.Add(fmt.Errorf("%s cannot be written: %w", out, bare(err)), "name a file that is not there yet")
				}
				defer f.Close()
				x, sealed, err := r.HandOver(ctx, actor.Operator(), x.ID)
				if err != nil {
					os.Remove(out)
					return err
				}
				defer sealed.Close()
				if _, err := io.Copy(f, io.NewSectionReader(sealed, 0, sealed.Size())); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
				b, err := json.Marshal(x.Manifest, json.Deterministic(true), jsontext.WithIndent("  "))
				if err == nil {
					err = writeNew(strings.TrimSuffix(out, filepath.Ext(out))+".manifest.json", append(b, '\n'))
				}
				if err != nil {
					return err
				}
				return a.printExport(x, "shirase campaign results "+x.ID+" RESULTS.csv, when the house gives them back")
			})
		}}
	c.Flags().StringVar(&out, "out", "", "where the sealed file is written")
	return c
}

func (a *app) cmdCampaignMake() *cobra.Command {
	return &cobra.Command{Use: "make FILE", Short: "Make a file that was approved and could not be made, again", Args: cobra.ExactArgs(1), Example: "  shirase campaign make x-abcdefghij",
		Long: "Makes a file that was approved, where shirase serve could not: when what kept it is mended.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if err := r.Make(ctx, args[0]); err != nil {
					return err
				}
				x, err := r.Export(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				return a.printExport(x, "shirase campaign handover "+x.ID+" --out "+x.ID+".csv.age")
			})
		}}
}

func (a *app) cmdCampaignWithdraw() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "withdraw FILE", Short: "Take back a file that nobody has got", Args: cobra.ExactArgs(1),
		Example: "  shirase campaign withdraw x-abcdefghij --why 'the house has another key'",
		Long:    "Takes back a file that was not handed over: it is removed, and whoever is in it is to be told\nagain, by another file.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if err := r.Withdraw(ctx, actor.Operator(), args[0], why); err != nil {
					return err
				}
				x, err := r.Export(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				return a.printExport(x, "")
			})
		}}
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}

func (a *app) cmdCampaignDestroyed() *cobra.Command {
	var on, by string
	c := &cobra.Command{Use: "destroyed FILE --by WHAT", Short: "Have the register say that a house has destroyed what it had", Args: cobra.ExactArgs(1),
		Example: "  shirase campaign destroyed x-abcdefghij --on 2027-01-20 --by '廃棄証明書 12'",
		Long:    "Writes down that the house confirms that it has destroyed the file, and removes the sealed copy\nhere.",
		RunE: func(c *cobra.Command, args []string) error {
			day := time.Now()
			if on != "" {
				var err error
				if day, err = time.ParseInLocation(time.DateOnly, on, incident.Japan); err != nil {
					return usagef("--on is a day such as 2027-01-20")
				}
			}
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if err := r.ConfirmDestroyed(ctx, actor.Operator(), args[0], day, by); err != nil {
					return err
				}
				x, err := r.Export(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				return a.printExport(x, "")
			})
		}}
	c.Flags().StringVar(&on, "on", "", "the day (today)")
	c.Flags().StringVar(&by, "by", "", "by what the house says so, such as the number of its certificate")
	return c
}

func (a *app) cmdCampaignResults() *cobra.Command {
	return &cobra.Command{Use: "results FILE RESULTS", Short: "Read what came of the people in a file, as the house gives it back", Args: cobra.ExactArgs(2),
		Long: `Reads a table with the columns reference, outcome and, where there are any, date and reason
(docs/FORMAT.md); - is standard input. It may be sealed to the case, with the key that the
manifest names. All rows count, or none: what is wrong with which is said by its line. The
same file read twice changes nothing.`,
		Example: "  shirase campaign results x-abcdefghij results.csv\n  shirase campaign results x-abcdefghij - < results.csv.age",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				name := args[1]
				if name == "-" {
					name = "/dev/stdin"
				}
				f, err := files.OpenInput(ctx, name)
				if err != nil {
					return err
				}
				defer f.Close()
				read, err := r.Results(ctx, actor.Operator(), args[0], f)
				if err != nil {
					return err
				}
				said := map[string]int64{}
				for s, n := range read.Counts {
					said[s.String()] = n
				}
				return a.print(map[string]any{"id": args[0], "sha256": read.SHA256, "sealed": read.Sealed, "again": read.Again, "rows": read.Rows, "changed": read.Changed, "kept": read.Kept, "said": said}, func(w io.Writer) {
					if read.Again {
						fmt.Fprintln(w, "These results were read before: nothing is changed.")
						return
					}
					fmt.Fprintf(w, "%s rows are read, and %s people stand otherwise now.\n", language.Digits(read.Rows), language.Digits(read.Changed))
					for _, s := range slices.Sorted(maps.Keys(said)) {
						fmt.Fprintf(w, "  %14s  %s\n", language.Digits(said[s]), s)
					}
					if read.Kept > 0 {
						fmt.Fprintf(w, "  %14s  say less than is known already, and change nothing\n", language.Digits(read.Kept))
					}
				})
			})
		}}
}

func (a *app) cmdCampaignSubstitute() *cobra.Command {
	var m reach.Measure
	var kind string
	c := &cobra.Command{Use: "substitute INCIDENT --kind KIND --on DAY --reference WHERE", Short: "Write down what was done instead, for those whom nothing reached", Args: cobra.ExactArgs(1),
		Long: `Writes down what was done for the people who could not be told one by one (代替措置): that it
was made public, on which day, and where that can be seen. Everybody whom the campaigns did
not reach, and whom nothing else has told, stands as substitute from then on. Kinds are page,
newspaper, press, login, app, telephone, desk, shop and other.`,
		Example: "  shirase campaign substitute loss-2026 --kind page --on 2026-12-20 --reference https://example.jp/notice",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				m.Incident, m.Kind = args[0], reach.MeasureKind(kind)
				if m.On == "" {
					m.On = time.Now().Format(time.DateOnly)
				}
				made, err := r.Substitute(ctx, actor.Operator(), m)
				if err != nil {
					return err
				}
				return a.print(measureRowOf(made), func(w io.Writer) {
					fmt.Fprintf(w, "Written down: %s, for %s people; for %s of them nothing had been done before.\n\nNext: shirase campaign outcome %s\n", made.Kind.Words().EN, language.Digits(made.People), language.Digits(made.Fresh), made.Incident)
				})
			})
		}}
	f := c.Flags()
	f.StringVar(&kind, "kind", "", "what was done")
	f.StringVar(&m.On, "on", "", "the day (today)")
	f.StringVar(&m.Reference, "reference", "", "where it can be seen")
	f.StringVar(&m.Note, "note", "", "more about it")
	f.StringArrayVar(&m.Campaigns, "of", nil, "only for those whom this campaign did not reach (repeatable)")
	return c
}

// measureRow is a measure as it is printed.
type measureRow struct {
	N         int64         `json:"n"`
	Kind      string        `json:"kind"`
	Text      language.Text `json:"text"`
	On        string        `json:"on"`
	Reference string        `json:"reference"`
	Note      string        `json:"note,omitzero"`
	Campaigns []string      `json:"campaigns"`
	People    int64         `json:"people"`
	Fresh     int64         `json:"fresh"`
}

func measureRowOf(m reach.Measure) measureRow {
	return measureRow{m.N, string(m.Kind), m.Kind.Words(), m.On, m.Reference, m.Note, m.Campaigns, m.People, m.Fresh}
}

func (a *app) cmdCampaignOutcome() *cobra.Command {
	var record bool
	c := &cobra.Command{Use: "outcome INCIDENT", Short: "Count everybody once: who was told by what, who was not and why, and what was done instead", Args: cobra.ExactArgs(1),
		Long: `Counts each person of the roster once, by the best that any campaign has come to with them:
told by mail, by letter, by short message; on the way; not reached, and why; told in another
way instead. The figures add up to the roster. --record records the facts that follow: when
people were told, how many by what, and what was done instead.`,
		Example: "  shirase campaign outcome loss-2026\n  shirase campaign outcome loss-2026 --record",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				s, err := r.Summarize(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				facts, err := r.Proposed(ctx, actor.Operator(), s)
				if err != nil {
					return err
				}
				if record {
					var all []reach.AcceptedFact
					for _, f := range facts {
						all = append(all, reach.AcceptedFact{Name: f.Name, Was: f.Was})
					}
					if err := r.Accept(ctx, actor.Operator(), args[0], all); err != nil {
						return err
					}
				}
				return a.printOutcome(s, facts, record)
			})
		}}
	c.Flags().BoolVar(&record, "record", false, "record the facts that follow")
	return c
}

func (a *app) printOutcome(s *reach.Summary, facts []reach.ProposedFact, recorded bool) error {
	type channel struct {
		Accepted int64  `json:"accepted"`
		Handed   int64  `json:"handedOver"`
		First    string `json:"first"`
		Last     string `json:"last"`
	}
	told := map[string]channel{}
	for c, b := range s.Told {
		told[string(c)] = channel{b.Accepted, b.Handed, stamp(b.First), stamp(b.Last)}
	}
	measures := []measureRow{}
	for _, m := range s.Measures {
		measures = append(measures, measureRowOf(m))
	}
	names := []string{}
	for _, f := range facts {
		names = append(names, f.Name)
	}
	out := map[string]any{"incident": s.Incident, "at": stamp(s.At), "campaigns": s.Campaigns, "otherRosters": s.Other, "accounts": s.Accounts, "affected": s.Affected, "total": s.Total, "unlisted": s.Unlisted, "told": told,
		"underway": s.Underway, "uncertain": s.Uncertain, "substituted": s.Substituted, "unreached": s.Unreached, "nothing": s.Nothing, "reasons": s.Reasons, "measures": measures, "facts": names, "recorded": recorded}
	return a.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s, at %s: %s people on the roster\n", s.Incident, stamp(s.At), language.Digits(s.Total))
		line := func(n int64, text string) {
			if n > 0 {
				fmt.Fprintf(w, "  %14s  %s\n", language.Digits(n), text)
			}
		}
		for _, c := range reach.Channels {
			b := s.Told[c]
			line(b.Accepted, "told by "+c.Words().EN+": "+c.Taken().EN)
			line(b.Handed, "told by "+c.Words().EN+": handed over, and nothing more is known")
			if b.All() > 0 {
				fmt.Fprintf(w, "  %14s  from %s to %s\n", "", stamp(b.First), stamp(b.Last))
			}
		}
		line(s.Underway, "on the way")
		line(s.Uncertain, "uncertain")
		line(s.Substituted, "not reached, and something else was done")
		line(s.Unreached, "not reached, and nothing else was done yet")
		line(s.Nothing, "in no campaign")
		line(s.Unlisted, "affected accounts that the roster has no address, number or id of")
		for _, r := range slices.Sorted(maps.Keys(s.Reasons)) {
			fmt.Fprintf(w, "  %14s  not reached: %s (%s)\n", language.Digits(s.Reasons[r]), returned.Why(bounce.Reason(r)).EN, r)
		}
		for _, m := range measures {
			fmt.Fprintf(w, "  %s  %s, for %s people: %s\n", m.On, m.Text.EN, language.Digits(m.People), oneLine(m.Reference))
		}
		if len(s.Other) > 0 {
			fmt.Fprintf(w, "  Campaigns over other rosters are not in these figures: %s\n", strings.Join(s.Other, ", "))
		}
		switch {
		case recorded:
			fmt.Fprintf(w, "\nRecorded: %s\n", strings.Join(names, ", "))
		case len(names) > 0:
			fmt.Fprintf(w, "\nFacts that follow: %s\nNext: shirase campaign outcome %s --record\n", strings.Join(names, ", "), s.Incident)
		}
	})
}

// filesOutside lists the files that houses have and have not confirmed to be destroyed: shredding does not reach them.
func (a *app) filesOutside(ctx context.Context, in *instance, id string) ([]publish.Remaining, error) {
	r, err := a.campaigns(ctx, in)
	if err != nil {
		return nil, err
	}
	all, err := r.Exports(ctx, actor.Operator(), id)
	var out []publish.Remaining
	for _, x := range all {
		if x.State == reach.ExportHanded {
			out = append(out, publish.Remaining{What: fmt.Sprintf("file %s, of %s people, which %s has", x.ID, language.Digits(x.Manifest.Rows), x.House), Why: "it was handed over on " + stamp(x.Handed) + ", and is to be destroyed by " + x.DestroyBy + ": have the house confirm that, and: shirase campaign destroyed " + x.ID})
		}
	}
	return out, err
}

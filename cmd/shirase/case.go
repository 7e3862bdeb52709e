package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/notify"
	"shirase/internal/response"
	"shirase/internal/roster"
)

func (a *app) cmdCase() *cobra.Command {
	c := group("case", "Answer for an incident of your own: clocks, decisions, tasks", "  shirase case declare --title \"Unauthorised access\" --organisation \"Example Shop\" --known 2026-08-20T10:09+09:00 --regime jp-appi")
	c.AddCommand(a.cmdCaseDeclare(), a.cmdCaseList(), a.cmdCaseShow(), a.cmdCaseBoard(), a.cmdCaseNext(), a.cmdCaseClocks(), a.cmdCaseParty(), a.cmdCaseDone(), a.cmdCaseRegime(), a.cmdCaseStart(), a.cmdCaseKnow(),
		a.cmdCaseAsk(), a.cmdCaseDecide(), a.cmdCaseEvent(), a.cmdCaseReport(), a.cmdCaseTriage(), a.cmdCasePaste(), a.cmdCaseCandidates(), a.cmdCasePass(),
		a.cmdCaseTask(), a.cmdCaseHand(), a.cmdCaseNote(), a.cmdCasePromise(), a.cmdCaseAppoint(), a.cmdCaseEvidence(), a.cmdCasePlaybook(), a.cmdCaseDocument(), a.cmdCaseState(), a.cmdCaseSent(),
		a.cmdCaseVerify(), a.cmdCaseHead(), a.cmdCaseExport(), a.cmdCaseVERIS(),
		a.cmdCaseClosing(), a.cmdCaseClose(), a.cmdCasePrevention(), a.cmdCaseLesson(), a.cmdCaseHold(), a.cmdCaseRetained(), a.cmdCaseCertificate())
	return c
}

// cases opens an instance and its room of cases.
func (a *app) cases(ctx context.Context) (*instance, *response.Cases, error) {
	in, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		in.close()
		return nil, nil, err
	}
	return in, cases, nil
}

// casesOf opens the room over an instance. Regimes of one's own, contracts too, are files in the folder law of the data folder.
func (a *app) casesOf(ctx context.Context, in *instance) (*response.Cases, error) {
	var own []fs.FS
	if dir := filepath.Join(a.op().Data, "law"); isFolder(dir) {
		own = append(own, os.DirFS(dir))
	}
	book, err := law.Open(own...)
	if err != nil {
		return nil, err
	}
	return a.openCases(ctx, in, book)
}

// openCases opens the room over an instance. Playbooks of one's own are files in the folder playbooks of the data folder.
func (a *app) openCases(ctx context.Context, in *instance, book *law.Book) (*response.Cases, error) {
	rooms := response.Rooms{DB: in.db, Dir: in.dir, Incidents: in.incidents, Book: book, Seal: in.rosters.Sealer,
		Limits: response.Limits{Evidence: int64(a.op().Evidence.Max) << 20, All: int64(a.op().Evidence.MaxCase) << 20, Spare: int64(a.op().Evidence.Spare) << 20}, Space: a.free,
		URL: strings.TrimRight(a.op().URL, "/"), Granted: in.staff.Declared, Names: in.staff.NameOf, Now: in.now, Exercise: in.Exercise != nil, Gone: func(err error) bool { return errors.Is(err, roster.ErrShredded) },
		Outlives: func(ctx context.Context, id string) ([]string, []string, error) {
			return closing.Outlives(ctx, in.db, id)
		}}
	var err error
	if rooms.Held, err = closing.Held(ctx, in.db); err != nil {
		return nil, err
	}
	told, err := a.notifier(ctx, in)
	if err != nil {
		return nil, err
	}
	rooms.Tell = func(ctx context.Context, tx *sql.Tx, m response.Message) error {
		return told.Tell(ctx, tx, notify.Message{Kind: m.Kind, Case: m.Case, About: m.About, To: m.To, Key: m.Key})
	}
	rooms.Asked = func(ctx context.Context, id string, before time.Time) (int64, bool, error) {
		desk, err := a.enquiries(ctx, in)
		if err != nil {
			return 0, false, err
		}
		return desk.Came(ctx, id, before)
	}
	if dir := filepath.Join(a.op().Data, "playbooks"); isFolder(dir) {
		rooms.Playbooks = os.DirFS(dir)
	}
	return response.New(ctx, rooms)
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// moment reads a time; one without a zone is of the instance's region.
func (in *instance) moment(what, text string) (incident.Moment, error) {
	var zone *time.Location
	if in.Region == "JP" {
		zone = incident.Japan
	}
	m, err := incident.ParseMoment(text, zone)
	if err != nil {
		return m, usageError{hint.Add(fmt.Errorf("--%s: %w", what, err), "with its zone, for example 2026-08-20T10:09+09:00 or 2026-08-20+09:00")}
	}
	return m, nil
}

func (a *app) cmdCaseDeclare() *cobra.Command {
	var d response.Declaration
	var known, happened, update string
	c := &cobra.Command{
		Use:   "declare --title TEXT --organisation NAME --known TIME",
		Short: "Open a case: start its clocks and its record",
		Long: `Opens a case. What is known so far is recorded as a draft of its incident, of which
nothing is public before it is published; the regimes that are named start their
clocks; a playbook opens its tasks and questions. --known is when any department knew
first (知った時点), which is what the law counts from: not when it happened, which is
--happened where that is known, and not now. --update promises when more is told.

Playbooks: shirase case playbook list.`,
		Example: `  shirase case declare --title "Unauthorised access" --organisation "Example Shop" --known 2026-08-20T10:09+09:00 --illicit --regime jp-appi
  shirase case declare --title 誤送信 --organisation 例社 --known 2026-08-20 --persons 12 --regime jp-appi --regime jp-pmark`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for flag, v := range map[string]string{"title": d.Title, "organisation": d.Organisation, "known": known} {
				if v == "" {
					return usagef("case declare wants --%s", flag)
				}
			}
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if d.Known, err = in.moment("known", known); err != nil {
				return err
			}
			if happened != "" {
				if d.Happened, err = in.moment("happened", happened); err != nil {
					return err
				}
			}
			if update != "" {
				m, err := in.moment("update", update)
				if err != nil {
					return err
				}
				d.Update = m.Time
			}
			for i, r := range d.Regimes {
				d.Regimes[i] = strings.Replace(r, "contract:", "contract-", 1)
			}
			k, err := cases.Declare(c.Context(), actor.Operator(), d)
			if err != nil {
				return err
			}
			_, clocks, err := cases.Clocks(c.Context(), actor.Operator(), k.ID)
			if err != nil {
				return err
			}
			inc, err := in.incidents.Get(c.Context(), k.ID)
			if err != nil {
				return err
			}
			stand := standsOtherwise(inc, d)
			_, err = in.incidents.Public().Get(c.Context(), k.ID)
			public := err == nil
			out := map[string]any{"case": k.ID}
			if len(stand) > 0 {
				out["unchanged"] = stand
			}
			return a.print(out, func(w io.Writer) {
				if public {
					fmt.Fprintf(w, "Case %s is open. Its incident is public; nothing of the case is.\n", k.ID)
				} else {
					fmt.Fprintf(w, "Case %s is open. Nothing of it is public.\n", k.ID)
				}
				if d.ID == "" && !hasLatin(d.Organisation) {
					fmt.Fprintf(w, "Its id is made of a hash, as %q has no Latin letters. It stays so, and pages say it once something is public: --id names a better one from the start.\n", oneLine(d.Organisation))
				}
				if len(stand) > 0 {
					fmt.Fprintf(w, "The incident was recorded before, and its facts stay as they are: what was said here of %s is in the case only. Change them: shirase incident add --facts FILE\n", strings.Join(stand, ", "))
				}
				fmt.Fprintln(w)
				printClocks(w, clocks)
				fmt.Fprintln(w)
				printNext(w, k.ID, k.Next(in.now(), clocks), 5)
				fmt.Fprintf(w, "\nNext: shirase case show %s\n", k.ID)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&d.Title, "title", "", "what happened, in a few words")
	f.StringVar(&d.Organisation, "organisation", "", "whose case it is")
	f.StringVar(&known, "known", "", "when any department knew first")
	f.StringVar(&happened, "happened", "", "when it happened, as far as known")
	f.StringVar(&d.Says, "says", "", "what is known, in a few sentences")
	f.StringVar(&update, "update", "", "until when more is told (default: what the playbook proposes)")
	f.StringVar(&d.ID, "id", "", "the incident's id (default: of the organisation's name and the date)")
	f.StringVar(&d.Part, "part", "own", "own, processor (委託先), client (委託元) or joint")
	f.BoolVar(&d.Illicit, "illicit", false, "a wrongful purpose is possible: an attack, a theft")
	f.Int64Var(&d.Persons, "persons", 0, "how many persons, as far as known")
	f.StringVar(&d.Commander, "commander", "", "who commands the response")
	f.StringArrayVar(&d.Regimes, "regime", nil, "a regime whose clocks start at once: jp-appi, eu-gdpr, contract:NAME ... (repeatable)")
	f.StringVar(&d.Playbook, "playbook", "", "whose tasks are opened")
	return c
}

// hasLatin reports whether a name has a letter or digit that an id can be made of.
func hasLatin(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) })
}

// standsOtherwise names what was said in a declaration and stands otherwise in the facts of its incident, which was recorded before.
func standsOtherwise(inc incident.Incident, d response.Declaration) (out []string) {
	said := func(flag, key, value string) {
		f, ok := inc.Fact(key)
		if value != "" && (!ok || f.Value.Text.JA != value && f.Value.Text.EN != value) {
			out = append(out, flag)
		}
	}
	said("--title", "title", d.Title)
	said("--organisation", "organisation", d.Organisation)
	if f, ok := inc.Fact("affected.count"); d.Persons > 0 && (!ok || f.Value.Number == nil || *f.Value.Number != d.Persons) {
		out = append(out, "--persons")
	}
	if f, ok := inc.Fact("discovered"); !ok || !f.Value.Time.Time.Equal(d.Known.Time) {
		out = append(out, "--known")
	}
	return out
}

func (a *app) cmdCaseList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the cases",
		Long:    "Lists the cases: title, how many entries, and whether each is open, closed or shredded.\nThat you looked is not recorded: nothing else of them is told.",
		Example: "  shirase case list", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			list, err := cases.List(c.Context(), actor.Operator())
			if err != nil {
				return err
			}
			type row struct {
				ID      string `json:"id"`
				Entries int64  `json:"entries"`
				Head    string `json:"head"`
				Title   string `json:"title"`
				State   string `json:"state"` // open, closed, shredded; "" where its key is not here
			}
			out := []row{}
			for _, l := range list {
				r := row{ID: l.ID, Entries: l.Entries, Head: l.Head}
				inc, err := in.incidents.Get(c.Context(), l.ID)
				if err != nil {
					return err
				}
				r.Title = inc.Title(language.EN)
				switch over, err := cases.Over(c.Context(), actor.Operator(), l.ID); {
				case errors.Is(err, roster.ErrShredded):
					r.State = "shredded"
				case errors.Is(err, roster.ErrNoKey):
				case err != nil:
					return err
				default:
					r.State = map[bool]string{false: "open", true: "closed"}[over]
				}
				out = append(out, r)
			}
			return a.print(map[string]any{"cases": out}, func(w io.Writer) {
				for _, l := range out {
					fmt.Fprintf(w, "%s  %-8s  %s  %s\n", l.ID, cmp.Or(l.State, "no key"), several(l.Entries, "entry", "entries"), oneLine(l.Title))
				}
				if len(out) == 0 {
					fmt.Fprintf(w, "There is no case. The first: shirase case declare --help\n")
				}
			})
		}}
}

// changing is a command that records one thing in a case.
func (a *app) changing(c *cobra.Command, args int, do func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error)) *cobra.Command {
	c.Args = cobra.ExactArgs(args)
	c.RunE = func(c *cobra.Command, args []string) error {
		in, cases, err := a.cases(c.Context())
		if err != nil {
			return err
		}
		defer in.close()
		before, err := cases.Standing(c.Context(), actor.Operator(), args[0])
		if err != nil {
			return err
		}
		k, err := do(c.Context(), in, cases, args)
		if err != nil {
			return err
		}
		after, err := cases.Standing(c.Context(), actor.Operator(), k.ID)
		if err != nil {
			return err
		}
		changes := changeRows(before, after)
		return a.print(map[string]any{"case": k.ID, "entry": k.Entries, "head": k.Head.String(), "clocks": changes}, func(w io.Writer) {
			fmt.Fprintf(w, "Recorded as entry %d of case %s.\n", k.Entries, k.ID)
			printChanges(w, changes)
		})
	}
	return c
}

func (a *app) cmdCaseShow() *cobra.Command {
	return &cobra.Command{Use: "show CASE", Short: "Show a case: clocks, tasks, timeline, record", Args: cobra.ExactArgs(1),
		Long: "Shows a case as its record says, with its clocks as they stand now. That you looked at\nit is recorded, once a day.", Example: "  shirase case show shop-2026-08-20",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, clocks, err := cases.Clocks(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			return a.print(map[string]any{"case": k.ID, "declared": k.Declared, "known": k.Knowledge(), "commander": k.Commander, "closed": k.Closed, "clocks": clockRows(clocks),
				"next": nextRows(k.Next(in.now(), clocks)), "timeline": k.Events, "reports": k.Reports, "questions": k.Questions, "decisions": k.Decisions, "tasks": k.Tasks, "promises": k.Promises,
				"evidence": k.Evidence, "pasted": k.Pastes, "notes": k.Notes, "proposals": k.Proposals, "record": k.Log()}, func(w io.Writer) {
				printCase(w, k, clocks, in.now())
			})
		}}
}

func printCase(w io.Writer, k *response.Case, clocks *response.Clocks, now time.Time) {
	fmt.Fprintf(w, "%s: %s, %s\n", k.ID, k.Declared.Organisation, k.Declared.Title)
	if k.Declared.Happened != "" {
		fmt.Fprintf(w, "happened %s; ", k.Declared.Happened)
	}
	fmt.Fprintf(w, "known %s, declared %s; %s", k.Knowledge(), k.At.Format(time.RFC3339), several(k.Entries, "entry", "entries"))
	if k.Commander != "" {
		fmt.Fprintf(w, "; %s commands", oneLine(k.Commander))
	}
	if k.Closed {
		fmt.Fprintf(w, "; closed %s", k.ClosedAt.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "\n\n")
	printClocks(w, clocks)
	if next := k.Next(now, clocks); len(next) > 0 {
		fmt.Fprintln(w)
		printNext(w, k.ID, next, 0)
	}
	heading := func(title string, n int) {
		if n > 0 {
			fmt.Fprintf(w, "\n%s\n", title)
		}
	}
	heading("Decisions", len(k.Decisions))
	for _, d := range k.Decisions {
		replaced := ""
		if d.Replaced != 0 {
			replaced = fmt.Sprintf(" (entry %d stands in its place)", d.Replaced)
		}
		fmt.Fprintf(w, "  %4d  %s  %s: %s (%s)%s\n", d.Version, d.RecordedAt.Format(time.RFC3339), oneLine(language.Recorded(d.Question).EN), oneLine(language.Recorded(d.Decision.Decision).EN), d.RecordedBy, replaced)
	}
	heading("Timeline", len(k.Events))
	for _, e := range k.Events {
		mark := ""
		if e.Withdrawn {
			mark = " (withdrawn)"
		}
		fmt.Fprintf(w, "  %4d  %s  %s%s%s\n", e.ID, e.At, oneLine(language.Recorded(e.Text).EN), strings.Join(nonEmpty("  (", e.Source), ""), mark)
	}
	heading("Told from outside", len(k.Reports))
	for _, r := range k.Reports {
		fmt.Fprintf(w, "  %4d  %s  by %s: %s%s\n", r.ID, r.At, r.From, oneLine(r.Text), map[string]string{"yes": "  (the moment of knowledge)", "no": "  (not the moment of knowledge)"}[r.Knowledge])
	}
	heading("Evidence", len(k.Evidence))
	for _, p := range k.Evidence {
		fmt.Fprintf(w, "  %4d  %s, %s bytes, SHA-256 %s\n", p.ID, oneLine(p.Name), language.Digits(p.Size), p.SHA256)
	}
}

// nextRow is something that a case asks for.
type nextRow struct {
	Kind  string `json:"kind"`
	About string `json:"about,omitzero"`
	JA    string `json:"ja"`
	EN    string `json:"en"`
	Due   string `json:"due,omitzero"`
	Late  bool   `json:"late"`
}

func nextRows(next []response.Next) []nextRow {
	out := []nextRow{}
	for _, n := range next {
		row := nextRow{Kind: n.Kind, About: n.About, JA: n.Text.JA, EN: n.Text.EN, Late: n.Late}
		if !n.Due.IsZero() {
			row.Due = n.Due.Format(time.RFC3339)
		}
		out = append(out, row)
	}
	return out
}

// printNext prints what a case asks for; most bounds it, where it is not 0.
func printNext(w io.Writer, id string, next []response.Next, most int) {
	fmt.Fprintf(w, "What next\n")
	for i, n := range next {
		if most > 0 && i == most {
			fmt.Fprintf(w, "  and %d more: shirase case next %s\n", len(next)-most, id)
			return
		}
		when := ""
		if !n.Due.IsZero() {
			when = ", due " + dueAt(n.Due)
		}
		if n.Late {
			when += ", LATE"
		}
		fmt.Fprintf(w, "  %s%s%s\n", oneLine(n.Text.EN), strings.Join(nonEmpty("  (", n.About), ""), when)
	}
}

func (a *app) cmdCaseNext() *cobra.Command {
	return &cobra.Command{Use: "next CASE", Short: "Say what a case asks for now, the most urgent first", Args: cobra.ExactArgs(1),
		Long:    "Lists what is due by law, and what is to be answered, decided, done and approved: whether a report from outside\nwas the moment of knowledge, updates that were promised, questions, tasks, and what\nwaits for a second person.",
		Example: "  shirase case next shop-2026-08-20",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, clocks, err := cases.Clocks(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			next := k.Next(in.now(), clocks)
			return a.print(map[string]any{"case": k.ID, "next": nextRows(next)}, func(w io.Writer) { printNext(w, k.ID, next, 0) })
		}}
}

// nonEmpty gives what is not empty in brackets.
func nonEmpty(open string, texts ...string) []string {
	var there []string
	for _, t := range texts {
		if t != "" {
			there = append(there, t)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return []string{open, strings.Join(there, ", "), ")"}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/charset"
	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
)

// scopeFlags are the flags of `shirase scope`.
type scopeFlags struct {
	export, rules, incident, party, rejects, format, encoding, temp string
	maxRejects                                                      float64
	commit                                                          bool
}

func (a *app) cmdScope() *cobra.Command {
	var fl scopeFlags
	c := &cobra.Command{
		Use:   "scope --export FILE --rules FILE",
		Short: "Work out who is affected, from an account export",
		Long: `Reads an export of accounts through a rules file and says who is affected: a dry
run, unless --commit makes the roster of an incident of it. Both give the same
figures. The roster is sealed under the incident's own key from the first byte.

Exports: CSV, TSV or JSON Lines; plain, gzip or zstd; UTF-8, UTF-16 with a mark, Shift_JIS (CP932)
or EUC-JP. What cannot be read is listed with line and reason, never with its
content; a row of which one identity can be read is in the scope by that one. Too
many such rows stop the run with nothing written.`,
		Example: `  shirase scope --export accounts.csv --rules rules.yaml
  shirase scope --export accounts.csv.gz --rules rules.yaml --incident naver-2013 --commit`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case fl.export == "" || fl.rules == "":
				return usagef("scope wants --export FILE and --rules FILE")
			case fl.commit && fl.incident == "":
				return usagef("--commit wants --incident ID")
			case fl.party != "" && fl.incident == "":
				return usagef("--party goes with --incident and --commit")
			case fl.incident != "" && !fl.commit:
				return usagef("--incident goes with --commit; without both it is a dry run")
			}
			o, err := a.scopeOptions(c.Context(), fl, c.Flags().Changed("max-rejects"))
			if err != nil {
				return err
			}
			if !fl.commit {
				return a.dryRun(c.Context(), o, fl.rejects != "")
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			a.ownRejects(&o, fl.rejects != "")
			make := a.scope
			if fl.party != "" {
				make = func(ctx context.Context, in *instance, id string, o roster.Options) (roster.Roster, error) {
					return a.scopePart(ctx, in, id, fl.party, o)
				}
			}
			r, err := make(c.Context(), in, fl.incident, o)
			if err != nil {
				return err
			}
			if fl.party != "" {
				a.say("This is the part of %s, and nothing is published from it.", fl.party)
			}
			return a.printScope(r.Counts, o, r.ID, fl.incident, fl.party)
		},
	}
	f := c.Flags()
	f.StringVar(&fl.export, "export", "", "the account export")
	f.StringVar(&fl.rules, "rules", "", "rules file (YAML): columns, exclusions, what each person lost")
	f.StringVar(&fl.incident, "incident", "", "the incident whose roster it becomes, with --commit")
	f.StringVar(&fl.party, "party", "", "it is the part of a party of the incident's case, kept beside the whole")
	f.BoolVar(&fl.commit, "commit", false, "make the roster, instead of a dry run")
	f.StringVar(&fl.rejects, "rejects", "", "list what cannot be read in this file (default: the export's name with .rejects.csv, here)")
	f.Float64Var(&fl.maxRejects, "max-rejects", 0.01, "share of rows that may be unreadable, wholly or in part; more stop the run")
	f.StringVar(&fl.format, "format", "auto", "csv (commas, semicolons or tabs), tsv or jsonl")
	f.StringVar(&fl.encoding, "encoding", "auto", "utf-8, utf-16, shift_jis or euc-jp")
	f.StringVar(&fl.temp, "temp", "", "folder for sorting, sealed (default: the system's)")
	c.MarkFlagFilename("export")
	c.MarkFlagFilename("rules", "yaml", "yml")
	c.AddCommand(a.cmdShred())
	return c
}

func (a *app) scopeOptions(ctx context.Context, fl scopeFlags, stated bool) (roster.Options, error) {
	o := roster.Options{Export: fl.export, Rejects: fl.rejects, TempDir: fl.temp}
	var err error
	if o.Format, err = roster.ParseFormat(fl.format); err != nil {
		return o, usageError{err}
	}
	if o.Encoding, err = charset.Parse(fl.encoding); err != nil {
		return o, usageError{err}
	}
	if stated {
		if !(fl.maxRejects >= 0 && fl.maxRejects <= 1) {
			return o, usagef("--max-rejects %v is not a share from 0 to 1", fl.maxRejects)
		}
		o.MaxRejects = &fl.maxRejects
	}
	if o.Rejects == "" {
		o.Rejects = strings.TrimSuffix(filepath.Base(fl.export), filepath.Ext(fl.export)) + ".rejects.csv"
	}
	f, err := files.OpenInput(ctx, fl.rules)
	if err != nil {
		return o, fmt.Errorf("read the rules: %w", err)
	}
	defer f.Close()
	o.Rules, err = roster.ReadRules(fl.rules, f, incident.ClassWords())
	return o, err
}

// dryRun reads phone numbers as the data folder's instance does, so that --commit
// gives the same figures; where there is none yet, its country is not guessed.
func (a *app) dryRun(ctx context.Context, o roster.Options, stated bool) error {
	i, err := a.readInstance()
	if err != nil && !errors.Is(err, config.ErrNone) {
		return err
	}
	a.ownRejects(&o, stated)
	o.PhoneRegion = i.Region
	end := a.scopeProgress(&o)
	counts, err := roster.Scope(ctx, o)
	end()
	if err != nil {
		return err
	}
	return a.printScope(counts, o, "", "", "")
}

// ownRejects puts the list of what cannot be read, where nobody stated a place, into the data folder if root's command went on as its
// owner: the working directory is root's.
func (a *app) ownRejects(o *roster.Options, stated bool) {
	if !stated && a.owner != "" {
		o.Rejects = filepath.Join(a.op().Data, o.Rejects)
	}
}

// scope makes an incident's roster.
func (a *app) scope(ctx context.Context, in *instance, id string, o roster.Options) (roster.Roster, error) {
	if _, err := in.incidents.Get(ctx, id); err != nil {
		return roster.Roster{}, err
	}
	release, err := in.hold(id, "making the roster of "+id)
	if err != nil {
		return roster.Roster{}, fmt.Errorf("roster of %s: %w", id, err)
	}
	defer release()
	o.PhoneRegion = in.Region
	end := a.scopeProgress(&o)
	r, err := in.rosters.Create(ctx, actor.Operator(), id, o)
	end()
	return r, err
}

// scopeProgress shows each stage of a scope.
func (a *app) scopeProgress(o *roster.Options) (end func()) {
	names := map[string]string{"read": "reading (bytes)", "accounts": "uniting accounts", "identities": "uniting identities"}
	stage := ""
	var tell func(done, total int64)
	endStage := func() {}
	o.Progress = func(p roster.Progress) {
		if p.Stage != stage {
			endStage()
			stage = p.Stage
			tell, endStage = a.progress(names[p.Stage])
		}
		tell(p.Done, p.Total)
	}
	return func() { endStage() }
}

func (a *app) printScope(c roster.Counts, o roster.Options, rosterID, incidentID, party string) error {
	if c.Invalid > 0 || len(c.Unreadable) > 0 {
		a.say("not everything could be read: see %s", o.Rejects)
	}
	v := struct {
		Roster   string `json:"roster,omitzero"`
		Incident string `json:"incident,omitzero"`
		roster.Counts
		Unreadable map[identity.Kind]int64 `json:"unreadable"` // there also where it is empty
	}{rosterID, incidentID, c, c.Unreadable}
	return a.print(v, func(w io.Writer) {
		rows := [][2]string{{"total", language.Digits(c.Total)}}
		for _, e := range c.Excluded {
			rows = append(rows, [2]string{"- excluded: " + e.Rule, language.Digits(e.Rows)})
		}
		rows = append(rows, [2]string{"- duplicates (later rows of one account)", language.Digits(c.Duplicates)},
			[2]string{"- invalid", language.Digits(c.Invalid)}, [2]string{"= affected", language.Digits(c.Affected)})
		for _, kind := range slices.Sorted(maps.Keys(c.Identities)) {
			rows = append(rows, [2]string{"distinct identities: " + string(kind), language.Digits(c.Identities[kind])})
		}
		if c.Active > 0 {
			rows = append(rows, [2]string{"of these, in use", language.Digits(c.Active)})
		}
		if c.WithoutEmail > 0 {
			rows = append(rows, [2]string{"affected without an address", language.Digits(c.WithoutEmail)})
		}
		for _, kind := range slices.Sorted(maps.Keys(c.Unreadable)) {
			rows = append(rows, [2]string{"could not be read: " + string(kind), language.Digits(c.Unreadable[kind])})
		}
		table(w, alignRight(rows))
		if rosterID == "" {
			fmt.Fprintf(w, "\nA dry run: nothing was written. Add --incident ID --commit to make the roster.\n")
		} else {
			next := "shirase publish " + incidentID
			if party != "" {
				next = fmt.Sprintf("shirase case party export %s %s FILE", incidentID, party)
			}
			fmt.Fprintf(w, "\nRoster %s is sealed under the key of %s.\nNext: %s\n", rosterID, incidentID, next)
		}
	})
}

func alignRight(rows [][2]string) [][2]string {
	width := 0
	for _, r := range rows {
		width = max(width, len(r[1]))
	}
	for i := range rows {
		rows[i][1] = strings.Repeat(" ", width-len(rows[i][1])) + rows[i][1]
	}
	return rows
}

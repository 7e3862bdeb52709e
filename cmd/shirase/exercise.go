package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/config"
	"shirase/internal/console"
	"shirase/internal/exercise"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/roster"
)

// exerciseData is the data folder of an exercise where none is said: never the one that a real incident would take.
const exerciseData = "shirase-exercise"

func (a *app) cmdExercise() *cobra.Command {
	var speed float64
	var clock string
	c := &cobra.Command{
		Use:   "exercise SCENARIO",
		Short: "Rehearse an incident: a scenario, its clock, and the measures of your answer",
		Long: `Begins an exercise, or goes on with it: a scenario is replayed, shifted to now by whole
weeks so that hours and days of the week stay, and faster than time. It tells its events as
they come about and asks for decisions; your team answers with the program itself, on the
command line and at /console, in a data folder that is an exercise's for ever. Nothing
leaves it: no mail, no block, no publication.

SCENARIO is one of those that the program brings along, or a file. With --clock manual the
clock stands, and goes on with shirase exercise next.`,
		Example: `  shirase exercise naver-2013
  shirase exercise naver-2013 --speed 30 --data drill
  shirase exercise our-plan.yaml --clock manual --data drill
  shirase serve --data drill`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return argsError(c, len(args))
			}
			switch clock {
			case "manual":
				speed = 0
			case "running":
				if !(speed >= 1 && speed <= exercise.MaxSpeed) { // nor what is no number
					return usagef("--speed is from 1 to 1000, and a clock that stands is --clock manual")
				}
			default:
				return usagef("--clock is running or manual, and not %q", clock)
			}
			s, err := a.scenario(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.beginExercise(c, s, speed)
		},
	}
	c.Flags().Float64Var(&speed, "speed", 60, "how much faster than time it goes")
	c.Flags().StringVar(&clock, "clock", "running", "running, or manual: it stands until shirase exercise next")
	c.AddCommand(a.cmdExerciseList(), a.cmdExerciseCheck(), a.cmdExerciseStatus(), a.cmdExerciseNext(), a.cmdExerciseRecord(), a.cmdExerciseAnswer(), a.cmdExerciseMail(), a.cmdExerciseEnd())
	return c
}

// scenario reads a scenario that the program brings along, or a file.
func (a *app) scenario(ctx context.Context, name string) (*exercise.Scenario, error) {
	src, err := exercise.Ship(name)
	if errors.Is(err, exercise.ErrNone) {
		src, err = readLimited(ctx, name, 1<<20)
		if errors.Is(err, os.ErrNotExist) {
			return nil, hint.Add(fmt.Errorf("%w: %s is neither a scenario of the program nor a file", exercise.ErrNone, name), "one of "+strings.Join(exercise.Shipped(), ", ")+", or a file of your own")
		}
	}
	if err != nil {
		return nil, err
	}
	s, found, err := exercise.Parse(src)
	if err != nil && len(found) > 0 {
		return nil, hint.Add(fmt.Errorf("%s: %w: line %d: %s", name, err, found[0].Line, found[0].What), "all that is wrong with it: shirase exercise check "+name)
	}
	return s, err
}

// inExercise has a command work on an exercise's folder where none is said.
func (a *app) inExercise() error {
	s, err := a.settings()
	if err != nil || s.From("data").Kind != config.FromDefault {
		return err
	}
	// As if it had been said, and read anew: what stands in the settings of the usual folder is a real instance's.
	for _, f := range a.flags {
		if f.key.Name == "data" {
			if err := f.Set(exerciseData); err != nil {
				return err
			}
		}
	}
	a.read = nil
	_, err = a.settings()
	return err
}

// beginExercise makes the data folder where there is none, and sets the clock going.
func (a *app) beginExercise(c *cobra.Command, s *exercise.Scenario, speed float64) error {
	if err := a.inExercise(); err != nil {
		return err
	}
	i, err := a.readInstance()
	switch {
	case errors.Is(err, config.ErrNone):
		a.shut(c)
		made, err := a.init(c.Context(), exerciseOrigin+s.ID+"/{key}", config.Instance{Region: "JP", Operator: config.Name{JA: s.Title.JA, EN: s.Title.EN}, Contact: "mailto:exercise@exercise.invalid",
			Exercise: &config.Exercise{Scenario: s.ID}}, 0)
		if err != nil {
			return err
		}
		made.close()
	case err != nil:
		return err
	case i.Exercise == nil:
		return hint.Add(fmt.Errorf("%s is a real instance's folder", a.op().Data), "an exercise wants one of its own: shirase exercise "+s.ID+" --data DIR")
	default:
		a.shut(c)
		if err := a.unplayed(c.Context(), i); err != nil {
			return err
		}
	}
	if _, err := exercise.Begin(a.op().Data, s, speed); err != nil {
		return err
	}
	g, err := a.game(c.Context())
	if err != nil {
		return err
	}
	defer g.in.close()
	if err := demoArchive(c.Context(), g.in); err != nil {
		return err
	}
	return a.showGame(c.Context(), g, true)
}

// unplayed refuses to begin anew where something was played, and the clock is gone: the record would have two beginnings.
func (a *app) unplayed(ctx context.Context, i config.Instance) error {
	if _, err := exercise.OpenClock(a.op().Data); !errors.Is(err, exercise.ErrNone) {
		return err
	}
	in, err := a.wire(ctx, i)
	if err != nil {
		return fmt.Errorf("open %s: %w", a.op().Data, err)
	}
	defer in.close()
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return err
	}
	if list, err := cases.List(ctx, actor.Operator()); err != nil || len(list) > 0 {
		return cmp.Or(err, hint.Add(fmt.Errorf("%w: it is gone, and %s was played in", exercise.ErrClock, a.op().Data), "put the folder back from its backup, or begin another exercise in another folder"))
	}
	return nil
}

// game is an exercise as it stands, with the case that its team has declared.
type game struct {
	in    *instance
	cases *response.Cases
	play  *exercise.Play
	id    string // of the case; "": none was declared
}

// game opens the exercise of the data folder.
func (a *app) game(ctx context.Context) (*game, error) {
	in, cases, err := a.cases(ctx)
	if err != nil {
		return nil, err
	}
	g := &game{in: in, cases: cases}
	if g.play, g.id, err = a.played(ctx, in, cases); err != nil {
		in.close()
		return nil, err
	}
	return g, nil
}

// played gives the exercise that is played in an instance, and the case that answers it: the first that was declared.
func (a *app) played(ctx context.Context, in *instance, cases *response.Cases) (*exercise.Play, string, error) {
	if in.Exercise == nil {
		return nil, "", hint.Add(fmt.Errorf("%w: %s is a real instance's folder", exercise.ErrNone, a.op().Data), "an exercise has one of its own: shirase exercise SCENARIO --data DIR")
	}
	if in.clock == nil {
		return nil, "", hint.Add(fmt.Errorf("%w: it was not begun", exercise.ErrNone), "shirase exercise "+in.Exercise.Scenario+" --data "+a.op().Data)
	}
	play, err := exercise.OpenWith(a.op().Data, in.clock)
	if err != nil {
		return nil, "", err
	}
	id, err := firstDeclared(ctx, cases)
	return play, id, err
}

// firstDeclared is the case that was declared first, also after it was shredded; "" where there is none. Of two that were declared at
// one moment, as a clock that stands has it, it is the one whose id comes first.
func firstDeclared(ctx context.Context, cases *response.Cases) (string, error) {
	list, err := cases.List(ctx, actor.Server())
	if err != nil || len(list) == 0 {
		return "", err
	}
	return slices.MinFunc(list, func(a, b response.Listed) int {
		return cmp.Or(a.Declared.Compare(b.Declared), strings.Compare(a.ID, b.ID))
	}).ID, nil
}

// record is what the team's answer is measured by.
func (in *instance) record(ctx context.Context, cases *response.Cases, who actor.Actor, id string) (exercise.Record, error) {
	var r exercise.Record
	all, err := in.archive.Public().Distributions(ctx, id)
	if err != nil {
		return r, err
	}
	r.Contain, r.Disclose = all[archive.Containing], all[archive.Disclosing]
	// Whatever was published from this folder was published, with whichever incident: a second one is no way around what was said.
	err = in.incidents.Preview(nil).Each(ctx, nil, func(inc incident.Incident, _ *incident.Provenance) error {
		notices, err := in.incidents.Notices(ctx, inc.ID)
		if err != nil {
			return err
		}
		n := len(r.Notices)
		for _, o := range notices {
			if o.LedgerIndex >= 0 {
				r.Notices = append(r.Notices, o)
			}
		}
		if n == len(r.Notices) {
			return nil
		}
		against, err := in.archive.Public().Contradictions(ctx, inc.ID)
		r.Against = append(r.Against, against...)
		return err
	})
	if err != nil {
		return r, err
	}
	slices.SortStableFunc(r.Notices, func(x, y incident.Notice) int { return x.Told().Compare(y.Told()) })
	if id == "" {
		return r, nil
	}
	if r.Case, r.Clocks, err = cases.Clocks(ctx, who, id); errors.Is(err, roster.ErrShredded) {
		r.Case, r.Clocks, r.Gone, err = nil, nil, true, nil
	}
	if err != nil {
		return r, err
	}
	r.Incident, err = in.incidents.Get(ctx, id)
	return r, err
}

// playing is a command on the exercise of the data folder.
func (a *app) playing(c *cobra.Command, args int, do func(ctx context.Context, g *game, args []string) error) *cobra.Command {
	c.Args = cobra.ExactArgs(args)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.inExercise(); err != nil {
			return err
		}
		a.shutWays(c)
		g, err := a.game(c.Context())
		if err != nil {
			return err
		}
		defer g.in.close()
		return do(c.Context(), g, args)
	}
	return c
}

func (a *app) cmdExerciseList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the scenarios that the program brings along", Long: "Lists the scenarios that the program brings along.", Example: "  shirase exercise list", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			type row struct {
				ID     string         `json:"id"`
				Title  exercise.Words `json:"title"`
				Events int            `json:"events"`
				Length string         `json:"length"`
			}
			out := []row{}
			for _, id := range exercise.Shipped() {
				s, err := a.scenario(c.Context(), id)
				if err != nil {
					return err
				}
				out = append(out, row{id, s.Title, len(s.Events), s.Length.String()})
			}
			return a.print(map[string]any{"scenarios": out}, func(w io.Writer) {
				for _, r := range out {
					fmt.Fprintf(w, "%-24s %s (%d events in %s)\n", r.ID, r.Title.EN, r.Events, r.Length)
				}
			})
		}}
}

func (a *app) cmdExerciseCheck() *cobra.Command {
	return &cobra.Command{Use: "check FILE", Short: "Check a scenario's file", Args: cobra.ExactArgs(1),
		Long: "Reads a scenario and says what is wrong with it, each thing with its line.", Example: "  shirase exercise check our-plan.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			src, err := readLimited(c.Context(), args[0], 1<<20)
			if err != nil {
				return err
			}
			s, found, err := exercise.Parse(src)
			if err != nil && len(found) == 0 {
				return err
			}
			if found == nil {
				found = []exercise.Finding{}
			}
			if e := a.print(map[string]any{"file": args[0], "ok": err == nil, "findings": found}, func(w io.Writer) {
				for _, f := range found {
					fmt.Fprintf(w, "%s:%d: %s\n", args[0], f.Line, oneLine(f.What))
					if f.Remedy != "" {
						fmt.Fprintf(w, "  %s\n", oneLine(f.Remedy))
					}
				}
				if err == nil {
					fmt.Fprintf(w, "%s can be played: %d events in %s.\n", filepath.Base(args[0]), len(s.Events), s.Length)
				}
			}); e != nil {
				return e
			}
			if err != nil {
				return errSaid
			}
			return nil
		}}
}

func (a *app) cmdExerciseStatus() *cobra.Command {
	return a.playing(&cobra.Command{Use: "status", Short: "Say how the exercise stands",
		Long: "Says what has come about, what is to be answered, and the measures so far.", Example: "  shirase exercise status --data drill"}, 0,
		func(ctx context.Context, g *game, _ []string) error { return a.showGame(ctx, g, false) })
}

func (a *app) cmdExerciseNext() *cobra.Command {
	var by string
	c := a.playing(&cobra.Command{Use: "next", Short: "Put the clock on to the next event",
		Long:    "Puts the exercise's clock on to the next event, or by a span, such as 30m: never back, and never\nbeyond the end. A clock that runs goes on from there.",
		Example: "  shirase exercise next --data drill\n  shirase exercise next --by 2h --data drill"}, 0,
		func(ctx context.Context, g *game, _ []string) error {
			var span exercise.Offset
			if by != "" {
				var ok bool
				if span, ok = exercise.ParseOffset(by); !ok || span == 0 {
					return usagef("--by %q is no span like 30m, 2h30m or 1d", by)
				}
			}
			p, err := g.play.Next(span.Span())
			if err != nil {
				return err
			}
			g.play = p
			return a.showGame(ctx, g, false)
		})
	c.Flags().StringVar(&by, "by", "", "by how much (default: to the next event)")
	return c
}

// declared refuses what wants a case where there is none.
func (g *game) declared() error {
	if g.id != "" {
		return nil
	}
	return hint.Add(fmt.Errorf("%w: no case is declared yet", exercise.ErrAnswer), "declare it as you would: shirase case declare --title TEXT --organisation NAME --known TIME")
}

func (a *app) cmdExerciseRecord() *cobra.Command {
	return a.playing(&cobra.Command{Use: "record EVENT", Short: "Record the facts that an event makes known",
		Long:    "Records what an event makes known with the incident of your case, as you would by hand with\nshirase incident add. Nothing of it is public before you publish it.",
		Example: "  shirase exercise record scope --data drill"}, 1,
		func(ctx context.Context, g *game, args []string) error {
			n, err := g.in.recordEvent(ctx, g.play, actor.Operator(), g.id, args[0])
			if err != nil {
				return err
			}
			return a.print(map[string]any{"case": g.id, "event": args[0], "facts": n}, func(w io.Writer) { fmt.Fprintf(w, "%d facts recorded with %s.\n", n, g.id) })
		})
}

// recordEvent records the facts that an event makes known, those that are not recorded so yet, and gives how many those are.
func (in *instance) recordEvent(ctx context.Context, p *exercise.Play, who actor.Actor, id, event string) (int, error) {
	if err := (&game{id: id}).declared(); err != nil {
		return 0, err
	}
	if p.State.Ended {
		return 0, exercise.ErrOver
	}
	e, err := p.Find(event)
	if err != nil {
		return 0, err
	}
	file, err := p.Known(e, id)
	if err != nil {
		return 0, err
	}
	inc, err := in.incidents.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	file.Facts = slices.DeleteFunc(file.Facts, func(f incident.Fact) bool {
		return slices.ContainsFunc(inc.Facts, func(g incident.Fact) bool {
			return f.Key == g.Key && f.Item == g.Item && f.AsOf == g.AsOf && f.In(language.EN) == g.In(language.EN) && f.Certainty == g.Certainty
		})
	})
	if len(file.Facts) == 0 {
		return 0, nil
	}
	_, err = in.incidents.Add(ctx, who, file)
	return len(file.Facts), err
}

func (a *app) cmdExerciseAnswer() *cobra.Command {
	var option, text string
	c := a.playing(&cobra.Command{Use: "answer EVENT --option ID", Short: "Answer the question of an event",
		Long:    "Answers the question of an event that has come about: with one of its options, in your own words, or\nboth. It is recorded as a decision of your case, at the time of the exercise; answered again,\nthe later one stands in the place of the earlier.",
		Example: "  shirase exercise answer files --option all --text \"the intruder has hashes\" --data drill"}, 1,
		func(ctx context.Context, g *game, args []string) error {
			d, err := answerEvent(ctx, g.cases, g.play, actor.Operator(), g.id, args[0], option, text)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"case": g.id, "event": args[0], "decision": d}, func(w io.Writer) { fmt.Fprintf(w, "Recorded as a decision of case %s: %s\n", g.id, oneLine(d)) })
		})
	c.Flags().StringVar(&option, "option", "", "one of the question's options")
	c.Flags().StringVar(&text, "text", "", "in your own words, or why")
	return c
}

// answerEvent records the answer to an event's question as a decision of the case.
func answerEvent(ctx context.Context, cases *response.Cases, p *exercise.Play, who actor.Actor, id, event, option, text string) (string, error) {
	if err := (&game{id: id}).declared(); err != nil {
		return "", err
	}
	if p.State.Ended {
		return "", exercise.ErrOver
	}
	e, err := p.Find(event)
	if err != nil {
		return "", err
	}
	d, err := p.Decision(e, option, text)
	if err != nil {
		return "", err
	}
	k, err := cases.Get(ctx, who, id)
	if err != nil {
		return "", err
	}
	if before, ok := exercise.Answered(k, e); ok {
		if before.Decision.Decision == d.Decision && before.Why == d.Why { // it was sent twice
			return d.Decision, nil
		}
		d.Replaces = before.Version
	}
	_, err = cases.Decide(ctx, who, id, d)
	return d.Decision, err
}

func (a *app) cmdExerciseMail() *cobra.Command {
	return a.playing(&cobra.Command{Use: "mail", Short: "Show the mail that would have gone out",
		Long: "Shows what mail would have gone out, the newest first: when, to which domain, and its subject. Addresses are\nnot kept.", Example: "  shirase exercise mail --data drill"}, 0,
		func(_ context.Context, _ *game, _ []string) error {
			mails, n, err := exercise.Mails(a.op().Data)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"count": n, "mails": mails}, func(w io.Writer) {
				fmt.Fprintf(w, "EXERCISE 訓練 — %s mails went into the sink, and none went out.\n", language.Digits(int64(n)))
				for _, m := range mails {
					fmt.Fprintf(w, "  %s  %s  %s\n", m.At, oneLine(m.To), oneLine(m.Subject))
				}
			})
		})
}

func (a *app) cmdExerciseEnd() *cobra.Command {
	return a.playing(&cobra.Command{Use: "end", Short: "End the exercise, and say how it went",
		Long: "Ends the exercise at the time that its clock shows, and sets your measures beside those of the real\ncase and of the archive. The folder stays an exercise's: a real incident wants another.", Example: "  shirase exercise end --data drill --json"}, 0,
		func(ctx context.Context, g *game, _ []string) error {
			p, err := g.in.endExercise(ctx, g.cases, g.play)
			if err != nil {
				return err
			}
			g.play = p
			return a.showGame(ctx, g, false)
		})
}

// endExercise ends it, by the record that the server itself has of the case.
func (in *instance) endExercise(ctx context.Context, cases *response.Cases, p *exercise.Play) (*exercise.Play, error) {
	return p.Finish(func(*exercise.Play) (exercise.Record, error) {
		id, err := firstDeclared(ctx, cases)
		if err != nil {
			return exercise.Record{}, err
		}
		return in.record(ctx, cases, actor.Server(), id)
	})
}

// rehearsal is what the console shows and does of the exercise; nil where there is none.
func (a *app) rehearsal(in *instance, cases *response.Cases) *console.Rehearsal {
	if in.clock == nil {
		return nil
	}
	return &console.Rehearsal{
		Origin: in.exercise(),
		Play:   func() (*exercise.Play, error) { return exercise.OpenWith(a.op().Data, in.clock) },
		Case:   func(ctx context.Context) (string, error) { return firstDeclared(ctx, cases) },
		Record: func(ctx context.Context, who actor.Actor, id string) (exercise.Record, error) {
			return in.record(ctx, cases, who, id)
		},
		Answer: func(ctx context.Context, who actor.Actor, p *exercise.Play, id, event, option, text string) error {
			_, err := answerEvent(ctx, cases, p, who, id, event, option, text)
			return err
		},
		Take: func(ctx context.Context, who actor.Actor, p *exercise.Play, id, event string) error {
			_, err := in.recordEvent(ctx, p, who, id, event)
			return err
		},
		End: func(ctx context.Context, p *exercise.Play) error {
			_, err := in.endExercise(ctx, cases, p)
			return err
		},
		Mails: func() ([]exercise.Mailed, int, error) { return exercise.Mails(a.op().Data) },
	}
}

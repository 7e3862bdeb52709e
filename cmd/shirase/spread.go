package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/roster"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/spread"
)

// spreadRoom opens the room of where data circulates, and of texts to post.
func (a *app) spreadRoom(ctx context.Context, in *instance) (*spread.Spread, error) {
	return spread.New(ctx, spread.Rooms{DB: in.db, Rosters: in.rosters, Now: in.now, Wanted: in.staff.Staffed,
		Read: func(ctx context.Context, id string, lang language.Lang, text string) ([]string, error) {
			return in.against(ctx, id, a.op().URL, lang, text)
		}})
}

// snippetAct is how a text to post is proposed, and comes onto the public page.
func snippetAct(s *spread.Spread) proposal.Act {
	return plannedAct(func(ctx context.Context, who actor.Actor, id string, request []byte) (*spread.SnippetPlan, proposal.Plan, error) {
		var asked spread.AskedSnippet
		if err := json.Unmarshal(request, &asked, json.RejectUnknownMembers(true)); err != nil {
			return nil, proposal.Plan{}, err
		}
		p, err := s.PlanSnippet(ctx, who, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: -1}}, nil
	}, func(ctx context.Context, who actor.Actor, _ string, p *spread.SnippetPlan, settle func(tx *sql.Tx) error) error {
		return s.Post(ctx, who, p, settle)
	})
}

// takeSpread has the pages take where data circulates, and say which messages are genuine.
func (a *app) takeSpread(ctx context.Context, in *instance, server *serve.Server, o *site.Options) error {
	room, err := a.spreadRoom(ctx, in)
	if err != nil {
		return err
	}
	desk, err := a.enquiries(ctx, in)
	if err != nil {
		return err
	}
	allow, err := server.Limit(askLimits)
	if err != nil {
		return err
	}
	o.Spread = func(r *http.Request, id, kind, place string) error {
		if wait, ok := allow(r, 1); !ok {
			return &site.AskLater{After: wait}
		}
		err := room.Report(r.Context(), id, kind, place)
		switch {
		case errors.Is(err, spread.ErrData):
			return site.ErrSpreadData
		case errors.Is(err, spread.ErrInput):
			return site.ErrSaid
		case errors.Is(err, spread.ErrFull), errors.Is(err, roster.ErrShredded): // of a case that is over nothing is taken any more
			return site.ErrSaidFull
		}
		return err
	}
	o.Genuine = func(ctx context.Context, id string) (site.Genuine, error) {
		n, err := room.Counts(ctx, id)
		if err != nil {
			return site.Genuine{}, err
		}
		g := site.Genuine{Places: n.Known, PlacesEnded: n.TakenDown}
		if _, used, err := desk.Came(ctx, id, time.Unix(0, 0)); err != nil {
			return g, err
		} else if used { // nobody writes from, or to, a desk that never opened
			g.Desk = desk.AddressOf(id)
		}
		approved, err := room.Snippets(ctx, id)
		if err != nil {
			return g, err
		}
		for _, x := range approved {
			g.Snippets = append(g.Snippets, x.Text)
		}
		campaigns, err := a.campaigns(ctx, in)
		if err != nil {
			return g, err
		}
		all, err := campaigns.List(ctx, actor.Server(), id)
		for _, c := range all {
			if !c.Started.IsZero() { // what is planned is nobody's business yet
				g.Senders = append(g.Senders, c.From.Address)
			}
		}
		if a.op().Mail.From != "" { // whoever watches, asks, writes to the desk or sets a new password has mail from there
			g.Senders = append(g.Senders, a.op().Mail.From)
		}
		return g, err
	}
	return nil
}

func (a *app) cmdSpread() *cobra.Command {
	c := group("spread", "Places where people say that data circulates: look at them, and say what became of them", "  shirase spread list shop-2026\n  shirase spread decide shop-2026 p-abcdefghijkl taken-down")
	with := func(do func(c *cobra.Command, in *instance, room *spread.Spread, args []string) error) func(*cobra.Command, []string) error {
		return func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			room, err := a.spreadRoom(c.Context(), in)
			if err != nil {
				return err
			}
			return hint.Add(do(c, in, room, args), "shirase spread list INCIDENT")
		}
	}
	c.AddCommand(
		&cobra.Command{Use: "list INCIDENT", Short: "List the places that were reported", Args: cobra.ExactArgs(1), Example: "  shirase spread list shop-2026", RunE: with(func(c *cobra.Command, in *instance, room *spread.Spread, args []string) error {
			if _, err := in.incidents.Get(c.Context(), args[0]); err != nil {
				return err
			}
			all, err := room.List(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			f, told, err := room.Propose(c.Context(), args[0])
			if err != nil {
				return err
			}
			rows := []map[string]any{}
			for _, p := range all {
				rows = append(rows, map[string]any{"id": p.ID, "kind": p.Kind, "state": p.State, "place": p.Where, "reports": p.Reports, "at": stamp(p.At)})
			}
			return a.print(rows, func(w io.Writer) {
				for _, p := range all {
					fmt.Fprintf(w, "%s  %-10s  %-12s  %d reports  %s\n", p.ID, p.State, p.Kind, p.Reports, oneLine(p.Where))
				}
				if len(all) == 0 {
					fmt.Fprintln(w, "Nothing was reported.")
				}
				if told {
					fmt.Fprintf(w, "\nThe fact that follows, to be recorded by shirase incident add if it is right:\n  - {key: %s, id: %s, value: %s, status: %s}\n", f.Key, f.Item, f.Value.Word, f.Value.Status)
				}
			})
		})},
		&cobra.Command{Use: "decide INCIDENT PLACE " + strings.ToUpper("state"), Short: "Say how a place stands: " + strings.Join(spread.States, ", "), Args: cobra.ExactArgs(3),
			Example: "  shirase spread decide shop-2026 p-abcdefghijkl requested",
			RunE: with(func(c *cobra.Command, _ *instance, room *spread.Spread, args []string) error {
				if err := room.Decide(c.Context(), actor.Operator(), args[0], args[1], args[2]); err != nil {
					return err
				}
				return a.print(map[string]string{"place": args[1], "state": args[2]}, func(w io.Writer) { fmt.Fprintf(w, "%s is %s\n", args[1], args[2]) })
			})})
	return c
}

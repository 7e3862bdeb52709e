package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/portal"
	"shirase/internal/proposal"
	"shirase/internal/reach/told"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/serve"
	"shirase/internal/store"
)

// gateRules reads the file of routes; none where none is named.
func (a *app) gateRules(ctx context.Context) (gate.Rules, error) {
	file := a.op().Gate.File
	if file == "" {
		return gate.Rules{}, nil
	}
	src, err := readLimited(ctx, file, 64<<10)
	if err != nil {
		return gate.Rules{}, fmt.Errorf("read gate.file: %w", err)
	}
	return gate.ParseRules(file, src)
}

// gates opens the room of the gate over an instance.
func (a *app) gates(ctx context.Context, in *instance, cases *response.Cases) (*gate.Gate, error) {
	if in.gate != nil {
		return in.gate, nil
	}
	rules, err := a.gateRules(ctx)
	if err != nil {
		return nil, err
	}
	rooms := gate.Rooms{DB: in.db, Dir: in.dir, Keys: in.keys, Latest: in.rosters.Latest, Named: in.rosters.Named, Members: in.rosters.Members, Wanted: in.staff.Staffed, Now: in.now, Rules: rules,
		Known: func(ctx context.Context, id string) (bool, error) { return in.rosters.Holds(ctx, in.db, id) }}
	if a.op().URL != "" {
		rooms.ResetURL = a.op().URL + "/reset"
	}
	rooms.Record = func(ctx context.Context, tx *sql.Tx, who actor.Actor, p *gate.Plan) error {
		err := cases.NoteProposal(ctx, tx, who, p.Incident, response.Proposal{ID: "direct", Kind: p.Kind, State: string(proposal.Done), SHA256: p.Digest(), Effect: p.Says.Record(), Why: p.Why})
		if errors.Is(err, response.ErrNotFound) { // an incident without a case
			return nil
		}
		return err
	}
	room, err := in.told(ctx)
	if err != nil {
		return nil, err
	}
	rooms.Told = func(ctx context.Context, tx *sql.Tx, id string, a gate.Account) error {
		return room.Note(ctx, tx, id, told.Login, told.Person(a))
	}
	in.gate, err = gate.New(ctx, rooms)
	return in.gate, err
}

// told gives the room of who was told otherwise than by campaigns.
func (in *instance) told(ctx context.Context) (*told.Told, error) {
	return told.New(ctx, told.Rooms{DB: in.db, Seal: func(id string) (*store.Sealer, error) { return roster.SealerOf(in.keys, id) }})
}

// gateAct is how something at the gate is proposed and done.
func gateAct(g *gate.Gate, kind string) proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*gate.Plan, proposal.Plan, error) {
		asked, err := gate.ParseAsked(request)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		p, err := g.Plan(ctx, who, kind, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "accounts", Doubts: p.Doubts}}, nil
	}
	return plannedAct(plan, func(ctx context.Context, who actor.Actor, id string, p *gate.Plan, settle func(tx *sql.Tx) error) error {
		return g.Apply(ctx, who, p, settle)
	})
}

// gateNode is what a server answers the gate's questions by.
func (a *app) gateNode(ctx context.Context, in *instance, open func(ctx context.Context) (*gate.Gate, error)) (*gate.Node, error) {
	rules, err := a.gateRules(ctx)
	if err != nil {
		return nil, err
	}
	pages, err := portal.New(portal.Options{Operator: runBy(in.Instance), BaseURL: a.op().URL, Log: in.log})
	if err != nil {
		return nil, err
	}
	return gate.NewNode(gate.NodeOptions{Gate: open, Dir: in.dir, Keys: in.keys, Rules: rules, Idle: in.Exercise != nil, Page: pages.GatePage, Policy: pages.GatePolicy(), Log: in.log,
		Link: func(ctx context.Context, id string) string {
			if in.incidents == nil || a.op().URL == "" {
				return ""
			}
			if notices, err := in.incidents.Public().Notices(ctx, id); err != nil || len(notices) == 0 {
				return ""
			}
			return a.op().URL + "/incidents/" + id
		}}), nil
}

// mountGate has a server answer below /gate/v1/. It stands before all else: what it is asked about are others' paths, which are not cleaned.
func (a *app) mountGate(ctx context.Context, in *instance, server *serve.Server) (*gate.Node, error) {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return nil, err
	}
	node, err := a.gateNode(ctx, in, func(ctx context.Context) (*gate.Gate, error) { return a.gates(ctx, in, cases) })
	if err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	server.Guard(func(h http.Handler) http.Handler { return node.Handle(h) })
	server.Work("follow the gate", node.Work)
	return node, nil
}

func (a *app) cmdGate() *cobra.Command {
	c := group("gate", "Stop logins and requests, and let them pass again", "  shirase gate status\n  shirase gate block c-2026 --route login --state closed --why 'as a precaution'")
	c.AddCommand(a.cmdGateStatus(), a.cmdGateBlock(), a.cmdGateOpen(), a.cmdGateLift(), a.cmdGateToken())
	return c
}

func (a *app) withGate(c *cobra.Command, do func(ctx context.Context, in *instance, g *gate.Gate) error) error {
	in, cases, err := a.cases(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	g, err := a.gates(c.Context(), in, cases)
	if err != nil {
		return err
	}
	return do(c.Context(), in, g)
}

func (a *app) printGate(ctx context.Context, g *gate.Gate, next string) error {
	st, err := g.Status(ctx, actor.Operator())
	if err != nil {
		return err
	}
	type route struct {
		Name  string   `json:"name"`
		State string   `json:"state"`
		Since string   `json:"since"`
		By    string   `json:"by,omitzero"`
		Why   string   `json:"why,omitzero"`
		Cases []string `json:"cases,omitzero"`
	}
	routes := []route{}
	for _, r := range st.Routes {
		routes = append(routes, route{r.Name, string(r.State), stamp(r.Since), r.By, r.Why, r.Cases})
	}
	accounts := map[string]int64{}
	for k, n := range st.Accounts {
		accounts[string(k)] = n
	}
	type hold struct {
		Case     string `json:"case"`
		Accounts string `json:"accounts"`
		People   int64  `json:"people"`
		Done     int64  `json:"done"`
		Since    string `json:"since"`
	}
	held := []hold{}
	force, err := g.InForce(ctx, actor.Operator(), "")
	if err != nil {
		return err
	}
	for _, b := range force {
		if b.Accounts == "" {
			continue
		}
		done, err := g.Done(ctx, b)
		if err != nil {
			return err
		}
		held = append(held, hold{b.Incident, string(b.Accounts), b.People, done, stamp(b.Since)})
	}
	return a.print(map[string]any{"routes": routes, "accounts": accounts, "held": held}, func(w io.Writer) {
		for _, r := range routes {
			fmt.Fprintf(w, "%-20s %-12s", r.Name, r.State)
			if r.Since != "" {
				fmt.Fprintf(w, " since %s by %s: %s", r.Since, r.By, oneLine(r.Why))
			}
			fmt.Fprintln(w)
		}
		if len(routes) == 0 {
			fmt.Fprintln(w, "No routes are set: gate.file names a file of them (docs/handbook/contain.md).")
		}
		fmt.Fprintf(w, "Accounts: %s blocked, %s have to set a new password, %s are told at their login\n", language.Digits(accounts["blocked"]), language.Digits(accounts["reset"]), language.Digits(accounts["notice"]))
		for _, h := range held {
			fmt.Fprintf(w, "  %s: %s, %s accounts since %s; %s have done what is asked\n", h.Case, h.Accounts, language.Digits(h.People), h.Since, language.Digits(h.Done))
		}
		if next != "" {
			fmt.Fprintf(w, "\n%s\n", next)
		}
	})
}

func (a *app) cmdGateStatus() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Say which routes are open, and how many accounts are held", Args: cobra.NoArgs, Example: "  shirase gate status --json",
		Long: "Says of every route how it stands, since when and by whom, and how many accounts are\nblocked, have to set a new password, or are told at their login.",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withGate(c, func(ctx context.Context, _ *instance, g *gate.Gate) error { return a.printGate(ctx, g, "") })
		}}
}

// moveGate does something at the gate, or proposes to.
func (a *app) moveGate(c *cobra.Command, kind, id string, asked gate.Asked) error {
	return a.withGate(c, func(ctx context.Context, in *instance, g *gate.Gate) error {
		if done, err := a.proposes(ctx, in, kind, id, asked); done || err != nil {
			return err
		}
		if err := g.Do(ctx, actor.Operator(), kind, id, asked); err != nil {
			return err
		}
		return a.printGate(ctx, g, "It is so on every server within two seconds.")
	})
}

func (a *app) cmdGateBlock() *cobra.Command {
	var asked gate.Asked
	var state, accounts, until string
	c := &cobra.Command{Use: "block CASE", Short: "Close a route, or hold the accounts of a case's roster, or propose to", Args: cobra.ExactArgs(1),
		Long: `Closes a route of gate.file: with --state maintenance everything on it is answered by
the page of the maintenance, with --state closed nobody signs in by it. Or holds the
accounts of the case's roster: with --accounts blocked they cannot sign in, with reset
they first set a new password, with notice they are told once what happened. Said again
for accounts that are held, it takes up the roster as it is now.

Once there is staff it only proposes to, and a second person approves exactly this.
Visitors are told the reason of --says-ja and --says-en, and not that of --why, which
stands in the record of the case.`,
		Example: "  shirase gate block naver-2013 --route all --state maintenance --why 'until the way in is closed' --until 2013-07-19T18:00+09:00\n  shirase gate block naver-2013 --accounts reset --why 'passwords may be known'",
		RunE: func(c *cobra.Command, args []string) error {
			asked.State, asked.Accounts = gate.State(state), gate.Hold(accounts)
			if asked.Route != "" && state == "" {
				asked.State = gate.Maintenance
			}
			if until != "" {
				t, err := time.Parse("2006-01-02T15:04Z07:00", until)
				if err != nil {
					if t, err = time.Parse(time.RFC3339, until); err != nil {
						return usagef("--until wants a time with its zone, such as 2026-12-01T18:00+09:00")
					}
				}
				asked.Until = t.Format(time.RFC3339)
			}
			return a.moveGate(c, gate.KindBlock, args[0], asked)
		}}
	f := c.Flags()
	f.StringVar(&asked.Route, "route", "", "route of gate.file that is closed")
	f.StringVar(&state, "state", "", "how it is closed: maintenance (what is meant where nothing is said) or closed")
	f.StringVar(&accounts, "accounts", "", "what the accounts of the roster meet: blocked, reset or notice")
	f.StringVar(&asked.Why, "why", "", "why, for the record of the case")
	f.StringVar(&until, "until", "", "when it is expected to be over")
	f.StringVar(&asked.URL, "url", "", "where passwords are set anew (default: /reset of this instance)")
	f.StringVar(&asked.Says.JA, "says-ja", "", "what visitors are told, in Japanese")
	f.StringVar(&asked.Says.EN, "says-en", "", "the same in English")
	return c
}

func (a *app) cmdGateOpen() *cobra.Command {
	var asked gate.Asked
	c := &cobra.Command{Use: "open CASE --route NAME", Short: "Open a route that a case has closed, or propose to", Args: cobra.ExactArgs(1),
		Long:    "Opens a route that a case has closed. Where another case has closed it too, it stays so.\nOnce there is staff it only proposes to.",
		Example: "  shirase gate open naver-2013 --route all --why 'the way in is closed'",
		RunE: func(c *cobra.Command, args []string) error {
			if asked.Route == "" {
				return usagef("gate open wants --route NAME")
			}
			return a.moveGate(c, gate.KindLift, args[0], asked)
		}}
	c.Flags().StringVar(&asked.Route, "route", "", "route that is opened")
	c.Flags().StringVar(&asked.Why, "why", "", "why, for the record of the case")
	return c
}

func (a *app) cmdGateLift() *cobra.Command {
	var asked gate.Asked
	var accounts string
	c := &cobra.Command{Use: "lift CASE", Short: "Lift what holds a case's accounts, or all that a case has closed, or propose to", Args: cobra.ExactArgs(1),
		Long:    "Lifts what the accounts of a case meet, with --accounts; without it, everything that the\ncase has in force at the gate, its routes too. Once there is staff it only proposes to.",
		Example: "  shirase gate lift naver-2013 --accounts reset --why 'nearly everybody has a new password'",
		RunE: func(c *cobra.Command, args []string) error {
			asked.Accounts, asked.All = gate.Hold(accounts), accounts == ""
			return a.moveGate(c, gate.KindLift, args[0], asked)
		}}
	c.Flags().StringVar(&accounts, "accounts", "", "what is lifted: blocked, reset or notice")
	c.Flags().StringVar(&asked.Why, "why", "", "why, for the record of the case")
	return c
}

func (a *app) cmdGateToken() *cobra.Command {
	var form string
	var identities, list, end bool
	c := &cobra.Command{Use: "token [NAME]", Short: "Make, list and end the tokens by which the gate is asked", Args: cobra.MaximumNArgs(1),
		Long: `Makes a token for a reverse proxy, or, with --form decide, for an application or an
identity provider. It is shown once: only its hash is kept. Nobody is believed without
one, from whatever address they come. --identities says that the proxy verifies who asks
and puts that into X-Shirase-Account or X-Shirase-Email in the place of what a client sent.`,
		Example: "  shirase gate token front --form nginx\n  shirase gate token shop --form decide\n  shirase gate token --list\n  shirase gate token front --end",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !list {
				return usagef("gate token wants a NAME, or --list")
			}
			return a.withGate(c, func(ctx context.Context, _ *instance, g *gate.Gate) error {
				switch {
				case list:
					return a.listGateTokens(ctx, g)
				case end:
					if err := g.EndToken(ctx, actor.Operator(), args[0]); err != nil {
						return hint.Add(err, "shirase gate token --list")
					}
					return a.print(map[string]any{"ended": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "The token %s is ended: nobody is answered by it.\n", args[0]) })
				}
				if form == "" {
					return usagef("gate token wants --form nginx, caddy, traefik, envoy or decide")
				}
				secret, err := g.NewToken(ctx, actor.Operator(), args[0], gate.Form(form), identities)
				if err != nil {
					return err
				}
				return a.print(map[string]any{"name": args[0], "form": form, "identities": identities, "token": secret}, func(w io.Writer) {
					fmt.Fprintf(w, "%s\n\nThis is shown once. Keep it where only the program that asks can read it.\n", secret)
				})
			})
		}}
	f := c.Flags()
	f.StringVar(&form, "form", "", "who asks: nginx, caddy, traefik, envoy or decide")
	f.BoolVar(&identities, "identities", false, "the proxy verifies who asks")
	f.BoolVar(&list, "list", false, "list the tokens that there are")
	f.BoolVar(&end, "end", false, "end the token of that name")
	return c
}

func (a *app) listGateTokens(ctx context.Context, g *gate.Gate) error {
	all, err := g.Tokens(ctx, actor.Operator())
	if err != nil {
		return err
	}
	type row struct {
		Name       string `json:"name"`
		Form       string `json:"form"`
		Identities bool   `json:"identities"`
		Made       string `json:"made"`
		By         string `json:"by"`
	}
	rows := []row{}
	for _, t := range all {
		rows = append(rows, row{t.Name, string(t.Form), t.Identities, stamp(t.Made), t.By})
	}
	slices.SortFunc(rows, func(x, y row) int { return strings.Compare(x.Name, y.Name) })
	return a.print(map[string]any{"tokens": rows}, func(w io.Writer) {
		for _, r := range rows {
			fmt.Fprintf(w, "%-20s %-8s made %s by %s\n", r.Name, r.Form, r.Made, r.By)
		}
		if len(rows) == 0 {
			fmt.Fprintln(w, "There is none: shirase gate token NAME --form nginx")
		}
	})
}

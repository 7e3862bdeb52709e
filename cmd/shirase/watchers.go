package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/collect/fetch"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/outward"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/watchers"
)

// watchMailer is by whom people are told: the relays of campaigns or, where there are none, the mail server. ok is false where neither
// is set: then nobody can be told, and nobody is asked to leave an address.
func (a *app) watchMailer(ctx context.Context, in *instance) (m watchers.Mailer, ok bool, err error) {
	o, c := a.op().Mail, a.op().Campaign
	if o.From == "" || len(c.Relays) == 0 && o.Server == "" {
		return m, false, nil
	}
	m = watchers.Mailer{From: message.Address{Addr: o.From}, PerSecond: float64(a.op().Watch.PerSecond)}
	addresses, file := c.Relays, c.PasswordFile
	relay := smtp.Relay{Security: smtp.Security(c.Security), User: c.User}
	if len(addresses) == 0 {
		addresses, file = []string{o.Server}, o.PasswordFile
		relay = smtp.Relay{Security: smtp.Security(o.Security), User: o.User}
	}
	if file != "" {
		b, err := readLimited(ctx, file, 4<<10)
		if err != nil {
			return m, false, fmt.Errorf("read the password of the mail server: %w", err)
		}
		relay.Password = strings.TrimRight(string(b), "\r\n")
	}
	if relay.Hello, _ = os.Hostname(); relay.Hello == "" {
		relay.Hello = "localhost"
	}
	for _, r := range addresses {
		relay.Address = r
		m.Relays = append(m.Relays, relay)
	}
	if !c.RelaySigns {
		_, domain, _ := strings.Cut(o.From, "@")
		if _, err := signers(in.keys, a.selectors(), domain); err == nil {
			m.Signers = func(domain string) ([]*message.Signer, error) { return signers(in.keys, a.selectors(), domain) }
		} else {
			in.log.Warn("mails to those who asked to be told leave unsigned: mailboxes show no button to end them", "error", err, "hint", hint.Of(err))
		}
	}
	return m, true, nil
}

// watchersRoom opens the room. published is nil for commands, which tell nobody anything.
func (a *app) watchersRoom(ctx context.Context, in *instance, m watchers.Mailer, published *index.Host) (*watchers.Watchers, error) {
	name := operator(in.Instance)
	rooms := watchers.Rooms{DB: in.db, Keys: in.keys, Rosters: in.rosters, URL: a.op().URL, Name: name, Mailer: m, Log: in.log}
	if published != nil {
		rooms.Public = func(ctx context.Context) ([]watchers.Standing, error) {
			return standingOf(ctx, in, published.Statement(ctx))
		}
		rooms.About = func(ctx context.Context, id string) (watchers.About, bool, error) {
			return aboutOf(ctx, in, published.Statement(ctx), id)
		}
	}
	if a.op().Watch.Domains {
		web, err := a.proofs()
		if err != nil {
			return nil, err
		}
		rooms.Shows = shows(a.resolver(), web)
	}
	return watchers.New(ctx, rooms)
}

// standingOf is how every incident of a statement stands.
func standingOf(ctx context.Context, in *instance, st *check.Statement) ([]watchers.Standing, error) {
	if st == nil {
		return nil, nil
	}
	var out []watchers.Standing
	for _, x := range st.Incidents {
		s := watchers.Standing{Incident: x.ID, State: string(x.State)}
		r, there, err := in.publisher.Scope(ctx, st, x.ID)
		if x.State == check.ByMail { // it is in no index: the newest roster is asked, as answers by mail are
			r, err = in.rosters.Latest(ctx, x.ID)
			there = err == nil
			if errors.Is(err, roster.ErrNone) {
				err = nil
			}
		}
		if err != nil {
			return nil, err
		}
		if there && r.Shredded.IsZero() {
			s.Roster, s.Scope = r.ID, r.ID
			if x.State == check.ByMail { // it is told when it is published, and not when the roster is made
				s.Scope = x.Revision + " " + x.AsOf.Time.UTC().Format(time.RFC3339)
			}
		}
		notices, err := in.incidents.Public().Notices(ctx, x.ID)
		if err != nil && !errors.Is(err, incident.ErrNotFound) {
			return nil, err
		}
		for _, n := range notices {
			if n.Kind == incident.KindAddendum || n.Kind == incident.KindCorrection {
				s.Told = max(s.Told, n.Version)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func aboutOf(ctx context.Context, in *instance, st *check.Statement, id string) (watchers.About, bool, error) {
	if st == nil {
		return watchers.About{}, false, nil
	}
	x := st.Incident(id)
	if x == nil || x.State == check.Withdrawn || x.State == check.Retired {
		return watchers.About{}, false, nil
	}
	i, err := in.incidents.Public().Get(ctx, id)
	if errors.Is(err, incident.ErrNotFound) {
		return watchers.About{}, false, nil
	}
	return watchers.About{Title: language.Text{JA: i.Title(language.JA), EN: i.Title(language.EN)}, Organisation: language.Text{JA: i.Organisation(language.JA), EN: i.Organisation(language.EN)},
		AsOf: x.AsOf.Time, ByMail: x.State == check.ByMail}, err == nil, err
}

// proofs asks domains for the file that proves them, and nothing but the public internet.
func (a *app) proofs() (*fetch.Client, error) {
	var allow []netip.AddrPort
	for _, s := range a.op().Collect.Allow {
		to, err := fetch.ParseAllowed(s)
		if err != nil {
			return nil, fmt.Errorf("the setting collect.allow: %w", err)
		}
		allow = append(allow, to)
	}
	return fetch.New(fetch.Options{Agent: "shirase/" + version, Allow: allow, Max: 64 << 10, Timeout: 15 * time.Second, Pause: time.Second}), nil
}

// shows looks where a domain shows its proof: in DNS, or else in a file of its own web server. An answer that is none of both is no error: it is
// not proven.
func shows(resolver *net.Resolver, web *fetch.Client) func(ctx context.Context, p watchers.Proof) (string, error) {
	return func(ctx context.Context, p watchers.Proof) (string, error) {
		if err := outward.Check(ctx, "look for the proof of a domain"); err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if texts, err := resolver.LookupTXT(ctx, p.Name()+"."); err == nil && slices.Contains(texts, p.Record()) {
			return "dns", nil
		}
		got, err := web.Ask(ctx, p.File())
		if err != nil || got.Status != http.StatusOK {
			return "", ctx.Err()
		}
		if u, err := url.Parse(got.Final); err != nil || u.Hostname() != p.Domain || u.Scheme != "https" { // it leads elsewhere
			return "", nil
		}
		for line := range strings.SplitSeq(string(got.Body), "\n") {
			if strings.TrimSpace(line) == p.Record() {
				return "file", nil
			}
		}
		return "", nil
	}
}

// watchLimits are what networks may ask for; what one address may be mailed, and all together, the room counts.
var watchLimits = askLimits

// tellWatchers has the pages take addresses that want to be told, and tells them beside the server. Where no mail server is set, or nobody
// knows where people reach this instance, it does neither.
func (a *app) tellWatchers(ctx context.Context, in *instance, published *index.Host, server *serve.Server, o *site.Options) error {
	m, ok, err := a.watchMailer(ctx, in)
	if err != nil || !ok || a.op().URL == "" {
		return err
	}
	room, err := a.watchersRoom(ctx, in, m, published)
	if err != nil {
		return err
	}
	allow, err := server.Limit(watchLimits)
	if err != nil {
		return err
	}
	o.Watch = watchPages(room, func(r *http.Request, n int) error {
		if wait, ok := allow(r, n); !ok {
			return &site.AskLater{After: wait}
		}
		return nil
	})
	server.Work("tell who watches", room.Keep)
	return nil
}

// watchPages gives pages what they may do with the room.
func watchPages(room *watchers.Watchers, allow func(r *http.Request, n int) error) *site.Watch {
	w := &site.Watch{
		Ask: func(r *http.Request, lang language.Lang, address, follow string) error {
			if err := allow(r, 1); err != nil {
				return err
			}
			return ofWatch(room.Ask(r.Context(), lang, address, follow))
		},
		Asked: func(ctx context.Context, link string) (string, error) {
			follow, err := room.Asked(ctx, link)
			return follow, ofWatch(err)
		},
		Confirm: func(ctx context.Context, link string, c site.WatchChoice) (string, error) {
			own, err := room.Confirm(ctx, link, watchers.Choice(c))
			return own, ofWatch(err)
		},
		Own: func(ctx context.Context, link string) (site.WatchChoice, []string, error) {
			c, follows, err := room.Own(ctx, link)
			return site.WatchChoice(c), follows, ofWatch(err)
		},
		Change: func(ctx context.Context, link string, c site.WatchChoice) error {
			return ofWatch(room.Change(ctx, link, watchers.Choice(c)))
		},
		End:   func(ctx context.Context, link string) error { return ofWatch(room.End(ctx, link)) },
		Valid: room.Valid,
	}
	if !room.Domains() {
		return w
	}
	w.Domains = &site.WatchDomains{
		Ask: func(r *http.Request, lang language.Lang, domain, contact string) error {
			if err := allow(r, 2); err != nil {
				return err
			}
			return ofWatch(room.AskDomain(r.Context(), lang, domain, contact))
		},
		Get: func(ctx context.Context, link string) (site.WatchedDomain, error) {
			d, err := room.Domain(ctx, link)
			out := site.WatchedDomain{Domain: d.Domain, Name: d.Name(), Record: d.Record(), File: d.File(), State: d.State, ByRole: d.ByRole(), Until: d.Until}
			for _, l := range d.Log {
				out.Log = append(out.Log, site.WatchLine(l))
			}
			return out, ofWatch(err)
		},
		Confirm: func(ctx context.Context, link string) error { return ofWatch(room.ConfirmDomain(ctx, link)) },
		Prove: func(r *http.Request, link string) error { // it has this server ask others
			if err := allow(r, 2); err != nil {
				return err
			}
			return ofWatch(room.ProveDomain(r.Context(), link))
		},
		Affected: func(r *http.Request, link string) ([]site.WatchExposed, error) { // it reads rosters to their end
			if err := allow(r, 2); err != nil {
				return nil, err
			}
			found, err := room.Affected(r.Context(), link)
			var out []site.WatchExposed
			for _, x := range found {
				out = append(out, site.WatchExposed(x))
			}
			return out, ofWatch(err)
		},
		Revoke: func(ctx context.Context, link string) error { return ofWatch(room.RevokeDomain(ctx, link)) },
	}
	return w
}

// ofWatch says in the pages' words what the room refused.
func ofWatch(err error) error {
	switch {
	case errors.Is(err, watchers.ErrAddress):
		return site.ErrAskAddress
	case errors.Is(err, watchers.ErrBusy):
		return &site.AskLater{After: askAgain}
	case errors.Is(err, watchers.ErrLink):
		return site.ErrWatchLink
	case errors.Is(err, watchers.ErrDomain):
		return site.ErrWatchDomain
	case errors.Is(err, watchers.ErrNotProven):
		return site.ErrNotProven
	}
	return err
}

func (a *app) cmdWatch() *cobra.Command {
	c := group("watch", "Who asked to be told of later incidents: how many, what they were told, which domains", "  shirase watch status\n  shirase watch domains")
	with := func(do func(c *cobra.Command, room *watchers.Watchers, args []string) error) func(*cobra.Command, []string) error {
		return func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			room, err := a.watchersRoom(c.Context(), in, watchers.Mailer{}, nil)
			if err != nil {
				return err
			}
			return do(c, room, args)
		}
	}
	var resend, leave bool
	uncertain := &cobra.Command{Use: "uncertain", Short: "Decide on mails that were in flight when something broke", Args: cobra.NoArgs,
		Long: `Mails that may or may not have left when a process or a connection broke are not sent
again by themselves: somebody could have two. --resend sends them, under the same
Message-ID; --leave lets them be.`, Example: "  shirase watch uncertain --resend",
		RunE: with(func(c *cobra.Command, room *watchers.Watchers, _ []string) error {
			if resend == leave {
				return usagef("say --resend or --leave")
			}
			n, err := room.Resolve(c.Context(), resend)
			if err != nil {
				return err
			}
			return a.print(map[string]int64{"decided": n}, func(w io.Writer) { fmt.Fprintf(w, "%d decided\n", n) })
		})}
	uncertain.Flags().BoolVar(&resend, "resend", false, "send them again")
	uncertain.Flags().BoolVar(&leave, "leave", false, "let them be")
	end := &cobra.Command{Use: "end DOMAIN", Short: "End the watch of a domain: its owner is shown nothing any more", Args: cobra.ExactArgs(1), Example: "  shirase watch end example.co.jp",
		RunE: with(func(c *cobra.Command, room *watchers.Watchers, args []string) error {
			if err := room.EndDomain(c.Context(), args[0]); err != nil {
				return hint.Add(err, "shirase watch domains")
			}
			return a.print(map[string]string{"ended": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "Nobody is shown addresses of %s any more.\n", args[0]) })
		})}
	c.AddCommand(
		&cobra.Command{Use: "status", Short: "How many watch, and what became of what they were told", Args: cobra.NoArgs, Example: "  shirase watch status --json", RunE: with(func(c *cobra.Command, room *watchers.Watchers, _ []string) error {
			n, err := room.Counts(c.Context())
			if err != nil {
				return err
			}
			return a.print(map[string]any{"watching": n.Watching, "daily": n.Daily, "following": n.Following, "unconfirmed": n.Asked, "matching": n.Matching, "mails": n.Mails, "domains": n.Domains}, func(w io.Writer) {
				fmt.Fprintf(w, "%d watch, %d of them once a day, %d follow an incident, %d have not confirmed; %d domains are proven.\n", n.Watching, n.Daily, n.Following, n.Asked, n.Domains)
				for _, s := range []string{"waiting", "intended", "handed-over", "refused", "unknown", "dropped"} {
					if n.Mails[s] > 0 {
						fmt.Fprintf(w, "  %10s  %s\n", language.Digits(n.Mails[s]), s)
					}
				}
				if n.Mails["unknown"] > 0 {
					fmt.Fprintf(w, "\nDecide on the unknown ones: shirase watch uncertain --resend, or --leave\n")
				}
			})
		})},
		&cobra.Command{Use: "domains", Short: "List the domains that are watched", Args: cobra.NoArgs, Example: "  shirase watch domains", RunE: with(func(c *cobra.Command, room *watchers.Watchers, _ []string) error {
			all, err := room.DomainList(c.Context())
			if err != nil {
				return err
			}
			rows := []map[string]string{}
			for _, d := range all {
				rows = append(rows, map[string]string{"domain": d.Domain, "state": d.State, "how": d.How, "until": stamp(d.Until)})
			}
			return a.print(rows, func(w io.Writer) {
				for _, d := range all {
					fmt.Fprintf(w, "%s  %s  %s  until %s\n", d.Domain, d.State, d.How, stamp(d.Until))
				}
				if len(all) == 0 {
					fmt.Fprintln(w, "No domain is watched.")
				}
			})
		})}, end, uncertain)
	return c
}

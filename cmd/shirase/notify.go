package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"database/sql"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/notify"
)

// notifier opens the room that tells the staff what waits for them.
func (a *app) notifier(ctx context.Context, in *instance) (*notify.Notifier, error) {
	rooms := notify.Rooms{DB: in.db, Keys: in.keys, URL: a.op().URL, Person: in.personOf, Sees: in.sees, Group: in.group}
	if a.op().Mail.Server != "" {
		server, err := a.mailServer(ctx)
		if err != nil {
			return nil, err
		}
		rooms.Mail = server
	}
	return notify.New(ctx, rooms)
}

// mailServer is where single mails are handed over, as the settings say.
func (a *app) mailServer(ctx context.Context) (notify.SMTP, error) {
	m := a.op().Mail
	server := notify.SMTP{Server: m.Server, From: m.From, User: m.User, Security: m.Security}
	if m.PasswordFile != "" {
		b, err := readLimited(ctx, m.PasswordFile, 4<<10)
		if err != nil {
			return server, fmt.Errorf("read mail.passwordFile: %w", err)
		}
		server.Password = strings.TrimRight(string(b), "\r\n")
	}
	return server, nil
}

// personOf gives whom of the staff a name or pseudonym means.
func (in *instance) personOf(ctx context.Context, name string) (string, bool, error) {
	names, err := in.staff.Names(ctx)
	if err != nil {
		return "", false, err
	}
	if _, ok := names[name]; ok {
		return name, true, nil
	}
	for id, n := range names {
		if strings.EqualFold(strings.ReplaceAll(n, " ", ""), strings.ReplaceAll(name, " ", "")) {
			return id, true, nil
		}
	}
	return "", false, nil
}

// sees says whether somebody may know of a case. Whoever is nobody of the staff is told where there is none: then names are all that
// there is.
func (in *instance) sees(ctx context.Context, id, kase string) (bool, error) {
	staffed, err := in.staff.Staffed(ctx)
	if err != nil || !staffed {
		return !staffed, err
	}
	who, err := in.actorOf(ctx, id)
	return err == nil && who.Sees(kase), nil
}

func (in *instance) actorOf(ctx context.Context, id string) (actor.Actor, error) {
	who, _, err := in.staff.Actor(ctx, id, "", "mail")
	return who, err
}

// group names whom something is for that names nobody: who may approve of a proposal, who commands of the rest.
func (in *instance) group(ctx context.Context, kind, kase string) ([]string, error) {
	people, err := in.staff.People(ctx, actor.Server())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range people {
		wanted := actor.Commander
		if kind == "approval" {
			wanted = actor.Approver
		}
		if !p.Has(wanted) {
			continue
		}
		if kase == "" {
			out = append(out, p.ID)
			continue
		}
		if who, err := in.actorOf(ctx, p.ID); err == nil && who.Sees(kase) {
			out = append(out, p.ID)
		}
	}
	return out, nil
}

func (a *app) cmdNotify() *cobra.Command {
	c := group("notify", "Tell the staff what waits for them, by webhooks and mail", "  shirase notify hook add https://hooks.example.org/shirase")
	hook := group("hook", "Add, list and end signed webhooks", "  shirase notify hook list")
	hook.AddCommand(a.cmdHookAdd(), a.cmdHookList(), a.cmdHookEnd())
	c.AddCommand(hook, a.cmdNotifyMail(), a.cmdNotifyTest(), a.cmdNotifyLog())
	return c
}

func (a *app) withNotifier(c *cobra.Command, do func(ctx context.Context, in *instance, n *notify.Notifier) error) error {
	in, err := a.open(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	n, err := a.notifier(c.Context(), in)
	if err != nil {
		return err
	}
	return do(c.Context(), in, n)
}

func (a *app) cmdHookAdd() *cobra.Command {
	var kinds []string
	c := &cobra.Command{Use: "add URL", Short: "Have a webhook told what waits for the staff", Args: cobra.ExactArgs(1),
		Long: `Has a webhook told of mentions, tasks, reports, approvals and what is overdue, or of the
kinds that are named. Every message is signed as Standard Webhooks says, under the secret
that is printed once, and says that there is something and where, and nothing of what it
is. What is not taken is tried again for two days.

Kinds: ` + strings.Join(notify.Kinds, ", ") + `.`,
		Example: "  shirase notify hook add https://hooks.example.org/shirase --kind approval --kind overdue",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withNotifier(c, func(ctx context.Context, _ *instance, n *notify.Notifier) error {
				h, secret, err := n.AddHook(ctx, actor.Operator(), args[0], kinds)
				if err != nil {
					return err
				}
				return a.print(map[string]any{"id": h.ID, "host": h.Host, "secret": secret}, func(w io.Writer) {
					fmt.Fprintf(w, "Webhook %s to %s. Its secret, which is not shown again:\n  %s\n\nNext: shirase notify test\n", h.ID, h.Host, secret)
				})
			})
		}}
	c.Flags().StringArrayVar(&kinds, "kind", nil, "only these kinds (repeatable)")
	return c
}

func (a *app) cmdHookList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the webhooks", Args: cobra.NoArgs, Long: "Lists the webhooks by their hosts. URLs may have tokens in them and are not shown.", Example: "  shirase notify hook list",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withNotifier(c, func(ctx context.Context, _ *instance, n *notify.Notifier) error {
				hooks, err := n.Hooks(ctx, actor.Operator())
				if err != nil {
					return err
				}
				type row struct {
					ID    string   `json:"id"`
					Host  string   `json:"host"`
					Kinds []string `json:"kinds"`
					At    string   `json:"at"`
					Ended string   `json:"ended,omitzero"`
					Why   string   `json:"why,omitzero"`
				}
				rows := []row{}
				for _, h := range hooks {
					rows = append(rows, row{h.ID, h.Host, h.Kinds, stamp(h.At), stamp(h.Ended), h.Why})
				}
				return a.print(map[string]any{"hooks": rows}, func(w io.Writer) {
					for _, r := range rows {
						kinds := "everything"
						if len(r.Kinds) > 0 {
							kinds = strings.Join(r.Kinds, ", ")
						}
						fmt.Fprintf(w, "%s  %s: %s%s\n", r.ID, oneLine(r.Host), kinds, strings.Join(nonEmpty("  (", r.Ended, oneLine(r.Why)), ""))
					}
					if len(rows) == 0 {
						fmt.Fprintf(w, "There is none: shirase notify hook add URL\n")
					}
				})
			})
		}}
}

func (a *app) cmdHookEnd() *cobra.Command {
	return &cobra.Command{Use: "end ID", Short: "Have a webhook told nothing any more", Args: cobra.ExactArgs(1), Long: "Ends a webhook: what it was to be told is given up.", Example: "  shirase notify hook end h-abcdefghij",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withNotifier(c, func(ctx context.Context, _ *instance, n *notify.Notifier) error {
				if err := n.EndHook(ctx, actor.Operator(), args[0]); err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[0], "ended": true}, func(w io.Writer) { fmt.Fprintf(w, "Webhook %s is told nothing any more.\n", args[0]) })
			})
		}}
}

func (a *app) cmdNotifyMail() *cobra.Command {
	var lang string
	c := &cobra.Command{Use: "mail NAME ADDRESS", Short: "Say where somebody is written to", Args: cobra.ExactArgs(2),
		Long: `Says where somebody is written to of mentions, tasks, approvals and what is overdue: a
member of the staff by name or pseudonym, or, where there is no staff, a name as tasks
and notes have it. The address is kept sealed. "" takes it back. The mail server is a
setting: mail.server.`,
		Example: "  shirase notify mail 佐藤 sato@example.org\n  shirase notify mail Suzuki suzuki@example.org --lang en",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withNotifier(c, func(ctx context.Context, _ *instance, n *notify.Notifier) error {
				if err := n.SetAddress(ctx, actor.Operator(), args[0], args[1], lang); err != nil {
					return err
				}
				return a.print(map[string]any{"set": args[1] != ""}, func(w io.Writer) {
					fmt.Fprintln(w, "Kept.")
					if a.op().Mail.Server == "" {
						fmt.Fprintln(w, "No mail is sent yet: shirase config set mail.server mail.example.org:587")
					}
				})
			})
		}}
	c.Flags().StringVar(&lang, "lang", "ja", "language of the mail: ja or en")
	return c
}

func (a *app) cmdNotifyTest() *cobra.Command {
	var names []string
	c := &cobra.Command{Use: "test", Short: "Tell every webhook, and who is named, that this is a test", Args: cobra.NoArgs, Long: "Sends a test now, to every webhook and by mail to those that are named, and says what\ncame of it.",
		Example: "  shirase notify test --to 佐藤",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withNotifier(c, func(ctx context.Context, in *instance, n *notify.Notifier) error {
				if err := in.db.Update(ctx, func(tx *sql.Tx) error { return n.Tell(ctx, tx, notify.Message{Kind: "test", To: names}) }); err != nil {
					return err
				}
				if _, err := n.Send(ctx); err != nil {
					return err
				}
				return a.printDeliveries(ctx, n, false, 20, "test")
			})
		}}
	c.Flags().StringArrayVar(&names, "to", nil, "who is written to (repeatable)")
	return c
}

func (a *app) cmdNotifyLog() *cobra.Command {
	var failed bool
	c := &cobra.Command{Use: "log", Short: "List what was told, and what came of it", Args: cobra.NoArgs, Long: "Lists deliveries, the newest first: what was taken, what is tried again and when, what\nwas given up and why.", Example: "  shirase notify log --failed",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withNotifier(c, func(ctx context.Context, _ *instance, n *notify.Notifier) error {
				return a.printDeliveries(ctx, n, failed, 200, "")
			})
		}}
	c.Flags().BoolVar(&failed, "failed", false, "only what was not taken")
	return c
}

func (a *app) printDeliveries(ctx context.Context, n *notify.Notifier, failed bool, most int, kind string) error {
	list, err := n.Log(ctx, actor.Operator(), failed, most)
	if err != nil {
		return err
	}
	type row struct {
		ID     string `json:"id"`
		Kind   string `json:"kind"`
		Case   string `json:"case,omitzero"`
		About  string `json:"about,omitzero"`
		Hook   string `json:"hook,omitzero"`
		Person string `json:"person,omitzero"`
		At     string `json:"at"`
		State  string `json:"state"`
		Tries  int64  `json:"tries"`
		Next   string `json:"next,omitzero"`
		Said   string `json:"said,omitzero"`
	}
	rows := []row{}
	for _, d := range slices.Backward(list) {
		if kind != "" && d.Kind != kind {
			continue
		}
		r := row{d.ID, d.Kind, d.Case, d.About, d.Hook, d.Person, stamp(d.At), d.State, d.Tries, "", d.Said}
		if d.State == "pending" {
			r.Next = stamp(d.Next)
		}
		rows = append(rows, r)
	}
	return a.print(map[string]any{"deliveries": rows}, func(w io.Writer) {
		for _, r := range rows {
			next := ""
			if r.Next != "" {
				next = ", again " + r.Next
			}
			fmt.Fprintf(w, "%s  %-9s %-9s %s%s  %s tries%s  %s\n", r.At, r.State, r.Kind, r.Hook, oneLine(r.Person), language.Digits(r.Tries), next, oneLine(r.Said))
		}
		if len(rows) == 0 {
			fmt.Fprintf(w, "Nothing was told yet.\n")
		}
	})
}

package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/staff"
)

func (a *app) cmdStaff() *cobra.Command {
	c := &cobra.Command{
		Use:   "staff",
		Short: "Who works here: the first link, who there is, and a way back in",
		Long: `Prints the link by which the first administrator comes in, where nobody works here
yet, and otherwise who does. People sign in at /console with passkeys; there are no
passwords. Whoever has this host can let people in and back in, and each time it is
written to the log and shown to everybody who works here.`,
		Example: `  shirase staff
  shirase staff recover 佐藤`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q%s", "staff "+args[0], suggest(c, args[0]))
			}
			return a.withStaff(c, func(ctx context.Context, in *instance) error {
				first, err := a.firstLink(ctx, in, "http://"+a.op().Listen)
				if err != nil || first == "" {
					if err == nil {
						err = a.listStaff(ctx, in)
					}
					return err
				}
				return a.print(map[string]string{"first": first}, func(w io.Writer) {
					fmt.Fprintf(w, "Nobody works here yet. The first administrator comes in here, once, within a day,\nwhile shirase serve runs:\n  %s\n", first)
				})
			})
		},
	}
	c.AddCommand(a.cmdStaffList(), a.cmdStaffInvite(), a.cmdStaffRecover(), a.cmdStaffRoles(), a.cmdStaffRemove(), a.cmdStaffAccess(), a.cmdStaffLog())
	return c
}

func (a *app) withStaff(c *cobra.Command, do func(ctx context.Context, in *instance) error) error {
	in, err := a.open(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	return do(c.Context(), in)
}

// staffRow is somebody as `shirase staff` prints them.
type staffRow struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Roles    []actor.Role `json:"roles"`
	Every    string       `json:"every"`
	Passkeys int          `json:"passkeys"`
	OIDC     bool         `json:"oidc"`
	Held     string       `json:"held,omitzero"` // until then cannot approve
}

func (a *app) listStaff(ctx context.Context, in *instance) error {
	people, err := in.staff.People(ctx, actor.Operator())
	if err != nil {
		return err
	}
	rows := []staffRow{}
	for _, p := range people {
		r := staffRow{ID: p.ID, Name: p.Name, Roles: p.Roles, Every: p.Every.String(), Passkeys: p.Passkeys, OIDC: p.OIDC}
		if !p.Held.IsZero() {
			r.Held = p.Held.UTC().Format(time.RFC3339)
		}
		rows = append(rows, r)
	}
	return a.print(map[string]any{"staff": rows}, func(w io.Writer) {
		if len(rows) == 0 {
			fmt.Fprintln(w, "Nobody works here yet: shirase staff prints the first link.")
			return
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, r := range rows {
			fmt.Fprintf(t, "%s\t%s\t%v\tall cases: %s\t%d passkeys\n", r.ID, r.Name, r.Roles, r.Every, r.Passkeys)
		}
		t.Flush()
	})
}

func (a *app) cmdStaffList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List who works here", Args: cobra.NoArgs, Example: "  shirase staff list",
		RunE: func(c *cobra.Command, _ []string) error { return a.withStaff(c, a.listStaff) }}
}

// chosenRoles are flags that say what somebody may do.
type chosenRoles struct {
	roles []string
	every string
}

func (r *chosenRoles) flags(c *cobra.Command) {
	c.Flags().StringSliceVar(&r.roles, "role", nil, "commander, writer, approver, desk, auditor or administrator; several with commas")
	c.Flags().StringVar(&r.every, "every", "none", "access to all cases: none, read, contribute or full")
}

func (r *chosenRoles) read() ([]actor.Role, actor.Access, error) {
	var roles []actor.Role
	for _, s := range r.roles {
		roles = append(roles, actor.Role(s))
	}
	if r.every == "none" {
		return roles, actor.None, nil
	}
	every, ok := actor.ParseAccess(r.every)
	if !ok {
		return nil, 0, usagef("--every is none, read, contribute or full, and not %q", r.every)
	}
	return roles, every, nil
}

func (a *app) cmdStaffInvite() *cobra.Command {
	var chosen chosenRoles
	c := &cobra.Command{Use: "invite NAME --role ROLE", Short: "Make a link for somebody new", Args: cobra.ExactArgs(1), Example: "  shirase staff invite 鈴木 --role approver --every contribute",
		RunE: func(c *cobra.Command, args []string) error {
			roles, every, err := chosen.read()
			if err != nil {
				return err
			}
			return a.withStaff(c, func(ctx context.Context, in *instance) error {
				token, err := in.staff.Invite(ctx, actor.Operator(), args[0], roles, every)
				if err != nil {
					return err
				}
				link := a.link("http://"+a.op().Listen, token)
				return a.print(map[string]string{"link": link}, func(w io.Writer) { fmt.Fprintf(w, "For %s alone, once, within seven days:\n  %s\n", args[0], link) })
			})
		}}
	chosen.flags(c)
	return c
}

func (a *app) cmdStaffRecover() *cobra.Command {
	var fresh bool
	c := &cobra.Command{Use: "recover NAME", Short: "Let somebody back in who has lost all passkeys",
		Long: `Makes a link by which somebody of the staff adds a passkey, within an hour; with
--new, one that makes a new administrator. It needs neither mail nor an identity
provider. It ends their other sign-ins, an approver waits anew, and it is written to
the log and shown to everybody who works here for 30 days.`,
		Args: cobra.ExactArgs(1), Example: "  shirase staff recover 佐藤\n  shirase staff recover 高橋 --new",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withStaff(c, func(ctx context.Context, in *instance) error {
				token, expires, err := in.staff.Recover(ctx, actor.Operator(), args[0], fresh)
				if err != nil {
					return err
				}
				in.log.Warn("a way back in was made on the host", "new", fresh, "until", expires.UTC().Format(time.RFC3339))
				link := a.link("http://"+a.op().Listen, token)
				return a.print(map[string]string{"link": link, "expires": expires.UTC().Format(time.RFC3339)}, func(w io.Writer) {
					fmt.Fprintf(w, "For %s alone, once, within an hour:\n  %s\nEverybody who works here is shown that it was made.\n", args[0], link)
				})
			})
		}}
	c.Flags().BoolVar(&fresh, "new", false, "make a new administrator of that name")
	return c
}

func (a *app) cmdStaffRoles() *cobra.Command {
	var chosen chosenRoles
	c := &cobra.Command{Use: "roles NAME --role ROLE", Short: "Change what somebody may do", Args: cobra.ExactArgs(1), Example: "  shirase staff roles 鈴木 --role writer,approver --every full",
		RunE: func(c *cobra.Command, args []string) error {
			roles, every, err := chosen.read()
			if err != nil {
				return err
			}
			return a.withPerson(c, args[0], func(ctx context.Context, in *instance, p staff.Account) (string, error) {
				return "What " + p.Name + " may do was changed.\n", in.staff.SetRoles(ctx, actor.Operator(), p.ID, p.Version, roles, every)
			})
		}}
	chosen.flags(c)
	return c
}

func (a *app) cmdStaffRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "End an account; its pseudonym stays in what it did", Args: cobra.ExactArgs(1), Example: "  shirase staff remove 鈴木",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withPerson(c, args[0], func(ctx context.Context, in *instance, p staff.Account) (string, error) {
				return "The account of " + p.Name + " was ended.\n", in.staff.Remove(ctx, actor.Operator(), p.ID)
			})
		}}
}

func (a *app) cmdStaffAccess() *cobra.Command {
	return &cobra.Command{Use: "access NAME CASE none|read|contribute|full", Short: "Say who sees a case", Args: cobra.ExactArgs(3), Example: "  shirase staff access 鈴木 example-shop-2026-08-20 contribute",
		RunE: func(c *cobra.Command, args []string) error {
			access, ok := actor.ParseAccess(args[2])
			if !ok && args[2] != "none" {
				return usagef("access is none, read, contribute or full, and not %q", args[2])
			}
			if !ok {
				access = actor.None
			}
			return a.withPerson(c, args[0], func(ctx context.Context, in *instance, p staff.Account) (string, error) {
				if _, err := in.incidents.Get(ctx, args[1]); err != nil {
					return "", err
				}
				return p.Name + " has access to " + args[1] + ": " + access.String() + ".\n", in.staff.GiveAccess(ctx, actor.Operator(), args[1], p.ID, access)
			})
		}}
}

// withPerson does something with the account of a name, or of a pseudonym.
func (a *app) withPerson(c *cobra.Command, name string, do func(ctx context.Context, in *instance, p staff.Account) (said string, err error)) error {
	return a.withStaff(c, func(ctx context.Context, in *instance) error {
		if err := a.voiding(ctx, in); err != nil {
			return err
		}
		p, err := in.staff.Find(ctx, actor.Operator(), name)
		if err != nil {
			return err
		}
		said, err := do(ctx, in, p)
		if err != nil {
			return err
		}
		return a.print(map[string]string{"id": p.ID}, func(w io.Writer) { fmt.Fprint(w, said) })
	})
}

// staffEntry is one of the log as it is printed.
type staffEntry struct {
	Seq   int64  `json:"seq"`
	At    string `json:"at"`
	Who   string `json:"who"`
	What  string `json:"what"`
	About string `json:"about,omitzero"`
	Case  string `json:"case,omitzero"`
	Note  string `json:"note,omitzero"`
}

func (a *app) cmdStaffLog() *cobra.Command {
	return &cobra.Command{Use: "log", Short: "Show what was done with people and their keys", Args: cobra.NoArgs, Example: "  shirase staff log",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStaff(c, func(ctx context.Context, in *instance) error {
				entries, err := in.staff.Log(ctx, actor.Operator(), 0, 1000)
				if err != nil {
					return err
				}
				rows := []staffEntry{}
				for _, e := range entries {
					rows = append(rows, staffEntry{e.Seq, e.At.UTC().Format(time.RFC3339), e.Who, e.What, e.About, e.Case, e.Note})
				}
				return a.print(map[string]any{"entries": rows}, func(w io.Writer) {
					for _, e := range rows {
						fmt.Fprintf(w, "%s  %s: %s %s %s %s\n", e.At, e.Who, e.What, e.About, e.Case, e.Note)
					}
				})
			})
		}}
}

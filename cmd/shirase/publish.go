package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/roster"
	"shirase/internal/web"
)

// published is what `shirase publish` prints.
type published struct {
	Incident    string     `json:"incident"`
	State       string     `json:"state"`
	Revision    string     `json:"revision,omitzero"`
	Entries     int64      `json:"entries"`
	Accounts    int64      `json:"accounts"`
	Invalid     int64      `json:"invalid"`      // rows of the export that could not be read
	NoEmail     int64      `json:"withoutEmail"` // affected accounts without an address
	Layer       string     `json:"layer,omitzero"`
	Statement   check.Hash `json:"statement"`
	Seq         int64      `json:"seq"`
	LedgerIndex int64      `json:"ledgerIndex"`
	Notice      string     `json:"notice"`
	Changed     bool       `json:"changed"`

	Contradictions []contradiction `json:"contradictions"`
}

func (a *app) cmdPublish() *cobra.Command {
	return &cobra.Command{
		Use:   "publish ID",
		Short: "Seal, prove and publish an incident",
		Long: `Seals the incident's roster into the index, folds the layers, asks the draft with
the real client, and then publishes statement, notice and ledger entries at once.
Killed, it goes on where it was when it is started again. An incident whose scope
is under investigation is published as that, without a roster.`,
		Example: "  shirase publish naver-2013",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			against, err := a.warn(c.Context(), in, args[0])
			if err != nil {
				return err
			}
			p, err := a.publish(c.Context(), in, args[0])
			if err != nil {
				return err
			}
			p.Contradictions = against
			return a.print(p, func(w io.Writer) {
				if !p.Changed {
					fmt.Fprintf(w, "%s is published as it is: statement %s.\n", p.Incident, web.Digits(p.Seq))
					return
				}
				rows := [][2]string{{"incident", p.Incident}, {"state", p.State}}
				if p.Revision != "" {
					rows = append(rows, [2]string{"accounts in scope", web.Digits(p.Accounts)},
						[2]string{"entries in the index", web.Digits(p.Entries) + ", revision " + p.Revision})
				}
				if p.Invalid > 0 {
					rows = append(rows, [2]string{"not found by a check", web.Digits(p.Invalid) + " rows could not be read"})
				}
				if p.NoEmail > 0 {
					rows = append(rows, [2]string{"not found by address", web.Digits(p.NoEmail) + " affected accounts have none"})
				}
				rows = append(rows, [2]string{"statement", web.Digits(p.Seq)}, [2]string{"notice", p.Notice},
					[2]string{"ledger entry", strconv.FormatInt(p.LedgerIndex, 10)})
				table(w, rows)
				fmt.Fprintf(w, "\nNext: shirase serve\n")
			})
		},
	}
}

// publish seals an incident's roster where its scope is final, and publishes it
// with its notice.
func (a *app) publish(ctx context.Context, in *instance, id string) (*published, error) {
	return a.publishAsOf(ctx, in, id, time.Time{})
}

// publishAsOf publishes what was known of an incident at a time: a past case
// is published as it went, notice by notice. The zero time is now.
func (a *app) publishAsOf(ctx context.Context, in *instance, id string, asOf time.Time) (*published, error) {
	if err := ownIncident(ctx, in, id); err != nil {
		return nil, err
	}
	inc, err := in.incidents.GetAsOf(ctx, id, asOf)
	if err != nil {
		return nil, err
	}
	if inc.ID != id {
		return nil, &hinted{fmt.Errorf("publish %s: it was merged into %s", id, inc.ID), "publish that one: shirase publish " + inc.ID}
	}
	subject := index.Subject{ID: id, Organisation: inc.Organisation(web.EN), State: check.State(inc.State()), AsOf: inc.AsOf(),
		Title: map[string]string{"ja": inc.Title(web.JA), "en": inc.Title(web.EN)}, PhoneRegion: in.Region}
	if subject.Organisation == "" {
		subject.Organisation = id
	}
	p := &published{Incident: id, State: inc.State()}
	var sealed *index.Sealed
	var from roster.Roster
	if subject.State == check.Final {
		r, err := in.rosters.Latest(ctx, id)
		if errors.Is(err, roster.ErrNone) {
			return nil, &hinted{fmt.Errorf("publish %s: %w", id, errNoRoster),
				"shirase scope --export ACCOUNTS --rules RULES --incident " + id + " --commit; or record the fact scope.state: investigating"}
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(r.Index, identity.KindPhone) && r.PhoneRegion != "" && r.PhoneRegion != in.Region {
			return nil, &hinted{fmt.Errorf("publish %s: the rules read phone numbers as of %s, and this instance as of %s", id, r.PhoneRegion, in.Region),
				"a person who types a number would be told no: set phoneRegion in the rules to " + in.Region + ", and scope again"}
		}
		from = r
		tell, end := a.progress("sealing")
		sealed, err = in.index.Seal(ctx, id, indexed(ctx, in.rosters, r), tell)
		end()
		if err != nil {
			return nil, err
		}
		subject.Sets = r.Sets
		p.Revision, p.Entries, p.Accounts, p.Layer = sealed.Revision, sealed.Layer.N, r.Counts.Affected, sealed.Layer.Root.String()
		p.Invalid, p.NoEmail = r.Counts.Invalid, r.Counts.WithoutEmail
	}
	var notice incident.Notice
	var fresh bool
	record := func(tx *sql.Tx) error {
		if from.ID != "" { // another scope may have been made while this one was sealed
			if now, err := in.rosters.Latest(ctx, id); err != nil || now.ID != from.ID {
				return errors.Join(err, &hinted{index.ErrOlder, "run publish again: it takes the newest scope"})
			}
		}
		var err error
		if notice, fresh, err = a.notice(ctx, in, inc, p.Accounts); err != nil || !fresh {
			return err
		}
		at, _, err := in.ledger.Append(ctx, tx, check.KindNotice, notice.Data)
		if err != nil {
			return err
		}
		return in.incidents.RecordNotice(ctx, tx, notice, at)
	}
	pub, err := in.index.Publish(ctx, subject, sealed, record)
	if err != nil {
		return nil, err
	}
	if !pub.Changed { // the same index, perhaps other facts
		if err := in.db.Update(ctx, record); err != nil {
			return nil, fmt.Errorf("publish the notice of %s: %w", id, err)
		}
		if err := in.ledger.Sync(ctx); err != nil {
			return nil, err
		}
	}
	p.Statement, p.Seq, p.LedgerIndex, p.Notice = pub.Hash, pub.Statement.Seq, pub.LedgerIndex, notice.ID
	p.Changed = pub.Changed || fresh
	return p, nil
}

// indexed gives the members of a roster whose kind is indexed.
func indexed(ctx context.Context, rosters *roster.Rosters, r roster.Roster) index.Roster {
	out := index.Roster{ID: r.ID}
	for _, kind := range r.Index {
		out.N += r.Counts.Identities[kind]
	}
	out.Members = func(yield func(index.Member, error) bool) {
		for m, err := range rosters.Members(ctx, r) {
			if err == nil && !slices.Contains(r.Index, m.Identity.Kind) {
				continue
			}
			if !yield(index.Member{Identity: m.Identity, Set: m.Set}, err) {
				return
			}
		}
	}
	return out
}

// notice renders an incident's notice, and says whether it differs from the
// one published last, which it gives otherwise.
func (a *app) notice(ctx context.Context, in *instance, inc incident.Incident, accounts int64) (incident.Notice, bool, error) {
	figures := a.figures(in, accounts)
	before, err := in.incidents.Notices(ctx, inc.ID)
	if err != nil {
		return incident.Notice{}, false, err
	}
	if len(before) > 0 {
		last := before[len(before)-1]
		changed, err := in.incidents.Unpublished(ctx, inc.ID)
		if err != nil {
			return incident.Notice{}, false, err
		}
		if len(changed) == 0 {
			figures.Time = last.Time
			again, err := in.incidents.PrepareNotice(ctx, inc, figures)
			if err != nil {
				return incident.Notice{}, false, err
			}
			// A text that a person wrote, and an addendum, stand until a fact changes.
			if last.Format > 1 || again.Text == last.Text {
				return last, false, nil
			}
			figures.Time = time.Time{}
		}
	}
	n, err := in.incidents.PrepareNotice(ctx, inc, figures)
	return n, true, err
}

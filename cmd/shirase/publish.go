package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"shirase/check"
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
	Layer       string     `json:"layer,omitzero"`
	Statement   check.Hash `json:"statement"`
	Seq         int64      `json:"seq"`
	LedgerIndex int64      `json:"ledgerIndex"`
	Notice      string     `json:"notice"`
	Changed     bool       `json:"changed"`
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
			p, err := a.publish(c.Context(), in, args[0])
			if err != nil {
				return err
			}
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
	inc, err := in.incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	subject := index.Subject{ID: id, Organisation: inc.Organisation(web.EN), State: check.State(inc.State()), AsOf: inc.AsOf(),
		Title: map[string]string{"ja": inc.Title(web.JA), "en": inc.Title(web.EN)}, PhoneRegion: in.Region}
	if subject.Organisation == "" {
		subject.Organisation = id
	}
	p := &published{Incident: id, State: inc.State()}
	var sealed *index.Sealed
	if subject.State == check.Final {
		r, err := in.rosters.Latest(ctx, id)
		if errors.Is(err, roster.ErrNone) {
			return nil, &hinted{fmt.Errorf("publish %s: %w", id, errNoRoster),
				"shirase scope --export ACCOUNTS --rules RULES --incident " + id + " --commit; or record the fact scope.state: investigating"}
		}
		if err != nil {
			return nil, err
		}
		tell, end := a.progress("sealing")
		sealed, err = in.index.Seal(ctx, id, indexed(ctx, in.rosters, r), tell)
		end()
		if err != nil {
			return nil, err
		}
		subject.Sets = r.Sets
		p.Revision, p.Entries, p.Accounts, p.Layer = sealed.Revision, sealed.Layer.N, r.Counts.Affected, sealed.Layer.Root.String()
	}
	notice, fresh, err := a.notice(ctx, in, inc, p.Accounts)
	if err != nil {
		return nil, err
	}
	record := func(tx *sql.Tx) error {
		if !fresh {
			return nil
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
	if !pub.Changed && fresh { // other facts, the same index
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
// one published last.
func (a *app) notice(ctx context.Context, in *instance, inc incident.Incident, accounts int64) (incident.Notice, bool, error) {
	n, err := in.incidents.PrepareNotice(ctx, inc, incident.Figures{Accounts: accounts, URL: in.URL, Demonstration: in.Demo != nil})
	if err != nil {
		return n, false, err
	}
	before, err := in.incidents.Notices(ctx, inc.ID)
	if err != nil {
		return n, false, err
	}
	if len(before) == 0 {
		return n, true, nil
	}
	last := before[len(before)-1]
	oldFacts, err1 := json.Marshal(last.Facts, json.Deterministic(true))
	newFacts, err2 := json.Marshal(n.Facts, json.Deterministic(true))
	if err := errors.Join(err1, err2); err != nil {
		return n, false, fmt.Errorf("compare the notices of %s: %w", inc.ID, err)
	}
	if bytes.Equal(oldFacts, newFacts) {
		return last, false, nil
	}
	return n, true, nil
}

package publish

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/ledger"
	"shirase/internal/roster"
)

// Request is what is to be published.
type Request struct {
	Incident string
	AsOf     time.Time      // leave out what is known only as of later; zero: leave out nothing
	Notice   *compose.Draft // only a notice of this kind; nil: statement and notice, as the facts give them
	Despite  string         // why a difference between facts, roster and rules is published
	Time     time.Time      // that a notice bears; zero: now
	Progress index.Progress // of sealing; may be nil
}

// Proposal is exactly what would be published, and what speaks against it. Nothing of it is public, and it may be given up.
type Proposal struct {
	Incident    string
	State       string           // of the scope
	Notice      *incident.Notice // its Data is what would be signed; nil: nothing new is said
	Statement   *index.Draft     // nil: only a notice
	Sealed      *index.Sealed    // nil: nothing is sealed
	Roster      roster.Roster    // that it is sealed from
	Differences []Difference     // between facts, roster and rules: published only with Despite
	Despite     string
	Missing     []language.Text // what a reader would look for in the notice and does not find, one sentence each
	Uncompared  []language.Text // what the facts say and nothing can be compared with, one sentence each

	last *incident.Notice // where nothing new is said: what was said last
}

// ID names the proposal by what it would publish: the hex SHA-256 over the notice's bytes and the incident's part of the
// statement, which an approval is of. Number and time of the statement are not in it, since others may be published before.
func (p *Proposal) ID() string {
	h := sha256.New()
	h.Write([]byte("shirase/v1 proposal\x00" + p.Incident + "\x00"))
	if p.Notice != nil {
		sum := sha256.Sum256(p.Notice.Data)
		h.Write(sum[:])
	}
	h.Write([]byte{0})
	if p.Statement != nil {
		// What cannot be written as JSON was refused when the statement was drafted.
		part, _ := json.Marshal(p.Statement.Statement.Incident(p.Incident), json.Deterministic(true))
		h.Write(part)
	}
	if p.Sealed != nil {
		h.Write(p.Sealed.Layer.Root[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Changed reports whether anything would be published.
func (p *Proposal) Changed() bool {
	return p.Notice != nil || p.Statement != nil && p.Statement.Changed
}

// maxDespite bounds the reason for publishing a difference, in characters.
const maxDespite = 1000

// Propose works out what a request would publish: it seals the roster, drafts the statement and asks it with the real
// client, renders the notice, and compares facts, roster and rules. It publishes nothing; what it has sealed is kept, and
// is taken up again.
//
// Errors: ErrImported, ErrNoRoster; incident.ErrNotFound, and those of composing a notice and sealing.
func (p *Publisher) Propose(ctx context.Context, who actor.Actor, r Request) (*Proposal, error) {
	if err := who.Check("propose a publication"); err != nil {
		return nil, err
	}
	if err := p.own(ctx, r.Incident); err != nil {
		return nil, err
	}
	r.Despite = strings.TrimSpace(r.Despite)
	if r.Time.IsZero() {
		r.Time = p.now()
	}
	if utf8.RuneCountInString(r.Despite) > maxDespite || !utf8.ValidString(r.Despite) {
		return nil, fmt.Errorf("publish %s: a reason has at most %d characters", r.Incident, maxDespite)
	}
	inc, err := p.Incidents.GetAsOf(ctx, r.Incident, r.AsOf)
	if err != nil {
		return nil, err
	}
	prop := &Proposal{Incident: inc.ID, Despite: r.Despite}
	if prop.State, err = p.State(ctx, inc); err != nil {
		return nil, err
	}
	if r.Notice != nil {
		d := *r.Notice
		d.Time = r.Time
		err = p.proposeNotice(ctx, prop, d)
	} else {
		err = p.proposeWhole(ctx, prop, inc, r)
	}
	if err != nil {
		return nil, err
	}
	if err := p.read(ctx, prop, inc, r); err != nil {
		return nil, err
	}
	if len(prop.Differences) == 0 {
		prop.Despite = "" // it was asked for, and nothing differs
	}
	if prop.Notice != nil && p.instance.URL == "" {
		prop.Missing = append(prop.Missing, language.Both("お知らせに、ヘルプページと確認ページへのリンクがありません。このサーバーのアドレス（url）が設定されていないためです。",
			"The notice has no link to its help page, and to where people can check themselves: this instance does not know its address."))
	}
	return prop, nil
}

// proposeNotice composes a notice of the kind that is asked for.
//
// It speaks of the scope that is published, and not of one that was made since: notice, page and check say the same.
func (p *Publisher) proposeNotice(ctx context.Context, prop *Proposal, d compose.Draft) error {
	st, _, _, err := p.Index.Statement(ctx)
	if err != nil && !errors.Is(err, index.ErrNone) {
		return err
	}
	if st == nil || st.Incident(prop.Incident) == nil {
		return hint.Add(fmt.Errorf("publish %s: %w: the first notice is published with its statement", prop.Incident, incident.ErrNotice), "publish the first one: shirase publish "+prop.Incident)
	}
	prop.State = string(st.Incident(prop.Incident).State)
	scope, sealed, err := p.Scope(ctx, st, prop.Incident)
	if err != nil {
		return err
	}
	at := d.Time
	d.Figures = p.figures(prop.State, scope.Counts.Affected)
	d.Time = at
	n, err := compose.Notice(ctx, p.Incidents, prop.Incident, d)
	if err != nil {
		return err
	}
	prop.Notice = &n
	said := slices.IndexFunc(n.Facts, func(f incident.Fact) bool { return f.Key == "scope.state" && !f.Retracted })
	if said >= 0 && n.Facts[said].Value.Word != prop.State {
		return hint.Add(fmt.Errorf("publish %s: %w: it would say that the scope is %s, and the published statement says %s", prop.Incident, incident.ErrNotice, n.Facts[said].Value.Word, prop.State),
			"publish the statement with it: shirase publish "+prop.Incident)
	}
	if sealed {
		notices, err := p.Incidents.Notices(ctx, prop.Incident)
		if err != nil {
			return err
		}
		told := incident.Incident{ID: prop.Incident, Facts: incident.Published(append(notices, n))}
		prop.Differences, prop.Uncompared = compare(told, scope)
	}
	return nil
}

// proposeWhole seals, drafts the statement, and writes the notice as the facts give it.
func (p *Publisher) proposeWhole(ctx context.Context, prop *Proposal, inc incident.Incident, r Request) error {
	subject := index.Subject{ID: inc.ID, Organisation: inc.Organisation(language.EN), State: check.State(prop.State), AsOf: inc.AsOf(),
		Title: map[string]string{"ja": inc.Title(language.JA), "en": inc.Title(language.EN)}}
	if subject.Organisation == "" {
		subject.Organisation = inc.ID
	}
	before, _, _, err := p.Index.Statement(ctx)
	if err != nil && !errors.Is(err, index.ErrNone) {
		return err
	}
	accounts := int64(0)
	switch subject.State {
	case check.Final:
		if err := p.seal(ctx, prop, &subject, r.Progress); err != nil {
			return err
		}
		prop.Differences, prop.Uncompared = compare(inc, prop.Roster)
		accounts = prop.Roster.Counts.Affected
	case check.Investigating:
		if prop.Differences, err = p.unused(ctx, inc.ID); err != nil {
			return err
		}
	case check.Reopened: // what was sealed stays, and is told of
		scope, _, err := p.Scope(ctx, before, inc.ID)
		if err != nil {
			return err
		}
		accounts = scope.Counts.Affected
		if prop.Differences, err = p.overtaken(ctx, inc, scope); err != nil {
			return err
		}
	}
	frame, err := p.frame(ctx)
	if err != nil {
		return err
	}
	if prop.Statement, err = p.Index.Draft(ctx, p.Keys, frame, subject, prop.Sealed); err != nil {
		return err
	}
	figures := p.figures(prop.State, accounts)
	figures.Time = r.Time
	scope, err := p.scopeChanged(ctx, before, inc.ID, prop.State, accounts)
	if err != nil {
		return err
	}
	n, fresh, err := p.nextNotice(ctx, inc, figures, scope)
	if err != nil {
		return err
	}
	if prop.last = &n; fresh {
		prop.Notice = &n
	}
	return nil
}

// overtaken tells of a scope that was made since the published one was sealed, and is not published because the incident is
// recorded as reopened.
func (p *Publisher) overtaken(ctx context.Context, inc incident.Incident, sealed roster.Roster) ([]Difference, error) {
	r, err := p.Rosters.Latest(ctx, inc.ID)
	if errors.Is(err, roster.ErrNone) || err == nil && (r.ID == sealed.ID || !r.Shredded.IsZero()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	since := ""
	if f, ok := inc.Fact("scope.state"); ok {
		since = ", as of " + f.AsOf.String()
	}
	return []Difference{{Code: "scope-not-published", JA: fmt.Sprintf("最も新しい対象範囲（名簿 %s、%sアカウント）は公表されません。事案が「再調査中」と記録されているためです。"+
		"確定したら、scope.state を final と、より新しい時点で記録してください。", r.ID, language.Digits(r.Counts.Affected)), What: fmt.Sprintf("The newest scope (roster %s, %s accounts) would not be published: the incident is recorded as reopened%s. "+
		"Where it is settled, record scope.state: final with a later asOf.", r.ID, language.Digits(r.Counts.Affected), since)}}, nil
}

// seal seals an incident's roster under the evaluator's key.
func (p *Publisher) seal(ctx context.Context, prop *Proposal, subject *index.Subject, tell index.Progress) error {
	r, err := p.Rosters.Latest(ctx, prop.Incident)
	if errors.Is(err, roster.ErrNone) {
		return hint.Add(fmt.Errorf("publish %s: %w, and its scope is recorded as final", prop.Incident, ErrNoRoster),
			"shirase scope --export ACCOUNTS --rules RULES --incident "+prop.Incident+" --commit; or record the fact scope.state: investigating")
	}
	if err != nil {
		return err
	}
	if slices.Contains(r.Index, identity.KindPhone) && r.PhoneRegion != "" && r.PhoneRegion != p.instance.PhoneRegion {
		return hint.Add(fmt.Errorf("publish %s: the rules read phone numbers as of %s, and this instance as of %s", prop.Incident, r.PhoneRegion, p.instance.PhoneRegion),
			"a person who types a number would be told no: set phoneRegion in the rules to "+p.instance.PhoneRegion+", and scope again")
	}
	prop.Roster, subject.Sets, subject.Unreadable = r, r.Sets, unreadable(r)
	prop.Sealed, err = p.Index.Seal(ctx, p.Keys, prop.Incident, indexed(ctx, p.Rosters, r), tell)
	return err
}

// indexed returns the members of a roster whose kind is indexed.
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

// figures are what a notice says beside the facts.
func (p *Publisher) figures(state string, accounts int64) compose.Figures {
	return compose.Figures{Accounts: accounts, URL: p.instance.URL, Demonstration: p.instance.Demonstration, Exercise: p.instance.Exercise, State: state}
}

// scopeChanged reports whether a notice would say something else of an incident's scope than the published statement's: its state, or how
// many accounts. What is only sealed anew, because a layer was lost or a key ends, is the same scope, and no reason for a new text.
func (p *Publisher) scopeChanged(ctx context.Context, before *check.Statement, id, state string, accounts int64) (bool, error) {
	if before == nil || before.Incident(id) == nil {
		return true, nil
	}
	was := before.Incident(id).State
	if string(was) != state || !was.Sealed() {
		return string(was) != state, nil
	}
	scope, _, err := p.Scope(ctx, before, id)
	return scope.Counts.Affected != accounts, err
}

// nextNotice renders an incident's notice, and says whether it differs from the one published last, which it gives
// otherwise. Where the scope has changed, the whole text that stands is what it has to differ from: an addendum since then
// says nothing of the new one.
func (p *Publisher) nextNotice(ctx context.Context, inc incident.Incident, figures compose.Figures, scope bool) (incident.Notice, bool, error) {
	before, err := p.Incidents.Notices(ctx, inc.ID)
	if err != nil {
		return incident.Notice{}, false, err
	}
	if len(before) > 0 {
		last := before[len(before)-1]
		if scope {
			for _, n := range before {
				if n.Whole() {
					last = n
				}
			}
		}
		changed, err := p.Incidents.Unpublished(ctx, inc.ID, time.Time{})
		if err != nil {
			return incident.Notice{}, false, err
		}
		told := incident.Published(before)
		changed = slices.DeleteFunc(changed, func(f incident.Fact) bool { // what the whole text before left out, another does not tell either
			return f.Retracted && !slices.ContainsFunc(told, func(g incident.Fact) bool { return g.Key == f.Key && g.Item == f.Item })
		})
		if len(changed) == 0 {
			now := figures.Time
			figures.Time = last.Time
			again, err := compose.Whole(ctx, p.Incidents, inc, figures)
			if err != nil {
				return incident.Notice{}, false, err
			}
			// A text that a person wrote, and an addendum, stand until a fact or the scope changes.
			if last.Format > 1 && !scope || again.Text == last.Text {
				return before[len(before)-1], false, nil
			}
			figures.Time = now
		}
	}
	n, err := compose.Whole(ctx, p.Incidents, inc, figures)
	return n, true, err
}

// DraftNotice returns the Markdown that a notice would be composed from, with references to facts, for editing, and the facts
// that it would make public.
func (p *Publisher) DraftNotice(ctx context.Context, id string, d compose.Draft) (language.Text, []incident.Fact, error) {
	inc, err := p.Incidents.Get(ctx, id)
	if err != nil {
		return language.Text{}, nil, err
	}
	state, err := p.State(ctx, inc)
	if err != nil {
		return language.Text{}, nil, err
	}
	d.Figures = p.figures(state, 0)
	return compose.Text(ctx, p.Incidents, id, d)
}

// Upcoming composes the notice that `publish` would publish of an incident now, for a private preview. Nothing is sealed.
func (p *Publisher) Upcoming(ctx context.Context, id string) (incident.Notice, bool, error) {
	inc, err := p.Incidents.Get(ctx, id)
	if err != nil || inc.ID != id {
		return incident.Notice{}, false, err
	}
	if _, imported, err := p.Incidents.Provenance(ctx, id); err != nil || imported {
		return incident.Notice{}, false, err
	}
	state, err := p.State(ctx, inc)
	if err != nil {
		return incident.Notice{}, false, err
	}
	r, err := p.Rosters.Latest(ctx, id)
	if err != nil && !errors.Is(err, roster.ErrNone) {
		return incident.Notice{}, false, err
	}
	st, _, _, err := p.Index.Statement(ctx)
	if err != nil && !errors.Is(err, index.ErrNone) {
		return incident.Notice{}, false, err
	}
	scope, err := p.scopeChanged(ctx, st, id, state, r.Counts.Affected)
	if err != nil {
		return incident.Notice{}, false, err
	}
	return p.nextNotice(ctx, inc, p.figures(state, r.Counts.Affected), scope)
}

// Doubts says what would stop an incident from being published now, and what nobody can compare, for a private preview.
// Nothing is sealed.
func (p *Publisher) Doubts(ctx context.Context, id string) ([]language.Text, error) {
	inc, err := p.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	state, err := p.State(ctx, inc)
	if err != nil || state != incident.StateFinal && state != incident.StateInvestigating {
		return nil, err
	}
	if state == incident.StateInvestigating {
		differences, err := p.unused(ctx, id)
		if err != nil || len(differences) == 0 {
			return nil, err
		}
		return []language.Text{differences[0].text()}, nil
	}
	r, err := p.Rosters.Latest(ctx, id)
	if errors.Is(err, roster.ErrNone) {
		return []language.Text{{JA: "範囲は確定と記録されていますが、名簿がありません。", EN: ErrNoRoster.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	differences, uncompared := compare(inc, r)
	out := slices.Clone(uncompared)
	for _, d := range differences {
		out = append(out, d.text())
	}
	return out, nil
}

// English gives the sentences of texts in English, as commands print them.
func English(texts []language.Text) []string {
	var out []string
	for _, t := range texts {
		out = append(out, t.EN)
	}
	return out
}

// Publication is what was published.
type Publication struct {
	Statement   *check.Statement // the newest; nil where nothing was ever published
	Hash        check.Hash       // of its bytes
	LedgerIndex int64            // its entry
	Notice      *incident.Notice // the newest, with its entry
	Changed     bool             // false: everything was published as it is already
	Waiting     error            // nil: it is public; else ErrUnwitnessed, by whom: it is recorded, and becomes public once a quorum has cosigned
}

// Publish publishes a proposal: its bytes become true in one transaction, and public with the checkpoint that is served
// then. Errors: ErrDifferent, where facts, roster and rules differ and no reason was given; ErrStale.
func (p *Publisher) Publish(ctx context.Context, who actor.Actor, prop *Proposal) (*Publication, error) {
	if err := p.alone(ctx, who, "publish"); err != nil {
		return nil, err
	}
	return p.publish(ctx, who, prop, nil)
}

// publish is Publish for who has an approval: settle, where it is not nil, ends it in the same transaction.
func (p *Publisher) publish(ctx context.Context, who actor.Actor, prop *Proposal, settle func(tx *sql.Tx) error) (*Publication, error) {
	if len(prop.Differences) > 0 && prop.Despite == "" {
		return nil, differs(prop)
	}
	var err error
	pub := &Publication{Notice: prop.Notice, Changed: prop.Changed()}
	if prop.Statement != nil {
		pub.Statement, pub.Hash, pub.LedgerIndex = prop.Statement.Statement, check.StatementHash(prop.Statement.Raw), prop.Statement.LedgerIndex()
	}
	if !pub.Changed {
		if settle != nil {
			if err := p.DB.Update(ctx, settle); err != nil {
				return nil, err
			}
		}
		pub.Notice = prop.last
		pub.Waiting, err = p.serve(ctx)
		return pub, err
	}
	if err := p.ledger.Clock(ctx); err != nil {
		return nil, fmt.Errorf("publish %s: %w", prop.Incident, err)
	}
	err = p.ledger.Update(ctx, func(tx *sql.Tx) error {
		if err := p.commit(ctx, tx, who, prop, pub); err != nil || settle == nil {
			return err
		}
		return settle(tx)
	})
	if errors.Is(err, index.ErrStale) {
		err = fmt.Errorf("%w: %w", ErrStale, err)
	}
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", prop.Incident, err)
	}
	// What is recorded becomes public, and is not told to be interrupted.
	if pub.Waiting, err = p.serve(context.WithoutCancel(ctx)); err != nil {
		return pub, err
	}
	if prop.Statement == nil || !prop.Statement.Changed {
		return pub, nil
	}
	if err := p.Index.Sweep(ctx); err != nil {
		p.Errors.Warn("what was published is recorded, and layers of drafts are left", "error", err) // the next publication tries again
	}
	return pub, nil
}

// serve makes public what is committed, or says who has to cosign it first.
func (p *Publisher) serve(ctx context.Context) (waiting, err error) {
	if err = p.ledger.Sync(ctx); errors.Is(err, ledger.ErrUnwitnessed) {
		return err, nil
	}
	return nil, err
}

func (p *Publisher) commit(ctx context.Context, tx *sql.Tx, who actor.Actor, prop *Proposal, pub *Publication) error {
	if prop.Roster.ID != "" { // another scope may have been made while this one was sealed
		now, err := p.Rosters.Latest(ctx, prop.Incident)
		if err == nil && now.ID != prop.Roster.ID {
			err = fmt.Errorf("%w: a newer scope was made", ErrStale)
		}
		if err != nil {
			return err
		}
	}
	if prop.Statement != nil && prop.Statement.Changed {
		var err error
		if pub.LedgerIndex, err = p.append(ctx, tx, who, check.KindStatement, prop.Statement.Raw, prop); err != nil {
			return err
		}
		if err := p.Index.Record(ctx, tx, prop.Statement, pub.LedgerIndex); err != nil {
			return err
		}
	}
	if prop.Notice == nil {
		pub.Notice = prop.last
		return nil
	}
	n := *prop.Notice
	next, err := p.Incidents.NextVersion(ctx, tx, prop.Incident)
	if err == nil && next != n.Version {
		err = fmt.Errorf("%w: version %d of its notice was published", ErrStale, next-1)
	}
	if err != nil {
		return err
	}
	if n.LedgerIndex, err = p.append(ctx, tx, who, check.KindNotice, n.Data, prop); err != nil {
		return err
	}
	pub.Notice = &n
	return p.Incidents.RecordNotice(ctx, tx, n, n.LedgerIndex)
}

// publishTries is how often something is proposed anew because somebody else was first.
const publishTries = 10

// Run proposes and publishes at once, as whoever needs no second person's approval does. A race that is lost to another
// publication is run again.
func (p *Publisher) Run(ctx context.Context, who actor.Actor, r Request) (*Proposal, *Publication, error) {
	if err := p.alone(ctx, who, "publish"); err != nil {
		return nil, nil, err
	}
	for try := 1; ; try++ {
		prop, err := p.Propose(ctx, who, r)
		if err != nil {
			return nil, nil, err
		}
		pub, err := p.publish(ctx, who, prop, nil)
		if err == nil || !errors.Is(err, ErrStale) || try == publishTries {
			return prop, pub, err
		}
	}
}

package reach

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"shirase/identity"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Channel is how a campaign tells people.
type Channel string

// The channels. What is not mail is done by a house, which gets a sealed file and gives results back.
const (
	Mail Channel = "mail"
	Post Channel = "post" // letters
	SMS  Channel = "sms"  // short messages

	// Login is no campaign's: the notice that was shown at somebody's login, of which they said that they have read it.
	Login Channel = "login"
)

// Channels lists them.
var Channels = []Channel{Mail, Post, SMS, Login}

var channelWords = map[Channel]language.Text{Mail: language.Both("メール", "mail"), Post: language.Both("郵便", "post"), SMS: language.Both("SMS", "short message"), Login: language.Both("ログイン時の表示", "the notice at their login")}

// Words names a channel.
func (c Channel) Words() language.Text { return channelWords[c] }

// Taken says what it is that a channel has told somebody, as far as anybody knows.
func (c Channel) Taken() language.Text {
	if c == Login {
		return language.Both("本人が「読みました」と答えた", "shown, and they said that they have read it")
	}
	return language.Both("相手のサーバー、郵便、通信網が受け取った", "taken by the receiving server, the post or the network")
}

// Way is the channel of a campaign.
func (c *Spec) Way() Channel {
	if c.Channel == "" {
		return Mail
	}
	return c.Channel
}

// kinds are whose places in a roster a campaign counts.
func (c *Spec) kinds() []identity.Kind {
	if len(c.Kinds) == 0 {
		return []identity.Kind{identity.KindEmail}
	}
	return c.Kinds
}

// checkChannel refuses what only mail has.
func (c *Spec) checkChannel() error {
	switch c.Way() {
	case Mail:
		return nil
	case Post, SMS:
	default:
		return hint.Add(fmt.Errorf("%w: there is no channel %.40q", ErrInput, string(c.Channel)), "mail, post or sms")
	}
	for what, set := range map[string]bool{"link": c.Link != "", "needs": len(c.Needs) > 0, "replyTo": c.ReplyTo != "", "from": c.From.Address != ""} {
		if set {
			return fmt.Errorf("%w: %s is of mail, and the channel is %s", ErrInput, what, c.Channel)
		}
	}
	return nil
}

// people are the accounts of a roster, as hashes that mean nothing outside this process: who is who among addresses and numbers.
type people struct {
	seed    maphash.Seed
	of      map[identity.Kind]map[uint64]struct{} // accounts that somebody of a kind has
	reached map[uint64]struct{}                   // accounts of whom an earlier campaign has reached, or may reach, an address or number
	count   map[identity.Kind]int64
	known   bool // the roster has accounts
}

func newPeople() *people {
	return &people{seed: maphash.MakeSeed(), of: map[identity.Kind]map[uint64]struct{}{}, reached: map[uint64]struct{}{}, count: map[identity.Kind]int64{}}
}

func (p *people) hash(account string) uint64 { return maphash.String(p.seed, account) }

// all reports that each account of a member is in one of some sets.
func (p *people) all(m roster.Member, sets ...map[uint64]struct{}) bool {
	if len(m.Accounts) == 0 {
		return false
	}
	for _, a := range m.Accounts {
		h := p.hash(a)
		if !slices.ContainsFunc(sets, func(s map[uint64]struct{}) bool { _, in := s[h]; return in }) {
			return false
		}
	}
	return true
}

// meet reads a roster for who is who in it, and whom an earlier campaign has reached; nil: none is followed.
func (r *Reach) meet(ctx context.Context, ro roster.Roster, earlier *Campaign) (*people, error) {
	p := newPeople()
	was := walker{}
	if earlier != nil {
		was = walker{r: r, c: earlier}
	}
	for m, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return nil, err
		}
		k := m.Identity.Kind
		p.count[k]++
		p.known = p.known || len(m.Accounts) > 0
		if p.of[k] == nil {
			p.of[k] = map[uint64]struct{}{}
		}
		for _, a := range m.Accounts {
			p.of[k][p.hash(a)] = struct{}{}
		}
		x, is, err := was.next(ctx, r.DB, k)
		if err != nil {
			return nil, err
		}
		if is && x.state != outside && !x.state.unreached() {
			for _, a := range m.Accounts {
				p.reached[p.hash(a)] = struct{}{}
			}
		}
	}
	return p, nil
}

// walker gives how members of a roster stand in a campaign over it, one after the other.
type walker struct {
	r  *Reach
	c  *Campaign // nil: in none
	at int64
	b  *block
}

// next is how the next member stands, who is of a kind; false where the campaign does not count such.
func (w *walker) next(ctx context.Context, q store.Querier, k identity.Kind) (record, bool, error) {
	if w.c == nil || !slices.Contains(w.c.kinds(), k) {
		return record{}, false, nil
	}
	n, i := w.at/blockSize, int(w.at%blockSize)
	if w.b == nil || w.b.n != n {
		b, err := loadBlock(ctx, q, w.c.ID, n)
		if err != nil {
			return record{}, false, fmt.Errorf("campaign %s: block %d: %w", w.c.ID, n, err)
		}
		w.b = b
	}
	if w.at++; i >= w.b.size() {
		return record{}, false, fmt.Errorf("%w: block %d", ErrDamaged, n)
	}
	return w.b.get(i), true, nil
}

// choice says of each member in turn whether a campaign is for them, as far as channels go: whom the earlier one did not reach, and
// of each person one place.
type choice struct {
	spec    *Spec
	earlier *Campaign
	was     walker
	p       *people
	order   []identity.Kind // of places: a person has the first that they have
}

// choose sets which kinds a campaign counts, and gives who is in it. Errors: ErrInput where the roster does not tell.
func (r *Reach) choose(ctx context.Context, spec *Spec, ro roster.Roster) (*choice, error) {
	ch := &choice{spec: spec}
	var err error
	if spec.Unreached != "" {
		if ch.earlier, err = r.followed(ctx, spec, ro); err != nil {
			return nil, err
		}
		ch.was = walker{r: r, c: ch.earlier}
	}
	if spec.Way() == Mail && (ch.earlier == nil || slices.Equal(ch.earlier.kinds(), spec.kinds())) {
		ch.order = spec.kinds()
		return ch, nil
	}
	if ch.p, err = r.meet(ctx, ro, ch.earlier); err != nil {
		return nil, err
	}
	switch spec.Way() {
	case Mail:
		ch.order = []identity.Kind{identity.KindEmail}
	case SMS:
		ch.order = []identity.Kind{identity.KindPhone}
	default:
		ch.order = []identity.Kind{identity.KindEmail, identity.KindPhone, identity.KindAccount}
		if ch.earlier != nil { // those whom it was for are found by their places in it
			first := ch.earlier.kinds()
			ch.order = append(slices.Clone(first), slices.DeleteFunc(ch.order, func(k identity.Kind) bool { return slices.Contains(first, k) })...)
		}
		ch.order = slices.DeleteFunc(ch.order, func(k identity.Kind) bool { return ch.p.count[k] == 0 })
		if !ch.p.known && len(ch.order) > 1 { // nothing says who is who: one place a person is all that is sure
			ch.order = ch.order[:1]
		}
	}
	if ch.earlier != nil && !ch.p.known && !slices.Contains(ch.earlier.kinds(), ch.first()) {
		return nil, hint.Add(fmt.Errorf("%w: the roster has no accounts, so that nothing says whose number goes with whose address", ErrInput), "name the account column in the rules of the scope (columns: {account: …}), and make the roster again")
	}
	spec.Kinds = slices.Clone(ch.order)
	slices.Sort(spec.Kinds)
	return ch, nil
}

func (ch *choice) first() identity.Kind {
	if len(ch.order) == 0 {
		return ""
	}
	return ch.order[0]
}

// takes says whether the campaign is for a member, who is of a kind that it counts.
func (ch *choice) takes(ctx context.Context, q store.Querier, m roster.Member) (bool, error) {
	x, placed, err := ch.was.next(ctx, q, m.Identity.Kind)
	if err != nil {
		return false, err
	}
	if placed { // by their place in the earlier one
		return x.state.unreached(), nil
	}
	if ch.p == nil {
		return true, nil
	}
	var before []map[uint64]struct{}
	for _, k := range ch.order {
		if k == m.Identity.Kind {
			break
		}
		before = append(before, ch.p.of[k])
	}
	if len(before) > 0 && ch.p.all(m, before...) { // each has a place before this one
		return false, nil
	}
	return ch.earlier == nil || !ch.p.all(m, ch.p.reached), nil
}

package reach

import (
	"context"
	"fmt"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/roster"
)

// Summary is what all campaigns of an incident have come to, of each person once: by whatever told them best. All of it adds up to Total.
type Summary struct {
	Incident  string
	Campaigns []string // that were counted: those that have begun, over the roster that the incident has now
	Other     []string // over other rosters, which nobody can put beside this one
	Accounts  bool     // people are accounts; else the roster has none, and addresses and numbers are counted
	Affected  int64    // accounts, as the roster counts them
	Total     int64    // people whom the roster names by an address, a number or an account
	Unlisted  int64    // affected accounts that it does not name

	Told        map[Channel]ByChannel
	Underway    int64            // to be told yet, or tried again
	Uncertain   int64            // nobody knows
	Substituted int64            // something else was done
	Unreached   int64            // and nothing else was done yet
	Nothing     int64            // in no campaign, or in one that was cancelled before it came to them
	Reasons     map[string]int64 // of those for whom something else was done, or is to be
	Measures    []Measure
	At          time.Time
}

// ByChannel is whom a channel has told.
type ByChannel struct {
	Accepted    int64 // the receiving server, the post or the network has taken it; of Login, they said that they have read it
	Handed      int64 // the relay or the house has it, and nothing more is known
	First, Last time.Time
}

// All is whom it has told in any way.
func (b ByChannel) All() int64 { return b.Accepted + b.Handed }

// AllTold is how many were told by a channel.
func (s *Summary) AllTold() (n int64) {
	for _, b := range s.Told {
		n += b.All()
	}
	return n
}

// First is when the first of them was told; zero: nobody was.
func (s *Summary) First() (t time.Time) {
	for _, b := range s.Told {
		if t.IsZero() || !b.First.IsZero() && b.First.Before(t) {
			t = b.First
		}
	}
	return t
}

// standing is how one person stands, by the best that any campaign has come to with them. The higher the better.
type standing uint32

const (
	nothingYet standing = iota << 24
	notReached
	instead
	notSure
	onItsWay
	wasHanded
	wasShown // at their login, and they said that they have read it
	wasAccepted
	rankMask standing = 0xff << 24
)

func standingOf(c *Campaign, channel int, x record) standing {
	over := c.State == Cancelled || c.State == Done
	switch x.state {
	case Accepted:
		return wasAccepted | standing(channel)<<16
	case HandedOver:
		return wasHanded | standing(channel)<<16
	case Pending, Intended, Deferred:
		if over {
			return nothingYet
		}
		return onItsWay
	case Unknown:
		return notSure
	case Refused, Bounced:
		return notReached | standing(x.reason)
	case Substitute:
		if x.relay == 0 {
			return notReached | standing(x.reason)
		}
		return instead | standing(x.reason)
	}
	return nothingYet
}

// roll is how everybody on a roster stands.
type roll struct {
	p        *people
	units    map[uint64]standing
	accounts bool
	spans    [8]ByChannel
}

// hashes are those of the people behind a member.
func (t *roll) hashes(m roster.Member, do func(uint64)) {
	if len(m.Accounts) == 0 {
		do(t.p.hash(string(m.Identity.Kind) + "\x00" + m.Identity.Value))
	}
	for _, a := range m.Accounts {
		do(t.p.hash(a))
	}
}

// told reports that each person behind a member was told by something, or is about to be.
func (t *roll) told(m roster.Member) bool {
	all := true
	t.hashes(m, func(h uint64) { all = all && t.units[h]&rankMask >= notSure })
	return all
}

// counted gives the campaigns over the roster that an incident has now which have begun, and the others that have.
func (r *Reach) counted(ctx context.Context, who actor.Actor, of string, ro roster.Roster) (here []*Campaign, other []string, err error) {
	all, err := r.List(ctx, who, of)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range all {
		switch {
		case c.Started.IsZero():
		case c.Roster == ro.ID:
			here = append(here, c)
		default:
			other = append(other, c.ID)
		}
	}
	return here, other, nil
}

// callRoll reads a roster once beside all campaigns over it.
func (r *Reach) callRoll(ctx context.Context, ro roster.Roster, campaigns []*Campaign) (*roll, error) {
	t := &roll{p: newPeople(), units: map[uint64]standing{}}
	shown, err := r.elsewhere(ctx, ro.Incident)
	if err != nil {
		return nil, err
	}
	walkers := make([]walker, len(campaigns))
	for i, c := range campaigns {
		walkers[i] = walker{r: r, c: c}
	}
	for m, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return nil, err
		}
		best := nothingYet
		for i := range walkers {
			x, placed, err := walkers[i].next(ctx, r.DB, m.Identity.Kind)
			if err != nil {
				return nil, err
			}
			if !placed || x.state == outside {
				continue
			}
			channel := channelCode(campaigns[i].Way())
			s := standingOf(campaigns[i], channel, x)
			if s&rankMask > best&rankMask {
				best = s
			}
			if s&rankMask >= wasHanded {
				t.spans[channel].add(time.Unix(int64(x.at), 0).UTC())
			}
		}
		if shown != nil {
			if at, ok := shown(m); ok {
				if best&rankMask < wasShown {
					best = wasShown | standing(channelCode(Login))<<16
				}
				t.spans[channelCode(Login)].add(at)
			}
		}
		t.accounts = t.accounts || len(m.Accounts) > 0
		t.hashes(m, func(h uint64) {
			if was, known := t.units[h]; !known || best&rankMask > was&rankMask {
				t.units[h] = best
			}
		})
	}
	return t, nil
}

func channelCode(c Channel) int {
	for i, x := range Channels {
		if x == c {
			return i
		}
	}
	return 0
}

func (b *ByChannel) add(at time.Time) {
	if b.First.IsZero() || at.Before(b.First) {
		b.First = at
	}
	if at.After(b.Last) {
		b.Last = at
	}
}

// Summarize counts what all campaigns of an incident have come to. It reads the roster once, which takes seconds where there are millions.
// Errors: roster.ErrNone; those of rosters.
func (r *Reach) Summarize(ctx context.Context, who actor.Actor, of string) (*Summary, error) {
	const what = "what campaigns have come to"
	if err := who.May(actor.See, of); err != nil {
		return nil, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	ro, err := r.Rosters.Latest(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	campaigns, other, err := r.counted(ctx, who, of, ro)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(campaigns) == 0 {
		return nil, hint.Add(fmt.Errorf("%s: %w: no campaign over the roster of %s has begun", what, ErrState, of), "shirase campaign status")
	}
	t, err := r.callRoll(ctx, ro, campaigns)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	s := &Summary{Incident: of, Other: other, Accounts: t.accounts, Affected: ro.Counts.Affected, Total: int64(len(t.units)), Told: map[Channel]ByChannel{}, Reasons: map[string]int64{}, At: r.Now().UTC()}
	for _, c := range campaigns {
		s.Campaigns = append(s.Campaigns, c.ID)
	}
	if t.accounts {
		s.Unlisted = max(s.Affected-s.Total, 0)
	}
	for _, x := range t.units {
		switch x & rankMask {
		case wasAccepted, wasShown, wasHanded:
			code := int(x>>16) & 0xff
			b := s.Told[Channels[code]]
			b.First, b.Last = t.spans[code].First, t.spans[code].Last
			if x&rankMask == wasHanded {
				b.Handed++
			} else {
				b.Accepted++
			}
			s.Told[Channels[code]] = b
		case onItsWay:
			s.Underway++
		case notSure:
			s.Uncertain++
		case instead:
			s.Substituted++
			s.Reasons[reasons[x&0xff]]++
		case notReached:
			s.Unreached++
			s.Reasons[reasons[x&0xff]]++
		default:
			s.Nothing++
		}
	}
	if s.Measures, err = r.Measures(ctx, who, of); err != nil {
		return nil, err
	}
	return s, nil
}

package response

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
)

// partyKinds are what a party may be to a case.
var partyKinds = []string{"client", "processor", "joint", "insurer", "police", "regulator", "other"}

// maxParties bounds the parties of a case.
const maxParties = 2000

func (k *Case) takeParty(b Body, r Recorded) error {
	if b.Party != nil {
		if i := k.partyAt(b.Party.ID); i >= 0 {
			k.Parties[i].Party, k.Parties[i].Recorded, k.Parties[i].claimed = *b.Party, r, k.Parties[i].claimed || b.Party.claims()
		} else {
			k.Parties = append(k.Parties, Concerned{Party: *b.Party, Recorded: r, claimed: b.Party.claims()})
		}
		return nil
	}
	id := ""
	if b.Informed != nil {
		id = b.Informed.Party
	} else {
		id = b.Portion.Party
	}
	i := k.partyAt(id)
	if i < 0 {
		return fmt.Errorf("%w: there is no party %s", ErrChain, id)
	}
	if b.Informed != nil {
		k.Parties[i].Told = append(k.Parties[i].Told, InformedAt{*b.Informed, r})
	} else {
		k.Parties[i].Portions = append(k.Parties[i].Portions, PortionAt{*b.Portion, r})
	}
	return nil
}

func (k *Case) partyAt(id string) int {
	return slices.IndexFunc(k.Parties, func(p Concerned) bool { return p.ID == id })
}

// Party gives a party of the case as it stands. ErrNotFound.
func (k *Case) Party(id string) (Concerned, error) {
	i := k.partyAt(id)
	if i < 0 {
		return Concerned{}, missing("party %q", id)
	}
	return k.Parties[i], nil
}

// claims reports whether a party has a claim to be told.
func (p Party) claims() bool {
	return !p.Left && slices.Contains([]string{"client", "joint", "processor"}, p.Kind)
}

// Excused reports whether a party had a claim to be told, was told nothing, and has that claim no more: it was found to be something else, or that
// the case does not concern it.
func (p Concerned) Excused() bool { return p.claimed && !p.claims() && len(p.Told) == 0 }

// Untold reports whether a party of the case that has a claim to be told was told nothing yet: clients of a processor had to
// publish for themselves, and could not before they knew.
func (p Concerned) Untold() bool {
	return p.claims() && len(p.Told) == 0
}

// PutParty records a party, or, where the case has one of that id, how it stands now. version is the one that was read of it, 0
// for none. Where a contract's regime is named, its clocks start with it. Errors: ErrEntry, law.ErrUnknown, *StaleError.
func (c *Cases) PutParty(ctx context.Context, who actor.Actor, id string, version int64, p Party) (*Case, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, err
	}
	if err := c.partyOK(p); err != nil {
		return nil, err
	}
	return c.add(ctx, who, actor.Command, id, func(k *Case) ([]Body, error) {
		if k.Closed {
			return nil, ErrClosed
		}
		if i := k.partyAt(p.ID); i >= 0 {
			if err := k.fresh("party "+p.ID, version, k.Parties[i].Recorded); err != nil {
				return nil, err
			}
		} else if len(k.Parties) >= maxParties {
			return nil, fmt.Errorf("%w: a case has at most %d parties", ErrEntry, maxParties)
		}
		out := []Body{{Party: &p}}
		if p.Regime != "" && !slices.ContainsFunc(k.Regimes, func(r Regime) bool { return r.ID == p.Regime }) {
			out = append(out, Body{Regime: &Regime{ID: p.Regime}})
		}
		return out, nil
	})
}

func (c *Cases) partyOK(p Party) error {
	if err := textsOK(map[string]string{"a name": p.Name}, map[string]string{"a contact": p.Contact, "a note": p.Note}); err != nil {
		return err
	}
	switch {
	case !incident.ValidID(p.ID):
		return fmt.Errorf("%w: a party's id is 1 to 64 of a-z, 0-9 and -", ErrEntry)
	case !slices.Contains(partyKinds, p.Kind):
		return fmt.Errorf("%w: a party is one of %s", ErrEntry, strings.Join(partyKinds, ", "))
	}
	if p.Key != "" {
		if _, err := age.ParseX25519Recipient(p.Key); err != nil {
			return hint.Add(fmt.Errorf("%w: the key is no age recipient", ErrEntry), "they make one with age-keygen, and send what begins with age1")
		}
	}
	if p.Regime != "" {
		if _, err := c.regime(p.Regime); err != nil {
			return err
		}
	}
	return nil
}

// Inform records what a party was told, and when. Errors: ErrEntry, ErrNotFound.
func (c *Cases) Inform(ctx context.Context, who actor.Actor, id string, t Informed) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(k *Case) (Body, error) {
		if k.partyAt(t.Party) < 0 {
			return Body{}, missing("party %q", t.Party)
		}
		if err := textsOK(map[string]string{"what they were told": t.What}, map[string]string{"a way": t.By}); err != nil {
			return Body{}, err
		}
		return Body{Informed: &t}, momentOK(t.At)
	})
}

// Portioned records that a party's part of the scope was made, or handed over: counts, and never who. Errors: ErrNotFound.
func (c *Cases) Portioned(ctx context.Context, who actor.Actor, id string, p Portion) (*Case, error) {
	return c.record(ctx, who, actor.Write, id, func(k *Case) (Body, error) {
		if k.partyAt(p.Party) < 0 {
			return Body{}, missing("party %q", p.Party)
		}
		return Body{Portion: &p}, nil
	})
}

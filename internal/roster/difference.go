package roster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
)

// Moved counts how the identities of a kind differ between two scopes. It counts, and names nobody.
type Moved struct {
	In      int64 `json:"in"`      // came in
	Out     int64 `json:"out"`     // went out
	Stayed  int64 `json:"stayed"`  // are in both, and lost the same
	Changed int64 `json:"changed"` // are in both, and lost something else
}

// A Difference is that of two scopes, by kind.
type Difference map[identity.Kind]Moved

// Difference compares two rosters of one incident. Errors: those of Members; ErrDamaged.
func (r *Rosters) Difference(ctx context.Context, who actor.Actor, before, after Roster) (Difference, error) {
	if err := who.May(actor.See, before.Incident); err != nil {
		return nil, fmt.Errorf("compare rosters: %w", err)
	}
	if before.Incident != after.Incident {
		return nil, fmt.Errorf("compare rosters: they are of %s and of %s", before.Incident, after.Incident)
	}
	c := r.comparer(ctx, before)
	defer c.stop()
	for m, err := range r.Members(ctx, after) {
		if err == nil {
			err = c.next(m.Identity, setName(after.Sets[m.Set]))
		}
		if err != nil {
			return nil, err
		}
	}
	return c.end()
}

// DryRun is [Scope] for an incident: it gives how the outcome would differ from the incident's current roster, too, where there is
// one that can be read; nil where not. Errors: those of Scope and Members.
func (r *Rosters) DryRun(ctx context.Context, who actor.Actor, incident string, o Options) (Counts, Difference, error) {
	if err := who.May(actor.Write, incident); err != nil {
		return Counts{}, nil, fmt.Errorf("scope: %w", err)
	}
	current, err := r.Latest(ctx, incident)
	if errors.Is(err, ErrNone) || err == nil && !current.Shredded.IsZero() {
		counts, err := Scope(ctx, o)
		return counts, nil, err
	}
	if err != nil {
		return Counts{}, nil, err
	}
	c := r.comparer(ctx, current)
	defer c.stop()
	result, err := run(ctx, o, func(m *member) error {
		id := identity.Identity{Kind: kinds[m.rank], Value: string(m.value)}
		return c.next(id, setName(setsOf([]uint64{m.mask}, o.Rules.classes)[0]))
	})
	if err != nil {
		return Counts{}, nil, fmt.Errorf("scope: %w", err)
	}
	d, err := c.end()
	return result.counts, d, err
}

func setName(classes []string) string { return strings.Join(classes, "\x00") }

// A comparer walks a roster beside members that come in the same order.
type comparer struct {
	pull   func() (Member, error, bool)
	stop   func()
	sets   [][]string
	member Member
	have   bool
	found  Difference
	err    error
}

func (r *Rosters) comparer(ctx context.Context, before Roster) *comparer {
	c := &comparer{sets: before.Sets, found: Difference{}}
	c.pull, c.stop = iter.Pull2(r.Members(ctx, before))
	c.advance()
	return c
}

func (c *comparer) advance() {
	var err error
	if c.member, err, c.have = c.pull(); err != nil {
		c.err, c.have = err, false
	}
}

func (c *comparer) add(kind identity.Kind, change func(*Moved)) {
	m := c.found[kind]
	change(&m)
	c.found[kind] = m
}

// next takes the next member of the later scope.
func (c *comparer) next(id identity.Identity, set string) error {
	for c.have && order(c.member.Identity, id) < 0 {
		c.add(c.member.Identity.Kind, func(m *Moved) { m.Out++ })
		c.advance()
	}
	switch {
	case c.err != nil:
		return c.err
	case !c.have || order(c.member.Identity, id) > 0:
		c.add(id.Kind, func(m *Moved) { m.In++ })
		return nil
	case setName(c.sets[c.member.Set]) == set:
		c.add(id.Kind, func(m *Moved) { m.Stayed++ })
	default:
		c.add(id.Kind, func(m *Moved) { m.Changed++ })
	}
	c.advance()
	return c.err
}

// end counts what is left of the earlier scope.
func (c *comparer) end() (Difference, error) {
	for c.have {
		c.add(c.member.Identity.Kind, func(m *Moved) { m.Out++ })
		c.advance()
	}
	return c.found, c.err
}

// order is that of Identity.Input.
func order(a, b identity.Identity) int {
	if c := int(rankOf(a.Kind)) - int(rankOf(b.Kind)); c != 0 {
		return c
	}
	return strings.Compare(a.Value, b.Value)
}

// Moves sums up all kinds.
func (d Difference) Moves() (all Moved) {
	for _, m := range d {
		all.In, all.Out, all.Stayed, all.Changed = all.In+m.In, all.Out+m.Out, all.Stayed+m.Stayed, all.Changed+m.Changed
	}
	return all
}

// tooMuch refuses an export that has more than is read.
func tooMuch(format string, args ...any) error {
	return hint.Add(exportError("", format, args...), "leave out what is not needed, or raise scope.maxRows")
}

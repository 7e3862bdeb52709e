package reach

import (
	"context"
	"fmt"
	"sync"
	"time"

	"shirase/internal/actor"
)

// summaries are what was summarised last, by incident. Each reads a whole roster: one at a time does so, and whoever comes meanwhile has what it finds.
type summaries struct {
	mu sync.Mutex
	of map[string]*lastSummary
}

type lastSummary struct {
	turn    chan struct{} // who works it out has it
	s       *Summary
	version string
	until   time.Time
}

func (l *summaries) at(of string) *lastSummary {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[string]*lastSummary{}
	}
	if l.of[of] == nil {
		l.of[of] = &lastSummary{turn: make(chan struct{}, 1)}
	}
	return l.of[of]
}

// Summed is Summarize for a page that many may look at: what was worked out last, unless somebody has done something since, or so much time has
// passed that working it out takes at most a tenth of it. Its At says when that was. It is not to be changed.
func (r *Reach) Summed(ctx context.Context, who actor.Actor, of string) (*Summary, error) {
	const what = "what campaigns have come to"
	if err := who.May(actor.See, of); err != nil {
		return nil, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	k := r.summaries.at(of)
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	version, err := r.acts(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	begun := time.Now()
	if k.s != nil && k.version == version && begun.Before(k.until) {
		return k.s, nil
	}
	s, err := r.Summarize(ctx, who, of)
	if err != nil {
		return nil, err
	}
	k.s, k.version, k.until = s, version, time.Now().Add(10*time.Since(begun))
	return s, nil
}

// acts differs when somebody has done something with a campaign of an incident, or instead of one, or there is another roster.
func (r *Reach) acts(ctx context.Context, of string) (string, error) {
	ro, err := r.Rosters.Latest(ctx, of)
	if err != nil {
		return "", err
	}
	var campaigns, events, measures int64
	err = r.DB.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM reach_campaign WHERE incident = $1), (SELECT count(*) FROM reach_event e JOIN reach_campaign c ON c.id = e.campaign WHERE c.incident = $1),
		(SELECT count(*) FROM reach_measure WHERE incident = $1)`, of).Scan(&campaigns, &events, &measures)
	return fmt.Sprintf("%s %d %d %d", ro.ID, campaigns, events, measures), err
}

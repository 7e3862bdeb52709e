package archive

import (
	"context"
	"fmt"
	"sync"
	"time"

	"shirase/internal/incident"
)

// toldCache keeps the shares: they need a pass over the index of facts, and the archive of a busy day changes often.
type toldCache struct {
	mu      sync.Mutex
	version int64
	at      time.Time
	shares  []incident.ToldShare
	of      int
}

// toldAge is how old shares may be where the archive has changed since.
const toldAge = time.Minute

// Told returns of how many incidents of the archive each heading is recorded, and how many incidents there are.
func (p *Peers) Told(ctx context.Context) ([]incident.ToldShare, int, error) {
	now, err := p.current(ctx)
	if err != nil {
		return nil, 0, err
	}
	p.told.mu.Lock()
	defer p.told.mu.Unlock()
	if p.told.shares != nil && (p.told.version == now.version || time.Since(p.told.at) < toldAge) {
		return p.told.shares, p.told.of, nil
	}
	shares, err := p.view.View.Told(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("checklist: %w", err)
	}
	p.told.version, p.told.at, p.told.shares, p.told.of = now.version, time.Now(), shares, len(now.list)
	return shares, len(now.list), nil
}

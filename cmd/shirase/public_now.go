package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"shirase/internal/archive"
	"shirase/internal/index"
)

// For how long it is taken as known what is public: a page may be that much behind what another process published. Where the
// database is away it is asked for less often.
const (
	publicFor = 20 * time.Millisecond
	awayFor   = time.Second
)

// publicNow tells what is public, for those who keep what they made of it.
type publicNow struct {
	archive   *archive.View
	published *index.Host
	evaluator *index.Evaluator                            // nil where another process answers checks
	others    []func(ctx context.Context) (string, error) // what is public of other rooms

	looking sync.Mutex
	last    atomic.Pointer[lookedAt]
}

type lookedAt struct {
	version string
	until   time.Time
}

// version differs when what pages say does, or may. Where the database is away it stays what it was.
func (p *publicNow) version(ctx context.Context) string {
	last := p.last.Load()
	if last != nil && time.Now().Before(last.until) {
		return last.version
	}
	if !p.looking.TryLock() {
		if last != nil { // somebody is looking already, and pages need not wait for it
			return last.version
		}
		p.looking.Lock()
	}
	defer p.looking.Unlock()
	last = p.last.Load()
	if last != nil && time.Now().Before(last.until) {
		return last.version
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookForIt) // for all who wait, not for this request
	defer cancel()
	archived, err := p.archive.Version(ctx)
	if err != nil {
		if last == nil {
			return ""
		}
		p.last.Store(&lookedAt{last.version, time.Now().Add(awayFor)})
		return last.version
	}
	asked := ""
	for _, other := range p.others {
		version, err := other(ctx)
		if err != nil && last != nil {
			p.last.Store(&lookedAt{last.version, time.Now().Add(awayFor)})
			return last.version
		}
		asked += " " + version
	}
	noKey := p.evaluator != nil && p.evaluator.Ready(ctx) != nil
	now := &lookedAt{fmt.Sprintf("%d %s %t%s", archived, p.published.Version(ctx), noKey, asked), time.Now().Add(publicFor)}
	p.last.Store(now)
	return now.version
}

package returned

import (
	"context"
	"sync"

	"shirase/internal/actor"
)

// gathering is what the listener has taken and not written down yet. All that came while the last group was written is written together: where a
// message went is asked for once a group, and that may read a whole roster.
type gathering struct {
	mu      sync.Mutex
	waiting []awaited
	busy    bool
	queued  func() // in tests: one more waits
}

// awaited is a message whose sender waits for it to be on disk.
type awaited struct {
	t    *taken
	done chan error
}

// gather writes a message down with those that come at the same time, and returns when it is on disk.
func (r *Returned) gather(ctx context.Context, who actor.Actor, t *taken) error {
	a := awaited{t, make(chan error, 1)}
	g := &r.gathering
	g.mu.Lock()
	g.waiting = append(g.waiting, a)
	begin := !g.busy
	g.busy = true
	g.mu.Unlock()
	if g.queued != nil {
		g.queued()
	}
	if begin {
		go r.gathered(ctx, who)
	}
	return <-a.done
}

// gathered writes groups until nothing waits.
func (r *Returned) gathered(ctx context.Context, who actor.Actor) {
	g := &r.gathering
	for {
		g.mu.Lock()
		n := min(len(g.waiting), group)
		part := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.busy = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		all := make([]*taken, n)
		for i, a := range part {
			all[i] = a.t
		}
		err := r.write(ctx, who, all, &Summary{States: map[string]int{}})
		for _, a := range part {
			a.done <- err
		}
	}
}

package serve

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// idleFor is for how long nothing was collected before what lies unused is given back.
const idleFor = 30 * time.Second

// GiveBack gives memory back to the operating system when a burst is over. The runtime collects as the heap grows: where it
// has stopped growing, what thousands of readers needed lies there until the runtime looks by itself, two minutes later, and
// then goes back little by little. It is asked for once each time that nothing was collected for a while.
func GiveBack(ctx context.Context) {
	t := time.NewTicker(idleFor)
	defer t.Stop()
	var r rest
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if r.look(heap()) {
			debug.FreeOSMemory()
			r.given, _ = heap()
		}
	}
}

// worthIt is how much has to lie unused, in bytes, for a collection of the whole heap to be worth it.
const worthIt = 32 << 20

// rest is how a heap was when it was last looked at: after how many collections, and after how many it was given back.
type rest struct{ before, given uint64 }

// look reports whether a heap is at rest that has something to give back, which it has not been asked for since it last worked.
func (r *rest) look(cycles, unused uint64) bool {
	rests := cycles == r.before && cycles != r.given && unused > worthIt
	r.before = cycles
	return rests
}

// heap is that of this process. What was made since the last collection counts as unused: it may be.
func heap() (cycles, unused uint64) {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	unused = s[1].Value.Uint64()
	if objects, live := s[2].Value.Uint64(), s[3].Value.Uint64(); objects > live {
		unused += objects - live
	}
	return s[0].Value.Uint64(), unused
}

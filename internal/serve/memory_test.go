package serve

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
)

// TestMemoryIsGivenBack: what a burst has left is given back at the second look at which nothing was collected, once for each
// time, not while the heap is at work, and not where little lies unused.
func TestMemoryIsGivenBack(t *testing.T) {
	const much, little = 2 * worthIt, worthIt / 2
	type seen struct{ cycles, unused uint64 }
	for _, tt := range []struct {
		name string
		seen []seen
		at   []int
	}{
		{"a burst, and then nothing", []seen{{1, much}, {1, much}, {2, much}, {2, much}}, []int{1}},
		{"the heap is at work", []seen{{1, much}, {2, much}, {3, much}}, nil},
		{"little lies unused", []seen{{1, little}, {1, little}, {1, little}}, nil},
		{"two bursts", []seen{{1, much}, {1, much}, {2, little}, {4, much}, {4, much}, {5, little}}, []int{1, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r rest
			var at []int
			for i, s := range tt.seen {
				if r.look(s.cycles, s.unused) {
					at = append(at, i)
					r.given = s.cycles + 1 // giving back collects
				}
			}
			if !slices.Equal(at, tt.at) {
				t.Errorf("given back at looks %v, not %v", at, tt.at)
			}
		})
	}
}

// TestHeap: a collection is counted, and what was made since the last one may lie unused.
func TestHeap(t *testing.T) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before, _ := heap()
	made := make([]byte, 2*worthIt)
	made[len(made)-1] = 1
	cycles, unused := heap()
	runtime.KeepAlive(made)
	runtime.GC()
	after, _ := heap()
	if cycles != before || after <= before {
		t.Errorf("%d collections, then %d, then %d", before, cycles, after)
	}
	if unused < 2*worthIt {
		t.Errorf("%d bytes may lie unused, and %d were made since the last collection", unused, len(made))
	}
}

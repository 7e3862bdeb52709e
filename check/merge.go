package check

import (
	"bytes"
	"container/heap"
	"iter"
	"sort"
)

// MergeEntries merges ascending sequences of entries into one. Each entry is
// valid until the next.
func MergeEntries(seqs []iter.Seq2[[]byte, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var m merge
		defer func() {
			for _, c := range m {
				c.stop()
			}
		}()
		for _, s := range seqs {
			c := new(cursor)
			c.next, c.stop = iter.Pull2(s)
			ok, err := c.advance()
			if err != nil {
				c.stop()
				yield(nil, err)
				return
			}
			if ok {
				m = append(m, c)
			}
		}
		heap.Init(&m)
		for len(m) > 0 {
			c := m[0]
			if !yield(c.entry[:], nil) {
				return
			}
			ok, err := c.advance()
			switch {
			case err != nil:
				yield(nil, err)
				return
			case ok:
				heap.Fix(&m, 0)
			default:
				heap.Pop(&m)
			}
		}
	}
}

// cursor stands at one entry of one sequence.
type cursor struct {
	entry Entry
	next  func() ([]byte, error, bool)
	stop  func()
}

func (c *cursor) advance() (bool, error) {
	e, err, ok := c.next()
	if err != nil {
		return false, err
	}
	if ok {
		copy(c.entry[:], e)
	}
	return ok, nil
}

// merge is a heap of cursors by their entries.
type merge []*cursor

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return bytes.Compare(m[i].entry[:], m[j].entry[:]) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*cursor)) }
func (m *merge) Pop() any {
	old := *m
	c := old[len(old)-1]
	*m = old[:len(old)-1]
	c.stop()
	return c
}

// sortEntries sorts entries of 13 bytes in place.
func sortEntries(b []byte) {
	sort.Sort(entrySlice(b))
}

type entrySlice []byte

func (s entrySlice) Len() int { return len(s) / EntrySize }
func (s entrySlice) Less(i, j int) bool {
	return bytes.Compare(s[i*EntrySize:(i+1)*EntrySize], s[j*EntrySize:(j+1)*EntrySize]) < 0
}
func (s entrySlice) Swap(i, j int) {
	a, b := (*Entry)(s[i*EntrySize:]), (*Entry)(s[j*EntrySize:])
	*a, *b = *b, *a
}

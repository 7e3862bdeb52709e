package check

import (
	"bytes"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestSmallKeyShowsNothing has an index under a large key and a small one: of the small one everything is fetched, by whoever
// is in it and by whoever is not, so that what is asked of it is the same for all; the large one shows all that may be shown.
func TestSmallKeyShowsNothing(t *testing.T) {
	const n = 40_000
	w := &world{t: t, keys: map[string]*EvaluatorKey{}, layers: map[Hash][]byte{}, now: worldTime.Add(time.Hour)}
	w.ledgerKey("ledger")
	st := &Statement{V: 2, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(LifeAlone)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash(w.vkey), VKeyHash(vkeyOf("ledger 2")), ""}}
	sizes := map[string]int64{"large": n, "small": 9_000} // the small one has several buckets, and its layer is below 512 KiB
	for i, id := range []string{"large", "small"} {
		w.evaluator(st, id, KeyLive)
		y, err := w.keys[id].Output(email(t, worldAffected).Input())
		if err != nil {
			t.Fatal(err)
		}
		mine := SealEntry(&y, 16, "in-"+id, "1", 0)
		entries := append(randomEntries(int(sizes[id])-1, 16, uint64(i)), mine[:]...)
		sortEntries(entries)
		info := w.write(func(b *bytes.Buffer) (LayerInfo, error) { return WriteLayer(b, sizes[id], 16, true, each(entries)) })
		st.Layers = append(st.Layers, w.fold(id, Source{"in-" + id, "1", sizes[id], info.Root}))
		st.Incidents = append(st.Incidents, Incident{ID: "in-" + id, Organisation: "Example", Title: map[string]string{"en": id}, Revision: "1", State: Final,
			AsOf: At(worldTime), Counts: map[string]int64{"email": sizes[id]}, Sets: [][]string{{"email"}}, Unreadable: map[string]int64{}, Superseded: []Superseded{}})
	}
	small := st.Layers[1]
	if small.Bits < 2 || groupSize(small.Bits, 0, small.Pad) > wholeKey || groupSize(st.Layers[0].Bits, 0, st.Layers[0].Pad) <= wholeKey {
		t.Fatalf("%d buckets of %d bytes are no small key beside a large one", 1<<small.Bits, small.Pad)
	}
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	w.publish(st)
	group := regexp.MustCompile(`^/check/v1/layers/` + small.ID.String() + `/(.*)$`)
	for who, result := range map[string]Result{worldAffected: Affected, worldStranger: NotInScope} {
		var mu sync.Mutex
		var asked []string
		l := &ledger{world: w, pins: filepath.Join(t.TempDir(), "ledgers.json")}
		c := l.client(lie{before: func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if m := group.FindStringSubmatch(r.URL.Path); m != nil {
				asked = append(asked, m[1])
			}
			return false
		}})
		c.Policy = w.policy()
		a, err := c.Check(t.Context(), email(t, who))
		if err != nil || a.Verdict.Result != result {
			t.Fatalf("%s: %+v, %v", who, a, err)
		}
		if !slices.Equal(asked, []string{"groups/0/0"}) {
			t.Errorf("%s: %q are asked of the small key", who, asked)
		}
	}
}

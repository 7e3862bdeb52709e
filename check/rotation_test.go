package check

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"shirase/identity"
)

// TestRotationBits counts what a check shows of each output before, while and after a key is rotated, in layers that are
// large enough that no key is fetched whole: bench/rotation measures the same of millions.
func TestRotationBits(t *testing.T) {
	const n, bits = 40_000, 5
	w := &world{t: t, keys: map[string]*EvaluatorKey{}, layers: map[Hash][]byte{}, now: worldTime.Add(time.Hour)}
	w.ledgerKey("ledger")
	st := &Statement{V: 2, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(LifeAlone)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash(w.vkey), VKeyHash(vkeyOf("ledger 2")), ""}}
	for i, id := range []string{"k1", "k2", "k3"} {
		w.evaluator(st, id, KeyLive)
		y, err := w.keys[id].Output(email(t, worldAffected).Input())
		if err != nil {
			t.Fatal(err)
		}
		mine := SealEntry(&y, 16, "in", strconv.Itoa(i+1), 0)
		entries := append(randomEntries(n-1, 16, uint64(i)), mine[:]...)
		sortEntries(entries)
		info := w.write(func(b *bytes.Buffer) (LayerInfo, error) { return WriteLayer(b, n, 16, true, each(entries)) })
		st.Layers = append(st.Layers, w.fold(id, Source{"in", strconv.Itoa(i + 1), n, info.Root}))
	}
	layers, keys := st.Layers, st.Keys
	under := map[string]string{} // root -> key
	for _, l := range layers {
		under[l.ID.String()] = l.Key
	}
	counts, sets := map[string]int64{"email": n}, [][]string{{"email"}}
	group := regexp.MustCompile(`^/check/v1/layers/([0-9a-f]{64})/(?:groups/(\d+)/|buckets/)`)
	for _, c := range []struct {
		name     string
		from, to int // keys
		ended    int // keys before that have ended
		want     map[string]int
	}{
		{"one key", 0, 1, 0, map[string]int{"k1": bits}},
		{"two keys", 0, 2, 0, map[string]int{"k1": bits / 2, "k2": bits / 2}},
		{"the next one alone", 1, 2, 1, map[string]int{"k2": bits}},
		{"and again two", 1, 3, 1, map[string]int{"k2": bits / 2, "k3": bits / 2}},
	} {
		now := clone(t, st)
		now.Keys, now.Layers = slices.Clone(keys[:c.to]), slices.Clone(layers[c.from:c.to])
		in := Incident{ID: "in", Organisation: "Example", Title: map[string]string{"en": "in"}, Revision: strconv.Itoa(c.to), State: Final, AsOf: At(worldTime),
			Counts: counts, Sets: sets, Unreadable: map[string]int64{}, Superseded: []Superseded{}}
		for i := range c.ended {
			now.Keys[i].State = KeyEnded
			now.Keys[i].Held = []Held{{"in", strconv.Itoa(i + 1), layers[i].ID, counts, sets}}
		}
		for i := c.from; i < c.to-1; i++ {
			in.Superseded = append(in.Superseded, Superseded{strconv.Itoa(i + 1), counts, sets})
		}
		now.Incidents = []Incident{in}
		slices.SortFunc(now.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		w.publish(now)
		for _, who := range []identity.Identity{email(t, worldAffected), email(t, worldStranger)} {
			left, requests := map[string]int{}, 0
			l := &ledger{world: w, pins: filepath.Join(t.TempDir(), "ledgers.json")}
			client := l.client(lie{before: func(_ http.ResponseWriter, r *http.Request) bool {
				requests++
				if m := group.FindStringSubmatch(r.URL.Path); m != nil {
					p := bits // a bucket is named by all of them
					if m[2] != "" {
						p, _ = strconv.Atoi(m[2])
					}
					left[under[m[1]]] = max(left[under[m[1]]], p)
				}
				return false
			}})
			client.Policy = w.policy()
			if _, err := client.Check(t.Context(), who); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if fmt.Sprint(left) != fmt.Sprint(c.want) || requests != 1+2*len(c.want) {
				t.Errorf("%s: %v leave in %d requests, want %v", c.name, left, requests, c.want)
			}
		}
	}

	// The sizes of the issue, by what a statement says of them.
	for n, want := range map[int64][2]int{2_000_000: {10, 5}, 20_000_000: {14, 7}} {
		for keys := range 2 {
			st := &Statement{}
			for i := range keys + 1 {
				st.Layers = append(st.Layers, Layer{ID: Hash{byte(i)}, Key: strconv.Itoa(i), N: n, Bits: BucketBits(n, MaxLocatorBits), Pad: 16 << 10})
			}
			depths, err := st.Depths(CapBits)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range depths {
				if p != want[keys] {
					t.Errorf("%d entries under each of %d keys: %d bits of each leave, want %d", n, keys+1, p, want[keys])
				}
			}
		}
	}
}

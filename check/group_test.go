package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// groupVector is the response to a group of a layer of layer.json, or a change
// of it: a bit of a byte flipped, the end cut, zeros appended, or two of the
// padded buckets exchanged.
type groupVector struct {
	Name   string `json:"name"`
	Layer  string `json:"layer"`
	P      int    `json:"p"`
	Number string `json:"number"`
	SHA256 string `json:"sha256,omitempty"` // of the response
	Length int    `json:"length,omitempty"`
	Op     string `json:"op,omitempty"` // flip, cut, append, swap
	At     int    `json:"at,omitempty"` // byte, or how many
	Error  string `json:"error,omitempty"`
}

type budgetVector struct {
	Name   string        `json:"name"`
	Limit  int           `json:"limit"`
	Layers []budgetLayer `json:"layers"`
	Depths []int         `json:"depths"`
	Error  string        `json:"error,omitempty"`
}

type budgetLayer struct {
	Key  string `json:"key"`
	N    int64  `json:"n"`
	Bits int    `json:"bits"`
	Pad  int    `json:"pad"`
}

func TestGroupVectors(t *testing.T) {
	entries := randomEntries(4200, 24, 5) // "four buckets" of layer.json
	file, info := writeLayer(t, entries, 24)
	l, err := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, 24)
	if err != nil {
		t.Fatal(err)
	}
	var vs []groupVector
	for p := range info.Bits + 1 {
		for number := range int64(1) << p {
			v := groupVector{Name: fmt.Sprintf("%d bits, number %d", p, number), Layer: "four buckets", P: p, Number: BucketName(number, p)}
			body, err := l.AppendGroup(nil, p, number, info.Pad)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(body)
			v.SHA256, v.Length = hex.EncodeToString(sum[:]), len(body)
			g, err := ParseGroup(body, number, p, info.Root, info.Bits, info.Pad)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parseSaved(g.Bytes(), number, p, info.Root, info.Bits, info.Pad); err != nil {
				t.Errorf("%s: saved: %v", v.Name, err)
			}
			vs = append(vs, v)
		}
	}
	second := info.Pad // where the second bucket begins
	for _, v := range []groupVector{
		{Name: "first entry of the second bucket", Op: "flip", At: second + 4},
		{Name: "count of the second bucket", Op: "flip", At: second + 3},
		{Name: "padding of the first bucket", Op: "flip", At: second - 1},
		{Name: "a byte short", Op: "cut", At: 1},
		{Name: "a bucket short", Op: "cut", At: info.Pad},
		{Name: "a byte long", Op: "append", At: 1},
		{Name: "a bucket long", Op: "append", At: info.Pad},
		{Name: "buckets exchanged", Op: "swap"},
	} {
		v.Layer, v.P, v.Number, v.Error = "four buckets", 1, "1", "bucket"
		body, _ := l.AppendGroup(nil, 1, 1, info.Pad)
		if _, err := ParseGroup(changed(body, v, info.Pad), 1, 1, info.Root, info.Bits, info.Pad); err == nil || Code(err) != v.Error {
			t.Errorf("%s: %v", v.Name, err)
		}
		vs = append(vs, v)
	}
	body, _ := l.AppendGroup(nil, 1, 1, info.Pad)
	if _, err := ParseGroup(body, 0, 1, info.Root, info.Bits, info.Pad); !errors.Is(err, ErrBucket) {
		t.Errorf("another group: %v", err)
	}
	golden(t, "group.json", map[string]any{
		"about": "Groups of buckets of layer.json's layers: the response has this length and hash; those with an error are that response changed, and refused. " +
			"op: flip the lowest bit of the byte at; cut that many bytes off the end; append that many zeros; swap the first two of the padded buckets. " +
			"budgets: how many bits of an output each layer is shown (depths, in the order of layers).",
		"vectors": vs, "budgets": budgets(t)})
}

// changed returns a group's response as a vector changes it.
func changed(body []byte, v groupVector, pad int) []byte {
	switch v.Op {
	case "flip":
		body[v.At] ^= 1
	case "cut":
		body = body[:len(body)-v.At]
	case "append":
		body = append(body, make([]byte, v.At)...)
	case "swap":
		body = slices.Concat(body[pad:2*pad], body[:pad])
	}
	return body
}

func budgets(t *testing.T) []budgetVector {
	t.Helper()
	layer := func(key string, n int64, locatorBits int) budgetLayer {
		bits := BucketBits(n, locatorBits)
		return budgetLayer{key, n, bits, padOf(int(n>>bits)*9/8, bits)}
	}
	vs := []budgetVector{
		{Name: "nothing", Limit: CapBits, Layers: []budgetLayer{}},
		{Name: "one small", Limit: CapBits, Layers: []budgetLayer{layer("k1", 1000, 16)}},
		{Name: "one key of 1.7 million", Limit: CapBits, Layers: []budgetLayer{layer("k1", 1692496, 16)}},
		{Name: "two keys of 2 million", Limit: CapBits, Layers: []budgetLayer{layer("k1", 2000000, 16), layer("k2", 2000000, 16)}},
		{Name: "two keys of 20 million", Limit: CapBits, Layers: []budgetLayer{layer("k1", 20000000, 16), layer("k2", 20000000, 16)}},
		{Name: "a large and a small key", Limit: CapBits, Layers: []budgetLayer{layer("k1", 2000000, 16), layer("k2", 9000, 16)}},
		{Name: "layers of one key", Limit: CapBits, Layers: []budgetLayer{layer("k1", 2000000, 16), layer("k1", 1000, 16), layer("k1", 40000, 16)}},
		{Name: "many small of one key", Limit: CapBits, Layers: slices.Repeat([]budgetLayer{layer("k1", 2000, 16)}, 21)},
		{Name: "ten thousand million", Limit: CapBits, Layers: []budgetLayer{layer("k1", 1e10, 24)}},
		{Name: "ten thousand million, raised", Limit: RaisedBits, Layers: []budgetLayer{layer("k1", 1e10, 24)}},
		{Name: "ten thousand million under two keys", Limit: CapBits, Layers: []budgetLayer{layer("k1", 1e10, 24), layer("k2", 2000000, 24)}},
		{Name: "2^35 claimed under two keys", Limit: CapBits, Layers: []budgetLayer{layer("k1", 1<<35, 24), layer("k2", 1<<35, 24)}},
		{Name: "exactly 512 KiB", Limit: CapBits, Layers: []budgetLayer{{"k1", 50000, 5, 16 << 10}}},
		{Name: "a byte more", Limit: CapBits, Layers: []budgetLayer{{"k1", 50000, 5, 16<<10 + 1}}},
		{Name: "exactly 32 MiB", Limit: CapBits, Layers: []budgetLayer{{"k1", 3000, 1, 8 << 20}, {"k2", 3000, 1, 8 << 20}}},
		{Name: "32 MiB and a byte of each bucket", Limit: CapBits, Layers: []budgetLayer{{"k1", 3000, 1, 8 << 20}, {"k2", 3000, 1, 8<<20 + 1}}},
		{Name: "two keys of 250 million", Limit: CapBits, Layers: []budgetLayer{layer("k1", 250e6, 24), layer("k2", 250e6, 24)}},
		{Name: "two keys of 400 million", Limit: CapBits, Layers: []budgetLayer{layer("k1", 400e6, 24), layer("k2", 400e6, 24)}},
		{Name: "an odd budget", Limit: CapBits, Layers: []budgetLayer{layer("k1", 70000, 16), layer("k2", 70000, 16)}},
	}
	for i := range vs {
		v := &vs[i]
		st := new(Statement)
		for j, l := range v.Layers {
			st.Layers = append(st.Layers, Layer{ID: Hash{byte(j)}, Key: l.Key, N: l.N, Bits: l.Bits, Pad: l.Pad})
		}
		depths, err := st.Depths(v.Limit)
		if err != nil {
			v.Error = Code(err)
			continue
		}
		shown := map[string]int{}
		v.Depths = []int{}
		for _, l := range st.Layers {
			v.Depths = append(v.Depths, depths[l.ID])
			shown[l.Key] = max(shown[l.Key], depths[l.ID])
		}
		sum := 0
		for _, p := range shown {
			sum += p
		}
		if sum > v.Limit {
			t.Errorf("%s: %d bits leave", v.Name, sum)
		}
	}
	for name, want := range map[string]string{"two keys of 2 million": "[5 5]", "one key of 1.7 million": "[10]", "ten thousand million": "[16]",
		"ten thousand million, raised": "[20]", "a large and a small key": "[10 0]", "many small of one key": "[0 0", "two keys of 20 million": "[7 7]"} {
		i := slices.IndexFunc(vs, func(v budgetVector) bool { return v.Name == name })
		if got := fmt.Sprint(vs[i].Depths); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"2^35 claimed under two keys", "ten thousand million under two keys"} {
		if i := slices.IndexFunc(vs, func(v budgetVector) bool { return v.Name == name }); vs[i].Error != "too-coarse" {
			t.Errorf("%s: %+v", name, vs[i])
		}
	}
	return vs
}

func TestGroupName(t *testing.T) {
	for _, c := range []struct {
		p, number string
		bits      int
		ok        bool
	}{{"0", "0", 10, true}, {"5", "1f", 10, true}, {"10", "3ff", 10, true}, {"11", "000", 10, false}, {"5", "20", 10, false}, {"5", "1F", 10, false},
		{"05", "1f", 10, false}, {"+5", "1f", 10, false}, {"", "0", 10, false}, {"5", "01f", 10, false}, {"0", "00", 10, false}, {"0", "1", 10, false}} {
		p, n, err := ParseGroupName(c.p, c.number, c.bits)
		if (err == nil) != c.ok {
			t.Errorf("%q %q: %d %d %v", c.p, c.number, p, n, err)
		}
	}
}

func FuzzParseGroup(f *testing.F) {
	entries := randomEntries(2100, 24, 5)
	file, info := writeLayer(f, entries, 24)
	l, err := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, 24)
	if err != nil {
		f.Fatal(err)
	}
	body, err := l.AppendGroup(nil, 0, 0, info.Pad)
	if err != nil {
		f.Fatal(err)
	}
	g, err := ParseGroup(body, 0, 0, info.Root, info.Bits, info.Pad)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add(g.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func() (*Group, error){
			func() (*Group, error) { return ParseGroup(b, 0, 0, info.Root, info.Bits, info.Pad) },
			func() (*Group, error) { return ParseGroup(b, 0, 0, info.Root, info.Bits, 0) },
			func() (*Group, error) { return parseSaved(b, 0, 0, info.Root, info.Bits, info.Pad) },
		} {
			if got, err := parse(); err == nil && !bytes.Equal(got.Bytes(), g.Bytes()) {
				t.Fatal("other buckets verify under the same root")
			}
		}
	})
}

package services

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors' results anew")

// vectorsFile is read by the page's tests too.
const vectorsFile = "testdata/services.json"

type vectors struct {
	About string `json:"about"`
	V     int    `json:"v"`
	Lists []struct {
		Name  string `json:"name"`
		List  string `json:"list"`
		Items []Item `json:"items,omitempty"` // none: it is refused
		Hash  string `json:"hash,omitempty"`
	} `json:"lists"`
	Changes []struct {
		Name   string `json:"name"`
		From   string `json:"from"`
		To     string `json:"to,omitempty"` // none: it is refused
		Change string `json:"change"`
	} `json:"changes"`
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i, l := range v.Lists {
		items, err := Parse([]byte(l.List))
		if err != nil {
			if len(l.Items) > 0 || l.Hash != "" || !errors.Is(err, ErrList) {
				t.Errorf("%s: %v", l.Name, err)
			}
			continue
		}
		taken++
		if *update {
			v.Lists[i].Items, v.Lists[i].Hash = items, Hash([]byte(l.List))
		} else if a, b := asJSON(t, items), asJSON(t, l.Items); a != b && len(items)+len(l.Items) > 0 || Hash([]byte(l.List)) != l.Hash {
			t.Errorf("%s: read as %s, not %s", l.Name, a, b)
		}
		if again, err := Encode(items); err != nil || string(again) != l.List {
			t.Errorf("%s: written again as %q: %v", l.Name, again, err)
		}
	}
	if taken < 3 || taken > len(v.Lists)-10 {
		t.Errorf("%d of %d lists are taken", taken, len(v.Lists))
	}
	for _, c := range v.Changes {
		to, err := Apply([]byte(c.From), []byte(c.Change))
		if (err != nil) != (c.To == "") || string(to) != c.To || err != nil && !errors.Is(err, ErrList) {
			t.Errorf("%s: %q, %v", c.Name, to, err)
		}
		if c.To == "" {
			continue
		}
		if made, err := Change([]byte(c.From), []byte(c.To)); err != nil || string(made) != c.Change {
			t.Errorf("%s: made as %q: %v", c.Name, made, err)
		}
	}
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzParse: what is taken is the same bytes written again, and nothing that is read breaks what makes changes.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		f.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		f.Fatal(err)
	}
	for _, l := range v.Lists {
		f.Add(l.List, l.List)
	}
	for _, c := range v.Changes {
		f.Add(c.From, c.Change)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		to, err := Apply([]byte(a), []byte(b))
		if err == nil && !strings.HasPrefix(string(to), first) {
			t.Errorf("%q", to)
		}
		x, err := Parse([]byte(a))
		if err != nil {
			return
		}
		if again, err := Encode(x); err != nil || string(again) != a {
			t.Fatalf("%q is written again as %q: %v", a, again, err)
		}
		if _, err := Parse([]byte(b)); err != nil {
			return
		}
		change, err := Change([]byte(a), []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		if to, err := Apply([]byte(a), change); err != nil || string(to) != b {
			t.Fatalf("%q to %q by %q: %q, %v", a, b, change, to, err)
		}
	})
}

package check

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestStatementRoundTrip(t *testing.T) {
	w := newWorld(t)
	raw, err := w.st.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, w.raw) {
		t.Fatal("Canonical and what was published differ")
	}
	st, err := ParseStatement(raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := st.Canonical()
	if err != nil || !bytes.Equal(again, raw) {
		t.Fatalf("not the same bytes again: %v", err)
	}
}

// dishonest are changes of a statement that its author could have signed:
// every one of them has to be refused by whoever reads it.
var dishonest = map[string]func(*Statement){
	"v":                       func(s *Statement) { s.V = 2 },
	"v-3":                     func(s *Statement) { s.V = 3 },
	"ledger":                  func(s *Statement) { s.Ledger = &Signing{Next: Hash{1}} },
	"key-state":               func(s *Statement) { s.Keys[0].State = KeyLive },
	"state-reopened":          func(s *Statement) { s.Incident("naver-2013").State = Reopened },
	"state-withdrawn":         func(s *Statement) { s.Incident("old-2010").State = Withdrawn },
	"unreadable":              func(s *Statement) { s.Incidents[0].Unreadable = map[string]int64{} },
	"superseded":              func(s *Statement) { s.Incidents[0].Superseded = []Superseded{} },
	"seq-zero":                func(s *Statement) { s.Seq = 0 },
	"seq-huge":                func(s *Statement) { s.Seq = 1 << 53 },
	"prev-in-first":           func(s *Statement) { s.Prev[0] = 1 },
	"prev-zero-in-second":     func(s *Statement) { s.Seq = 2 },
	"expires-before-time":     func(s *Statement) { s.Expires = At(s.Time.Add(-time.Second)) },
	"expires-at-time":         func(s *Statement) { s.Expires = s.Time },
	"expires-too-late":        func(s *Statement) { s.Expires = At(s.Time.Add(MaxLife + time.Second)) },
	"phone-region":            func(s *Statement) { s.PhoneRegion = "jp" },
	"three-keys":              func(s *Statement) { s.Keys = append(s.Keys, Key{ID: "k3", LocatorBits: 16, Public: s.Keys[0].Public}) },
	"keys-out-of-order":       func(s *Statement) { s.Keys[0], s.Keys[1] = s.Keys[1], s.Keys[0] },
	"key-twice":               func(s *Statement) { s.Keys[1] = s.Keys[0] },
	"key-id":                  func(s *Statement) { s.Keys[1].ID = "K2" },
	"key-identity-element":    func(s *Statement) { s.Keys[1].Public = PublicKey{} },
	"locator-bits-zero":       func(s *Statement) { s.Keys[0].LocatorBits = 0 },
	"locator-bits-25":         func(s *Statement) { s.Keys[0].LocatorBits = 25 },
	"locator-bits-1":          func(s *Statement) { s.Keys[1].LocatorBits = 25 },
	"layers-out-of-order":     func(s *Statement) { s.Layers[0], s.Layers[1] = s.Layers[1], s.Layers[0] },
	"layer-unknown-key":       func(s *Statement) { s.Layers[0].Key = "k3" },
	"layer-n":                 func(s *Statement) { s.Layers[0].N++ },
	"layer-bits":              func(s *Statement) { s.Layers[0].Bits++ },
	"layer-id":                func(s *Statement) { s.Layers[0].ID[0] ^= 1 },
	"layer-pad-zero":          func(s *Statement) { s.Layers[0].Pad = 0 },
	"layer-pad-huge":          func(s *Statement) { s.Layers[0].Pad = MaxPad + 1 },
	"layer-no-sources":        func(s *Statement) { s.Layers[0].Sources = nil },
	"layer-missing":           func(s *Statement) { s.Layers = s.Layers[:1] },
	"layer-in-two":            func(s *Statement) { twoLayers(s) },
	"source-sum":              func(s *Statement) { fold(s).Sources[0].N-- },
	"source-missing":          func(s *Statement) { l := fold(s); l.Sources = l.Sources[:1] },
	"source-revision":         func(s *Statement) { fold(s).Sources[0].Revision = "1" },
	"source-unknown-incident": func(s *Statement) { fold(s).Sources[0].Incident = "m" },
	"source-of-investigating": func(s *Statement) { s.Incident("naver-2013").State = Investigating },
	"sources-out-of-order": func(s *Statement) {
		l := fold(s)
		l.Sources[0], l.Sources[1] = l.Sources[1], l.Sources[0]
	},
	"single-source-root":     func(s *Statement) { single(s).Sources[0].Root[0] ^= 1 },
	"incidents-out-of-order": func(s *Statement) { s.Incidents[0], s.Incidents[1] = s.Incidents[1], s.Incidents[0] },
	"incident-twice":         func(s *Statement) { s.Incidents[1] = s.Incidents[0] },
	"incident-id":            func(s *Statement) { s.Incidents[0].ID = "A" },
	"incident-id-long":       func(s *Statement) { s.Incidents[0].ID = strings.Repeat("a", 65) },
	"state":                  func(s *Statement) { s.Incidents[0].State = "safe" },
	"revision":               func(s *Statement) { s.Incidents[0].Revision = "01" },
	"final-revision-zero":    func(s *Statement) { s.Incident("naver-2013").Revision = "0" },
	"organisation-empty":     func(s *Statement) { s.Incidents[0].Organisation = "" },
	"organisation-long":      func(s *Statement) { s.Incidents[0].Organisation = strings.Repeat("x", 1001) },
	"title-none":             func(s *Statement) { s.Incidents[0].Title = nil },
	"title-language":         func(s *Statement) { s.Incidents[0].Title["english"] = "x" },
	"counts":                 func(s *Statement) { s.Incident("naver-2013").Counts["email"]-- },
	"counts-kind":            func(s *Statement) { s.Incident("naver-2013").Counts["name"] = 1 },
	"counts-zero":            func(s *Statement) { s.Incident("naver-2013").Counts["phone"] = 0 },
	"sets-none":              func(s *Statement) { s.Incident("naver-2013").Sets = nil },
	"set-empty":              func(s *Statement) { s.Incident("naver-2013").Sets[0] = []string{} },
	"set-unsorted":           func(s *Statement) { s.Incident("naver-2013").Sets[0] = []string{"nickname", "email"} },
	"set-twice":              func(s *Statement) { s.Incident("naver-2013").Sets[0] = []string{"email", "email"} },
	"class":                  func(s *Statement) { s.Incident("naver-2013").Sets[0] = []string{"E-mail"} },
}

func fold(s *Statement) *Layer {
	for i := range s.Layers {
		if len(s.Layers[i].Sources) == 2 {
			return &s.Layers[i]
		}
	}
	return nil
}

func single(s *Statement) *Layer {
	for i := range s.Layers {
		if len(s.Layers[i].Sources) == 1 {
			return &s.Layers[i]
		}
	}
	return nil
}

// twoLayers lists the single layer's incident in a second layer too.
func twoLayers(s *Statement) {
	l := *single(s)
	l.Root[0], l.ID[0] = 0xff, 0xff
	src := l.Sources[0]
	src.Root = l.Root
	l.Sources = []Source{src}
	s.Layers = append(s.Layers, l)
}

// misspelt are changes of a statement's bytes: the value may be the same, the
// bytes are not canonical, or say something the format does not have.
var misspelt = map[string]func(string) string{
	"empty":            func(string) string { return "" },
	"null":             func(string) string { return "null" },
	"array":            func(s string) string { return "[" + s + "]" },
	"space":            func(s string) string { return strings.Replace(s, ":", ": ", 1) },
	"newline":          func(s string) string { return s + "\n" },
	"trailing":         func(s string) string { return s + "{}" },
	"truncated":        func(s string) string { return s[:len(s)-1] },
	"bom":              func(s string) string { return "\ufeff" + s },
	"unknown-member":   func(s string) string { return strings.Replace(s, `"v":1`, `"v":1,"z":1`, 1) },
	"unknown-nested":   func(s string) string { return strings.Replace(s, `"pad":`, `"note":1,"pad":`, 1) },
	"duplicate-member": func(s string) string { return strings.Replace(s, `"v":1`, `"v":1,"v":1`, 1) },
	"member-case":      func(s string) string { return strings.Replace(s, `"seq":1`, `"Seq":1`, 1) },
	"missing-member":   func(s string) string { return strings.Replace(s, `"phoneRegion":"JP",`, ``, 1) },
	"float":            func(s string) string { return strings.Replace(s, `"seq":1,`, `"seq":1.0,`, 1) },
	"exponent":         func(s string) string { return strings.Replace(s, `"n":2110`, `"n":211e1`, 1) },
	"number-as-string": func(s string) string { return strings.Replace(s, `"seq":1,`, `"seq":"1",`, 1) },
	"null-member":      func(s string) string { return strings.Replace(s, `"seq":1,`, `"seq":null,`, 1) },
	"escaped":          func(s string) string { return strings.Replace(s, `"JP"`, `"\u004aP"`, 1) },
	"escaped-slash":    func(s string) string { return strings.Replace(s, `Example Shop`, `Example\/Shop`, 1) },
	"upper-hex":        func(s string) string { return upperHex(s) },
	"base64-padding":   padded,
	"base64-standard":  func(s string) string { return plainBase64(s) },
	"time-offset":      func(s string) string { return strings.Replace(s, `00:00:00Z"`, `00:00:00+00:00"`, 1) },
	"time-fraction":    func(s string) string { return strings.Replace(s, `00:00:00Z"`, `00:00:00.0Z"`, 1) },
	"time-space":       func(s string) string { return strings.Replace(s, `T00:00:00Z"`, ` 00:00:00Z"`, 1) },
	"time-lower":       func(s string) string { return strings.Replace(s, `T00:00:00Z"`, `t00:00:00z"`, 1) },
	"lone-surrogate":   func(s string) string { return strings.Replace(s, `Example Shop`, `\ud800`, 1) },
	"invalid-utf8":     func(s string) string { return strings.Replace(s, `Example Shop`, "\xff", 1) },
	"members-unordered": func(s string) string {
		return strings.Replace(s, `"seq":1,`, ``, 1)[:1] + `"seq":1,` + strings.Replace(s, `"seq":1,`, ``, 1)[1:]
	},
	"negative-zero":   func(s string) string { return strings.Replace(s, `"seq":1,`, `"seq":-0,`, 1) },
	"nested-too-deep": func(s string) string { return strings.Repeat("[", 20000) },
	"counts-duplicate": func(s string) string {
		return strings.Replace(s, `"counts":{"email":10}`, `"counts":{"email":10,"email":10}`, 1)
	},
}

// padded writes a public key with the padding that base64url leaves out.
func padded(s string) string {
	i := strings.Index(s, `"public":"`) + 10
	return s[:i+43] + "=" + s[i+43:]
}

func upperHex(s string) string {
	for _, member := range []string{`"id":"`, `"root":"`} { // of the same layer: they stay equal
		i := strings.Index(s, `"layers":`)
		i += strings.Index(s[i:], member) + len(member)
		s = s[:i] + strings.ToUpper(s[i:i+64]) + s[i+64:]
	}
	return s
}

// plainBase64 writes a public key with the standard alphabet's + where it has
// a -, or makes its last character carry stray bits where it has none.
func plainBase64(s string) string {
	i := strings.Index(s, `"public":"`) + 10
	k := s[i : i+43]
	if strings.Contains(k, "-") {
		return s[:i] + strings.Replace(k, "-", "+", 1) + s[i+43:]
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, k[42])
	return s[:i+42] + string(alphabet[last|1]) + s[i+43:]
}

func TestStatementRefuses(t *testing.T) {
	w := newWorld(t)
	for name, change := range dishonest {
		st := clone(t, w.st)
		change(st)
		if err := st.Validate(); !errors.Is(err, ErrStatement) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range misspelt {
		raw := change(string(w.raw))
		if raw == string(w.raw) {
			t.Errorf("%s: the test changes nothing", name)
		}
		if _, err := ParseStatement([]byte(raw)); !errors.Is(err, ErrStatement) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseStatement(make([]byte, MaxStatement+1)); !errors.Is(err, ErrStatement) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzParseStatement(f *testing.F) {
	_, files := vectors(f)
	a, err := ParseAnswer(files["stranger"])
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(a.Statement))
	for _, change := range misspelt {
		f.Add([]byte(change(string(a.Statement))))
	}
	if raw, err := chainBase().Canonical(); err != nil {
		f.Error(err)
	} else {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := ParseStatement(b)
		if err != nil {
			return
		}
		again, err := st.Canonical()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted bytes that are not canonical: %v", err)
		}
	})
}

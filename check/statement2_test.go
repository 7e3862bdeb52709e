package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// dishonest2 are changes of a statement of version 2 that its author could have
// signed. Those of version 1 that still mean something are tried too.
var dishonest2 = map[string]func(*Statement){
	"v":   func(s *Statement) { s.V = 1 },
	"v-3": func(s *Statement) { s.V = 3 },
	"fold-root-of-source": func(s *Statement) {
		for i := range s.Layers {
			if l := &s.Layers[i]; len(l.Sources) > 1 {
				l.ID, l.Root = l.Sources[0].Root, l.Sources[0].Root
			}
		}
		slices.SortFunc(s.Layers, func(a, b Layer) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	},
	"seq-zero":                 func(s *Statement) { s.Seq = 0 },
	"prev-in-first":            func(s *Statement) { s.Prev[0] = 1 },
	"expires-at-time":          func(s *Statement) { s.Expires = s.Time },
	"expires-too-late":         func(s *Statement) { s.Expires = At(s.Time.Add(LifeWitnessed + time.Second)) },
	"expires-too-late-alone":   func(s *Statement) { s.Ledger.Policy, s.Expires = "", At(s.Time.Add(LifeAlone+time.Second)) },
	"expires-too-late-none":    func(s *Statement) { s.Ledger.Policy = "quorum none\n" },
	"phone-region":             func(s *Statement) { s.PhoneRegion = "jp" },
	"ledger-missing":           func(s *Statement) { s.Ledger = nil },
	"ledger-next-is-key":       func(s *Statement) { s.Ledger.Next = s.Ledger.Key },
	"policy-no-quorum":         func(s *Statement) { s.Ledger.Policy = "witness w " + twoKeys(s)[0] + "\n" },
	"policy-quorum-twice":      func(s *Statement) { s.Ledger.Policy += "quorum one\n" },
	"policy-quorum-unknown":    func(s *Statement) { s.Ledger.Policy = "quorum w\n" },
	"policy-log":               func(s *Statement) { s.Ledger.Policy += "log " + ledgerVKey + "\n" },
	"policy-keyword":           func(s *Statement) { s.Ledger.Policy += "trust one\n" },
	"policy-crlf":              func(s *Statement) { s.Ledger.Policy = strings.ReplaceAll(s.Ledger.Policy, "\n", "\r\n") },
	"policy-comment-behind":    func(s *Statement) { s.Ledger.Policy = strings.TrimSuffix(s.Ledger.Policy, "\n") + " # both\n" },
	"policy-witness-not-ascii": func(s *Statement) { s.Ledger.Policy = "witness 証人 " + twoKeys(s)[0] + "\nquorum 証人\n" },
	"policy-wide-space":        func(s *Statement) { s.Ledger.Policy = "witness\u00a0one " + twoKeys(s)[0] + "\nquorum one\n" },
	"policy-witness-twice": func(s *Statement) {
		k := twoKeys(s)[0]
		s.Ledger.Policy = "witness a " + k + "\nwitness b " + k + "\nquorum a\n"
	},
	"policy-witness-named-none":  func(s *Statement) { s.Ledger.Policy = "witness none " + twoKeys(s)[0] + "\nquorum none\n" },
	"policy-witness-log-key":     func(s *Statement) { s.Ledger.Policy = "witness w " + ledgerVKey + "\nquorum w\n" },
	"policy-witness-hash":        func(s *Statement) { s.Ledger.Policy = strings.Replace(s.Ledger.Policy, "+", "+0", 1) },
	"policy-witness-hash-upper":  func(s *Statement) { upperKeyHash(s) },
	"policy-witness-wrong-hash":  func(s *Statement) { wrongKeyHash(s) },
	"policy-witness-base64-bits": func(s *Statement) { looseKey(s) },
	"policy-witness-fields": func(s *Statement) {
		s.Ledger.Policy = "witness w " + twoKeys(s)[0] + " https://w.example x\nquorum w\n"
	},
	"policy-witness-without-key": func(s *Statement) { s.Ledger.Policy = "witness w\nquorum w\n" },
	"policy-group-empty":         func(s *Statement) { s.Ledger.Policy = groups(s, "group g any") },
	"policy-group-zero":          func(s *Statement) { s.Ledger.Policy = groups(s, "group g 0 one two") },
	"policy-group-too-many":      func(s *Statement) { s.Ledger.Policy = groups(s, "group g 3 one two") },
	"policy-group-leading-zero":  func(s *Statement) { s.Ledger.Policy = groups(s, "group g 01 one two") },
	"policy-group-member-twice":  func(s *Statement) { s.Ledger.Policy = groups(s, "group g 2 one one") },
	"policy-group-none":          func(s *Statement) { s.Ledger.Policy = groups(s, "group g 1 one none") },
	"policy-group-unknown":       func(s *Statement) { s.Ledger.Policy = groups(s, "group g 1 one three") },
	"policy-group-shared":        func(s *Statement) { s.Ledger.Policy = groups(s, "group f 1 one two\ngroup g 1 one") },
	"policy-group-itself":        func(s *Statement) { s.Ledger.Policy = groups(s, "group g 1 g one") },
	"policy-group-name-taken":    func(s *Statement) { s.Ledger.Policy = groups(s, "group one 1 two\ngroup g 1 one") },
	"policy-quorum-before": func(s *Statement) {
		s.Ledger.Policy = "quorum one\n" + strings.Replace(s.Ledger.Policy, "quorum both\n", "", 1)
	},
	"policy-long":            func(s *Statement) { s.Ledger.Policy = "#" + strings.Repeat(" ", MaxPolicy) + "\n" + s.Ledger.Policy },
	"policy-witnesses-17":    func(s *Statement) { s.Ledger.Policy = manyWitnesses(MaxWitnesses + 1) },
	"keys-three-open":        func(s *Statement) { s.Keys[0].State = KeyLive },
	"keys-65":                func(s *Statement) { manyKeys(s, maxKeys+1) },
	"key-same-bytes":         func(s *Statement) { s.Keys[0].Public = s.Keys[1].Public },
	"key-state":              func(s *Statement) { s.Keys[0].State = "lost" },
	"key-state-missing":      func(s *Statement) { s.Keys[0].State = "" },
	"held-by-a-live-key":     func(s *Statement) { s.Keys[1].Held = []Held{} },
	"held-of-version-1":      func(s *Statement) { s.Keys[0].State, s.Keys[0].Held = "", []Held{} },
	"held-twice":             func(s *Statement) { s.Keys[0].Held = append(s.Keys[0].Held, s.Keys[0].Held[0]) },
	"held-out-of-order":      func(s *Statement) { s.Keys[0].Held = append(s.Keys[0].Held, held("again-2022", "2")) },
	"held-of-no-incident":    func(s *Statement) { s.Keys[0].Held[0].Incident = "nothing" },
	"held-revision-zero":     func(s *Statement) { s.Keys[0].Held[0].Revision = "0" },
	"held-revision-spelling": func(s *Statement) { s.Keys[0].Held[0].Revision = "01" },
	"held-current":           func(s *Statement) { s.Keys[0].Held = []Held{held("again-2022", "3")} },
	"held-later":             func(s *Statement) { s.Keys[0].Held = []Held{held("again-2022", "4")} },
	"held-and-served":        func(s *Statement) { s.Keys[0].Held = []Held{held("naver-2013", "1")} },
	"held-served-root":       func(s *Statement) { s.Keys[0].Held[0].Root = s.Layers[0].Sources[0].Root },
	"held-fold-root":         func(s *Statement) { s.Keys[0].Held[0].Root = fold3(s).Root },
	"held-root-twice": func(s *Statement) {
		h := held("old-2010", "2")
		h.Root = s.Keys[0].Held[0].Root
		s.Keys[0].Held = append(s.Keys[0].Held, h)
	},
	"held-counts-none":          func(s *Statement) { s.Keys[0].Held[0].Counts = map[string]int64{} },
	"held-counts-zero":          func(s *Statement) { s.Keys[0].Held[0].Counts = map[string]int64{"email": 0} },
	"held-counts-too-many":      func(s *Statement) { s.Keys[0].Held[0].Counts = map[string]int64{"email": MaxEntries + 1} },
	"held-sets-none":            func(s *Statement) { s.Keys[0].Held[0].Sets = [][]string{} },
	"held-sets-empty":           func(s *Statement) { s.Keys[0].Held[0].Sets = [][]string{{}} },
	"key-ended-in-use":          func(s *Statement) { s.Keys[2].State = KeyEnded },
	"keys-out-of-order":         func(s *Statement) { s.Keys[0], s.Keys[1] = s.Keys[1], s.Keys[0] },
	"sources-out-of-order":      func(s *Statement) { l := fold3(s); l.Sources[1], l.Sources[2] = l.Sources[2], l.Sources[1] },
	"sources-revisions-as-text": func(s *Statement) { revisionsAsText(s) },
	"source-twice":              func(s *Statement) { l := fold3(s); l.Sources[1] = l.Sources[0]; l.Sources[1].N = fold3(s).Sources[1].N },
	"source-same-root":          func(s *Statement) { l := fold3(s); l.Sources[1].Root = l.Sources[0].Root },
	"source-sum":                func(s *Statement) { fold3(s).Sources[0].N-- },
	"source-revision-unlisted":  func(s *Statement) { s.Incident("naver-2013").Superseded = []Superseded{} },
	"source-revision-later":     func(s *Statement) { s.Incident("naver-2013").Superseded[0].Revision = "3" },
	"source-of-retired":         func(s *Statement) { s.Incident("shop-2020").State = Retired },
	"source-of-withdrawn":       func(s *Statement) { s.Incident("shop-2020").State = Withdrawn },
	"source-of-by-mail":         func(s *Statement) { s.Incident("shop-2020").State = ByMail },
	"source-of-investigating":   func(s *Statement) { s.Incident("shop-2020").State = Investigating },
	"reopened-in-no-layer":      func(s *Statement) { dropSource(s, "again-2022") },
	"final-in-no-layer": func(s *Statement) {
		in := s.Incident("town-2026")
		in.State, in.Revision, in.Counts, in.Sets = Final, "1", map[string]int64{"email": 1}, [][]string{{"email"}}
	},
	"superseded-in-no-layer": func(s *Statement) { dropSource(s, "naver-2013") },
	"superseded-twice": func(s *Statement) {
		in := s.Incident("naver-2013")
		in.Superseded = append(in.Superseded, in.Superseded[0])
	},
	"superseded-zero":        func(s *Statement) { s.Incident("naver-2013").Superseded[0].Revision = "0" },
	"superseded-spelling":    func(s *Statement) { s.Incident("naver-2013").Superseded[0].Revision = "01" },
	"superseded-current":     func(s *Statement) { s.Incident("naver-2013").Superseded[0].Revision = "2" },
	"superseded-counts":      func(s *Statement) { s.Incident("naver-2013").Superseded[0].Counts = map[string]int64{"email": 2106} },
	"superseded-counts-none": func(s *Statement) { s.Incident("naver-2013").Superseded[0].Counts = map[string]int64{} },
	"superseded-counts-kind": func(s *Statement) { s.Incident("naver-2013").Superseded[0].Counts = map[string]int64{"name": 2105} },
	"superseded-sets-none":   func(s *Statement) { s.Incident("naver-2013").Superseded[0].Sets = [][]string{} },
	"superseded-sets-class":  func(s *Statement) { s.Incident("naver-2013").Superseded[0].Sets = [][]string{{"E-mail"}} },
	"superseded-of-retired": func(s *Statement) {
		in := s.Incident("old-2010")
		in.Superseded = s.Incident("naver-2013").Superseded
		in.Revision = "2"
	},
	"superseded-missing":             func(s *Statement) { s.Incidents[0].Superseded = nil },
	"unreadable-missing":             func(s *Statement) { s.Incidents[0].Unreadable = nil },
	"unreadable-zero":                func(s *Statement) { s.Incidents[0].Unreadable = map[string]int64{"email": 0} },
	"unreadable-kind":                func(s *Statement) { s.Incidents[0].Unreadable = map[string]int64{"name": 1} },
	"unreadable-huge":                func(s *Statement) { s.Incidents[0].Unreadable = map[string]int64{"email": 1 << 53} },
	"reopened-revision-zero":         func(s *Statement) { s.Incident("again-2022").Revision = "0" },
	"state":                          func(s *Statement) { s.Incidents[0].State = "safe" },
	"reopened-without-sets":          func(s *Statement) { s.Incident("again-2022").Sets = [][]string{} },
	"layer-n":                        func(s *Statement) { s.Layers[0].N++ },
	"layer-bits":                     func(s *Statement) { s.Layers[0].Bits++ },
	"layer-of-one-with-other-root":   func(s *Statement) { single(s).Sources[0].Root[0] ^= 1 },
	"layer-unknown-key":              func(s *Statement) { s.Layers[0].Key = "k9" },
	"organisation-empty":             func(s *Statement) { s.Incidents[0].Organisation = "" },
	"incidents-out-of-order":         func(s *Statement) { s.Incidents[0], s.Incidents[1] = s.Incidents[1], s.Incidents[0] },
	"current-revision-in-two-layers": func(s *Statement) { twoLayers(s) },
}

// valid2 are changes that are allowed.
var valid2 = map[string]func(*Statement){
	"valid":             func(*Statement) {},
	"valid-no-policy":   func(s *Statement) { s.Ledger.Policy, s.Expires = "", At(s.Time.Add(LifeAlone)) },
	"valid-quorum-none": func(s *Statement) { s.Ledger.Policy, s.Expires = "quorum none", At(s.Time.Add(LifeAlone)) },
	"valid-policy-spelling": func(s *Statement) {
		s.Ledger.Policy = "# 証人\n\n \t# x\n\twitness  one " + twoKeys(s)[0] + " https://one.example/ \nquorum\tone"
	},
	"valid-policy-groups": func(s *Statement) { s.Ledger.Policy = groups(s, "group f any one\ngroup g 2 f two") },
	"valid-witnesses-16":  func(s *Statement) { s.Ledger.Policy = manyWitnesses(MaxWitnesses) },
	"valid-keys-64":       func(s *Statement) { manyKeys(s, maxKeys) },
	"valid-held-unsaid":   func(s *Statement) { s.Keys[0].Held = nil },
	"valid-held-nothing":  func(s *Statement) { s.Keys[0].Held = []Held{} },
	"valid-held-earlier":  func(s *Statement) { s.Keys[0].Held = append([]Held{held("again-2022", "2")}, s.Keys[0].Held...) },
	"valid-held-out-of-order-as-text": func(s *Statement) {
		s.Incident("old-2010").Revision = "11"
		s.Keys[0].Held = []Held{held("old-2010", "9"), held("old-2010", "10")}
	},
	"valid-unreadable-open":   func(s *Statement) { s.Incident("town-2026").Unreadable = map[string]int64{Rows: 1} },
	"valid-revision-10":       func(s *Statement) { setRevision(s, "2", "10") },
	"valid-superseded-2-of-3": func(s *Statement) { setRevision(s, "2", "3"); setRevision(s, "1", "2") },
}

// TestStatement2Vectors holds statement2.json: every valid statement of version 2
// and every way to be refused.
func TestStatement2Vectors(t *testing.T) {
	w := newWorld2(t)
	var vs []statementVector
	for _, name := range slices.Sorted(maps.Keys(valid2)) {
		st := clone(t, w.st)
		valid2[name](st)
		raw, err := st.Canonical()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		vs = append(vs, statementVector{Name: name, Bytes: raw, Hash: StatementHash(raw).String()})
	}
	for _, name := range slices.Sorted(maps.Keys(dishonest2)) {
		st := clone(t, w.st)
		dishonest2[name](st)
		raw, err := canonical(st)
		if err != nil {
			t.Fatal(err)
		}
		if string(raw) == string(w.raw) {
			t.Errorf("%s: the test changes nothing", name)
		}
		vs = append(vs, statementVector{Name: name, Bytes: raw, Error: "statement"})
	}
	for name, change := range misspelt2 {
		raw := change(string(w.raw))
		if raw == string(w.raw) {
			t.Errorf("%s: the test changes nothing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(misspelt2)) {
		vs = append(vs, statementVector{Name: name, Bytes: []byte(misspelt2[name](string(w.raw))), Error: "statement"})
	}
	for _, v := range vs {
		_, err := ParseStatement(v.Bytes)
		if (err == nil) != (v.Error == "") || err != nil && Code(err) != v.Error {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	golden(t, "statement2.json", map[string]any{
		"about": "Statements of version 2 as base64url bytes: those without error are valid, the others are refused with that error.", "vectors": vs})
}

// misspelt2 are changes of the bytes of a statement of version 2.
var misspelt2 = map[string]func(string) string{
	"policy-null": func(s string) string {
		i := strings.Index(s, `"policy":"`)
		j := strings.Index(s[i+10:], `"`)
		return s[:i] + `"policy":null` + s[i+11+j:]
	},
	"policy-member-missing": func(s string) string {
		i := strings.Index(s, `,"policy":"`)
		j := strings.Index(s[i+11:], `"`)
		return s[:i] + s[i+12+j:]
	},
	"ledger-null": func(s string) string {
		i := strings.Index(s, `"ledger":{`)
		j := strings.Index(s[i:], `}`)
		return s[:i] + `"ledger":null` + s[i+j+1:]
	},
	"ledger-unknown": func(s string) string { return strings.Replace(s, `"ledger":{`, `"ledger":{"a":1,`, 1) },
	"ledger-hash-upper": func(s string) string {
		i := strings.Index(s, `"next":"`) + 8
		return s[:i] + strings.ToUpper(s[i:i+64]) + s[i+64:]
	},
	"unreadable-null":    func(s string) string { return strings.Replace(s, `"unreadable":{}`, `"unreadable":null`, 1) },
	"superseded-null":    func(s string) string { return strings.Replace(s, `"superseded":[]`, `"superseded":null`, 1) },
	"superseded-unknown": func(s string) string { return strings.Replace(s, `"superseded":[{`, `"superseded":[{"a":1,`, 1) },
	"unreadable-float": func(s string) string {
		return strings.Replace(s, `"unreadable":{"email":3`, `"unreadable":{"email":3.0`, 1)
	},
	"unreadable-twice": func(s string) string {
		return strings.Replace(s, `"unreadable":{"email":3`, `"unreadable":{"email":3,"email":3`, 1)
	},
	"key-state-null":  func(s string) string { return strings.Replace(s, `"state":"ended"`, `"state":null`, 1) },
	"key-state-empty": func(s string) string { return strings.Replace(s, `"state":"ended"`, `"state":""`, 1) },
	"space":           func(s string) string { return strings.Replace(s, ":", ": ", 1) },
}

// held is a revision that an ended key held.
func held(incident, revision string) Held {
	return Held{incident, revision, rootOf(incident + " " + revision), map[string]int64{"email": 8}, [][]string{{"email"}}}
}

var ledgerVKey = vkeyOf("ledger")

func twoKeys(s *Statement) (keys []string) {
	p, err := parseStatementPolicy(s.Ledger.Policy)
	if err != nil {
		panic(err)
	}
	for _, w := range p.witnesses {
		keys = append(keys, w.VKey)
	}
	return keys
}

// groups is a policy with the two witnesses and group lines, of which g is the quorum.
func groups(s *Statement, lines string) string {
	k := twoKeys(s)
	return "witness one " + k[0] + "\nwitness two " + k[1] + "\n" + lines + "\nquorum g\n"
}

func manyWitnesses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "witness w%d %s\n", i, newWitness(fmt.Sprint(i)).VKey())
	}
	return b.String() + "quorum w0\n"
}

// manyKeys adds ended keys until there are n.
func manyKeys(s *Statement, n int) {
	w := &world{keys: map[string]*EvaluatorKey{}}
	for i := len(s.Keys); i < n; i++ {
		w.evaluator(s, fmt.Sprintf("old-%02d", i), KeyEnded)
	}
}

func upperKeyHash(s *Statement) {
	i := strings.Index(s.Ledger.Policy, "+") + 1
	s.Ledger.Policy = s.Ledger.Policy[:i] + strings.ToUpper(s.Ledger.Policy[i:i+8]) + s.Ledger.Policy[i+8:]
}

func wrongKeyHash(s *Statement) {
	i := strings.Index(s.Ledger.Policy, "+") + 1
	s.Ledger.Policy = s.Ledger.Policy[:i] + "00000000" + s.Ledger.Policy[i+8:]
}

// looseKey has unused bits set in the last character of a key.
func looseKey(s *Statement) {
	k := twoKeys(s)[0] // 33 bytes are 44 characters without padding: one character too many is as loose
	s.Ledger.Policy = strings.Replace(s.Ledger.Policy, k, k+"=", 1)
}

func fold3(s *Statement) *Layer {
	for i := range s.Layers {
		if len(s.Layers[i].Sources) == 3 {
			return &s.Layers[i]
		}
	}
	return nil
}

// dropSource takes an incident out of the fold, whose n follows.
func dropSource(s *Statement, incident string) {
	l := fold3(s)
	i := slices.IndexFunc(l.Sources, func(src Source) bool { return src.Incident == incident })
	l.N -= l.Sources[i].N
	l.Sources = slices.Delete(l.Sources, i, i+1)
	l.Bits = BucketBits(l.N, 16)
}

// setRevision gives naver-2013's sources of one revision another number.
func setRevision(s *Statement, from, to string) {
	in := s.Incident("naver-2013")
	if in.Revision == from {
		in.Revision = to
	} else {
		in.Superseded[0].Revision = to
	}
	for i := range s.Layers {
		for j := range s.Layers[i].Sources {
			if src := &s.Layers[i].Sources[j]; src.Incident == "naver-2013" && src.Revision == from {
				src.Revision = to
				return
			}
		}
	}
}

// revisionsAsText puts 10 before 9, as text would.
func revisionsAsText(s *Statement) {
	in := s.Incident("naver-2013")
	l := fold3(s)
	setRevision(s, "2", "11")
	setRevision(s, "1", "10")
	at := slices.IndexFunc(l.Sources, func(src Source) bool { return src.Incident == "naver-2013" })
	nine := l.Sources[at]
	nine.Revision, nine.Root[0] = "9", nine.Root[0]^1
	nine.N = 1
	in.Superseded = []Superseded{{"9", map[string]int64{"email": 1}, in.Sets}, in.Superseded[0]}
	l.Sources = slices.Insert(l.Sources, at+1, nine)
	l.N++
}

func TestStatement2Life(t *testing.T) {
	w := newWorld2(t)
	if _, err := ParseStatement(w.raw); err != nil {
		t.Fatal(err)
	}
	// What revisionsAsText does is refused for the order alone.
	st := clone(t, w.st)
	revisionsAsText(st)
	if err := st.Validate(); !errors.Is(err, ErrStatement) || !strings.Contains(err.Error(), "order") {
		t.Errorf("revisions in the order of their text: %v", err)
	}
}

package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/identity"
)

// answer2 makes an answer of version 2 with fixed randomness, as it is when the
// server does not give some layers.
func (w *world) answer2(id identity.Identity, missing ...Hash) *Answer {
	return w.answerDrawn(id, sampled, missing...)
}

// answerDrawn is answer2 with the first so many sources of each fold drawn.
func (w *world) answerDrawn(id identity.Identity, drawn int, missing ...Hash) *Answer {
	w.t.Helper()
	a := &Answer{V: 2, Type: answerType, PersonalData: PersonalData, Claimed: At(w.now), Identity: AnswerIdentity{string(id.Kind), id.Value},
		Statement: w.raw, Proof: w.proof, Groups: []AnswerGroup{}, Sources: []AnswerGroup{}, Cap: CapBits}
	outputs, groups, compared := w.evaluations(a, id), map[Hash]*Group{}, map[Hash]bool{}
	depths, err := w.st.Depths(CapBits)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range w.st.Layers {
		l := &w.st.Layers[i]
		if slices.Contains(missing, l.ID) {
			continue
		}
		g := w.group(l.ID, outputs[l.Key], depths[l.ID], l.Pad)
		groups[l.ID] = g
		a.Groups = append(a.Groups, AnswerGroup{l.ID, g.Depth, g.Bytes()})
		for _, src := range l.Sources[:sampleOf(l, drawn)] {
			_, p := sourceGroup(src, w.st.Key(l.Key).LocatorBits, g.Depth)
			s := w.group(src.Root, outputs[l.Key], p, w.open(src.Root).Info().Pad)
			compared[src.Root] = true
			a.Sources = append(a.Sources, AnswerGroup{src.Root, p, s.Bytes()})
		}
	}
	v, err := conclude(w.st, id, got{outputs, groups, compared})
	if err != nil && !errors.Is(err, ErrEntry) {
		w.t.Fatal(err)
	}
	if err == nil {
		a.Verdict = *v
	}
	return a
}

// newDeepWorld publishes two keys whose layers are large for their statement:
// one bit of two leaves under the first, and the only bit under the second.
func newDeepWorld(t testing.TB) *world {
	t.Helper()
	w := newFoldWorld(t, -1)
	st := clone(t, w.st)
	st.Layers, st.Incidents = nil, nil
	w.evaluator(st, "k2", KeyLive)
	for key, n := range map[string]int{"k1": 4200, "k2": 2100} {
		members := []identity.Identity{email(t, worldAffected)}
		for i := 1; i < n; i++ {
			members = append(members, identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("member%d@%s.example.com", i, key)})
		}
		id := "in-" + key
		l := w.fold(key, w.seal(key, id, "1", members, 1))
		l.Pad = 300 << 10 // the statement says how long a response is, and so how much a whole key is
		st.Layers = append(st.Layers, l)
		st.Incidents = append(st.Incidents, Incident{ID: id, Organisation: "Example", Title: map[string]string{"en": id}, Revision: "1", State: Final, AsOf: At(worldTime),
			Counts: map[string]int64{"email": int64(n)}, Sets: [][]string{{"email"}}, Unreadable: map[string]int64{}, Superseded: []Superseded{}})
	}
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(st.Incidents, func(a, b Incident) int { return strings.Compare(a.ID, b.ID) })
	w.publish(st)
	return w
}

// newKindWorld publishes an incident whose second revision indexes accounts, where
// the first indexed addresses.
func newKindWorld(t testing.TB) *world {
	t.Helper()
	w := newFoldWorld(t, -1)
	st := clone(t, w.st)
	account, err := identity.NewAccount("points", "00003")
	if err != nil {
		t.Fatal(err)
	}
	st.Layers = []Layer{w.fold("k1", w.seal("k1", "in-00", "1", []identity.Identity{email(t, worldDropped)}, 1)),
		w.fold("k1", w.seal("k1", "in-00", "2", []identity.Identity{account}, 1))}
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	st.Incidents = st.Incidents[:1]
	in := &st.Incidents[0]
	in.Superseded = []Superseded{{"1", in.Counts, in.Sets}}
	in.Revision, in.Counts, in.Sets = "2", map[string]int64{"account": 1}, [][]string{{"account-id"}}
	w.publish(st)
	return w
}

// newEndedWorld is the world of version 2 after key k1 has ended, and all that
// was under it is sealed anew under k3 without worldAffected. said: the statement
// says what k1 held.
func newEndedWorld(t testing.TB, said bool) *world {
	t.Helper()
	w := newWorld2(t)
	st := clone(t, w.st)
	w.evaluator(st, "k3", KeyLive)
	k1 := st.Key("k1")
	k1.State, k1.Held = KeyEnded, []Held{}
	var layers []Layer
	for _, l := range st.Layers {
		if l.Key != "k1" {
			layers = append(layers, l)
		}
	}
	for i := range st.Incidents {
		in := &st.Incidents[i]
		for _, l := range w.st.Layers {
			for _, src := range l.Sources {
				if counts, sets, ok := in.Exposed(src.Revision); src.Incident == in.ID && l.Key == "k1" && ok {
					k1.Held = append(k1.Held, Held{in.ID, src.Revision, src.Root, counts, sets})
				}
			}
		}
		if in.State.Sealed() && in.ID != "points-2021" {
			in.Revision, in.Superseded, in.Counts = fmt.Sprint(number(in.Revision)+1), []Superseded{}, map[string]int64{"email": 5}
			var noise []identity.Identity
			for j := range 5 {
				noise = append(noise, identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("noise%d@%s.example.com", j, in.ID)})
			}
			layers = append(layers, w.fold("k3", w.seal("k3", in.ID, in.Revision, noise, 1)))
		}
	}
	slices.SortFunc(k1.Held, func(a, b Held) int {
		return cmp.Or(strings.Compare(a.Incident, b.Incident), cmp.Compare(number(a.Revision), number(b.Revision)))
	})
	if !said {
		k1.Held = nil
	}
	slices.SortFunc(layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	st.Layers = layers
	st.Seq, st.Prev, st.Time = 2, StatementHash(w.raw), At(worldTime.Add(time.Minute))
	w.publish(st)
	return w
}

// TestKeyEnds has a client that was told "affected", and one that comes for the
// first time, ask after a key has ended and everybody was left out under the next:
// neither is told a complete "no".
func TestKeyEnds(t *testing.T) {
	before := newWorld2(t)
	path := filepath.Join(t.TempDir(), "ledgers.json")
	for _, said := range []bool{true, false} {
		w := newEndedWorld(t, said)
		for _, returning := range []bool{true, false} {
			pins := path + fmt.Sprint(said, returning)
			if returning {
				url, _ := before.serve(lie{})
				p, err := OpenPins(pins)
				if err != nil {
					t.Fatal(err)
				}
				c := &Client{Server: url, Pins: p, Now: func() time.Time { return before.now }}
				if a, err := c.Check(t.Context(), email(t, worldAffected)); err != nil || a.Verdict.Result != Affected {
					t.Fatalf("before: %v", err)
				}
			}
			p, err := OpenPins(pins)
			if err != nil {
				t.Fatal(err)
			}
			url, _ := w.serve(lie{})
			c := &Client{Server: url, Pins: p, Now: func() time.Time { return w.now }}
			a, err := c.Check(t.Context(), email(t, worldAffected))
			if err != nil {
				t.Fatalf("said %v, returning %v: %v", said, returning, err)
			}
			v := a.Verdict
			want, unlisted := []EndedRevision{{"again-2022", "3"}, {"naver-2013", "1"}, {"naver-2013", "2"}, {"shop-2020", "1"}}, []string(nil)
			if !said {
				want, unlisted = nil, []string{"k1"}
			}
			if v.Result != NotInScope || v.Complete() || !slices.Equal(v.Ended, want) || !slices.Equal(v.Unlisted, unlisted) {
				t.Errorf("said %v, returning %v: %+v", said, returning, v)
			}
		}
	}
	// Whoever is sealed under what has ended in another kind is told nothing of it.
	account, err := identity.NewAccount("points", "99999")
	if err != nil {
		t.Fatal(err)
	}
	if v := newEndedWorld(t, true).answer2(account).Verdict; v.Result != NotInScope || v.Ended != nil || !v.Complete() {
		t.Errorf("of another kind: %+v", v)
	}
}

func TestAnswer2Vectors(t *testing.T) {
	w := newWorld2(t)
	account, err := identity.NewAccount("points", "00003")
	if err != nil {
		t.Fatal(err)
	}
	affected, stranger := w.answer2(email(t, worldAffected)), w.answer2(email(t, worldStranger))
	current, folded := 0, 0 // places among the layers, and so among the groups
	for i, l := range w.st.Layers {
		if len(l.Sources) == 3 {
			folded = i
		} else if l.Key == "k1" {
			current = i
		}
	}
	file := func(a *Answer) json.RawMessage {
		b, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	valid := func(name string, a *Answer) answerVector {
		return answerVector{Name: name, File: file(a), Verdict: &a.Verdict}
	}
	set := func(name string, code string, value any, path ...any) answerVector {
		return answerVector{Name: name, Base: "affected", Op: "set", Path: path, Value: value, Error: code}
	}
	flip := func(name, code string, n int, path ...any) answerVector {
		return answerVector{Name: name, Base: "affected", Op: "flip", Path: path, Byte: n, Error: code}
	}
	remove := func(name, code string, path ...any) answerVector {
		return answerVector{Name: name, Base: "affected", Op: "remove", Path: path, Error: code}
	}
	altered := func(v answerVector) answerVector { v.Fault = FaultAltered; return v }
	of := func(base string, v answerVector) answerVector { v.Base = base; return v }
	ended, unsaid, wide := newEndedWorld(t, true), newEndedWorld(t, false), newFoldOf(t, 10, -1)
	three := wide.answerDrawn(email(t, worldStranger), 3)
	old := wide.answerDrawn(email(t, worldStranger), 3)
	old.Verdict = *old.Verdict.before()
	deep, one, kind := newDeepWorld(t), newWorld(t), newKindWorld(t)
	left := kind.answer2(email(t, worldDropped))
	if v := left.Verdict; v.Result != Open || len(v.Checked) != 0 || v.Complete() || !slices.Equal(v.NotCovered, []NotCovered{{"in-00", WhyKindNotIndexed}}) ||
		len(v.Dropped) != 1 || v.Dropped[0].Revision != "1" {
		t.Errorf("of a kind that is not indexed any more: %+v", v)
	}
	groups := func(i int) Bytes { return affected.Groups[i].Bytes }
	half := func(b Bytes) int { return 4 + 13*(int(b[2])<<8+int(b[3])) + 32 } // where the second of two buckets begins
	exchanged := func(b Bytes) string { return text64(slices.Concat(b[half(b):], b[:half(b)])) }
	unwitnessed := strings.Split(w.proof, "— witness.example.org/two")[0]
	vs := []answerVector{
		valid("affected", affected),
		valid("stranger", stranger),
		valid("dropped", w.answer2(email(t, worldDropped))),
		valid("reopened", w.answer2(email(t, worldReopened))),
		valid("account-compromised-key", w.answer2(account)),
		valid("incomplete", w.answer2(email(t, worldStranger), w.st.Layers[current].ID)),
		valid("incomplete-superseded", w.answer2(email(t, worldDropped), w.st.Layers[folded].ID)),
		valid("nothing-given", w.answer2(email(t, worldStranger), w.st.Layers[0].ID, w.st.Layers[1].ID, w.st.Layers[2].ID)),
		valid("kind-dropped", left),
		valid("kind-dropped-stranger", kind.answer2(email(t, worldStranger))),
		valid("ended", ended.answer2(email(t, worldAffected))),
		valid("ended-not-said", unsaid.answer2(email(t, worldAffected))),
		valid("sampled", wide.answer2(email(t, worldStranger))),
		valid("statement-of-version-1-incomplete", one.answer2(email(t, worldStranger), one.layerFor("naver-2013"))),
		valid("statement-of-version-1-affected-in-part", one.answer2(email(t, worldAffected), one.layerFor("points-2021"))),
		valid("statement-of-version-1-nothing-given", one.answer2(email(t, worldStranger), one.st.Layers[0].ID, one.st.Layers[1].ID)),
		{Name: "saved-before-ended", Base: "ended", Op: "remove", Path: []any{"verdict", "ended"}, Verdict: &ended.answer2(email(t, worldAffected)).Verdict},
		{Name: "saved-before-unlisted", Base: "ended-not-said", Op: "remove", Path: []any{"verdict", "unlisted"}, Verdict: &unsaid.answer2(email(t, worldAffected)).Verdict},
		{Name: "saved-before-sampled", File: file(old), Verdict: &three.Verdict},
		altered(of("ended", set("verdict-ended", "answer", []any{}, "verdict", "ended"))),
		altered(of("ended", set("verdict-ended-less", "answer", []any{map[string]string{"id": "naver-2013", "revision": "1"}}, "verdict", "ended"))),
		altered(of("sampled", set("verdict-sampled", "answer", []any{"in-00"}, "verdict", "sampled"))),
		altered(set("verdict-sampled-none", "answer", []any{}, "verdict", "sampled")),
		altered(set("verdict-unlisted-none", "answer", []any{}, "verdict", "unlisted")),
		of("sampled", set("sampled-two", "answer", wide.answerDrawn(email(t, worldStranger), 2).Sources, "sources")),
		{Name: "two-keys-one-bit-each", File: file(deep.answer2(email(t, worldAffected))), Verdict: &deep.answer2(email(t, worldAffected)).Verdict},
		{Name: "statement-of-version-1", File: file(one.answer2(email(t, worldAffected))), Verdict: &one.answer2(email(t, worldAffected)).Verdict},
		// What version 1 would have made of it: it knew no "incomplete".
		altered(of("statement-of-version-1-incomplete", set("version-1-not-in-scope", "answer", "not-in-scope", "verdict", "result"))),
		altered(of("statement-of-version-1-nothing-given", set("version-1-investigating", "answer", "investigating", "verdict", "result"))),
		altered(of("statement-of-version-1-incomplete", set("version-1-given", "answer", []any{}, "verdict", "notCovered"))),
		altered(of("statement-of-version-1-incomplete", remove("version-1-dropped-missing", "answer", "verdict", "dropped"))),
		of("statement-of-version-1-incomplete", set("version-1-file", "answer", 1, "v")),
		set("version-1", "answer", 1, "v"),
		set("version-3", "answer", 3, "v"),
		set("cap", "answer", 24, "cap"),
		remove("cap-missing", "answer", "cap"),
		set("buckets-of-version-1", "answer", []any{}, "buckets"),
		remove("groups-missing", "answer", "groups"),
		remove("sources-missing", "answer", "sources"),
		altered(set("verdict-result", "answer", "not-in-scope", "verdict", "result")),
		altered(set("verdict-incidents", "answer", []any{}, "verdict", "incidents")),
		altered(set("verdict-unreadable", "answer", []any{}, "verdict", "unreadable")),
		altered(set("verdict-compromised", "answer", []any{"shop-2020"}, "verdict", "compromised")),
		altered(remove("verdict-unreadable-missing", "answer", "verdict", "unreadable")),
		altered(of("dropped", set("verdict-dropped", "answer", []any{}, "verdict", "dropped"))),
		altered(of("incomplete", set("verdict-complete", "answer", "not-in-scope", "verdict", "result"))),
		altered(of("reopened", set("verdict-reopened", "answer", []any{"naver-2013", "shop-2020"}, "verdict", "checked"))),
		altered(set("other-address", "proof", worldStranger, "identity", "value")),
		altered(set("not-an-address", "identity", "hanako", "identity", "value")),
		altered(flip("blind", "proof", 0, "evaluations", 0, "blind")),
		set("claimed-expired", "answer", "2026-11-23T00:00:00Z", "claimed"),
		set("proof-not-cosigned", "unwitnessed", unwitnessed, "proof"),
		set("proof-cosignature", "unwitnessed", strings.Replace(w.proof, "— witness.example.org/two", "— witness.example.org/six", 1), "proof"),
		set("group-layer", "answer", strings.Repeat("0", 64), "groups", 0, "layer"),
		set("group-twice", "answer", affected.Groups[0].Layer, "groups", 1, "layer"),
		set("group-finer", "answer", 1, "groups", current, "p"),
		set("group-negative", "answer", -1, "groups", current, "p"),
		of("two-keys-one-bit-each", set("group-coarser", "answer", 0, "groups", 0, "p")),
		flip("group-entry", "bucket", 20, "groups", current, "bytes"),
		flip("group-other-bucket", "bucket", len(groups(current))-40, "groups", current, "bytes"),
		flip("group-path", "bucket", len(groups(current))-1, "groups", current, "bytes"),
		flip("group-count", "bucket", 3, "groups", current, "bytes"),
		set("group-exchanged", "bucket", exchanged(groups(current)), "groups", current, "bytes"),
		set("group-first-alone", "bucket", text64(groups(current)[:half(groups(current))]), "groups", current, "bytes"),
		set("group-zeros-kept", "bucket", text64(append(slices.Clone(groups(current)), 0)), "groups", current, "bytes"),
		set("group-empty", "bucket", "", "groups", current, "bytes"),
		altered(remove("group-removed", "answer", "groups", current)),
		remove("group-of-sources-removed", "answer", "groups", folded),
		remove("source-removed", "answer", "sources", 1),
		set("source-twice", "answer", affected.Sources[0].Layer, "sources", 1, "layer"),
		set("source-unknown", "answer", strings.Repeat("0", 64), "sources", 1, "layer"),
		set("source-of-one", "answer", affected.Groups[current].Layer, "sources", 1, "layer"),
		set("source-size", "answer", 1, "sources", 0, "p"),
		flip("source-entry", "bucket", 6, "sources", 0, "bytes"),
		set("evaluations-none", "answer", []any{}, "evaluations"),
		altered(set("evaluation-ended-key", "proof", "k0", "evaluations", 0, "key")),
	}
	for i, v := range vs {
		b := applied(t, vs, v)
		trusted := w.vkey
		policy, err := LedgerPolicy(trusted)
		if err != nil {
			t.Fatal(err)
		}
		a, err := VerifyAnswer(b, policy)
		switch {
		case v.Error == "" && err != nil:
			t.Errorf("%s: %v", v.Name, err)
		case v.Error != "" && err == nil:
			t.Errorf("%s: verified as %s, want %s", v.Name, a.Verdict.Result, v.Error)
		case v.Error != "" && Code(err) != v.Error:
			t.Errorf("%s: %s (%v), want %s", v.Name, Code(err), err, v.Error)
		case v.Error == "" && !reflect.DeepEqual(a.Verdict, *v.Verdict):
			t.Errorf("%s: verified as %+v", v.Name, a.Verdict)
		case v.Error != "" && Fault(err) != v.Fault && v.Fault != "":
			t.Errorf("%s: %v: told as %s", v.Name, err, Fault(err))
		}
		if v.Error != "" {
			vs[i].Fault = Fault(err)
		}
	}
	golden(t, "answer2.json", map[string]any{
		"about": "Answer files of version 2, and what becomes of them, as answer.json has it for version 1. Without error a file verifies under ledgerKey, and the witnesses that its statement asks for. " +
			"fault: what is told to be wrong with the file.",
		"ledgerKey": w.vkey, "vectors": vs})
}

func FuzzParseAnswer2(f *testing.F) {
	w := newFoldWorld(f, -1)
	file, err := w.answer2(email(f, worldStranger)).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	policy := w.policy()
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := VerifyAnswer(b, policy); err == nil && got.Verdict.Result != NotInScope {
			t.Fatal("an altered file proves something else")
		}
	})
}

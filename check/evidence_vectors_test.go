package check

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// madeVector is what a client that remembers makes of a server that contradicts itself.
type madeVector struct {
	visitVector
	Evidence json.RawMessage `json:"evidence"` // without what and server, which are the finder's words
}

// evidenceVector is a file of evidence, whole or made of another one, and what a verifier that trusts ledgerKeys says of it.
type evidenceVector struct {
	Name  string          `json:"name"`
	File  json.RawMessage `json:"file,omitempty"`
	Base  string          `json:"base,omitempty"`
	Op    string          `json:"op,omitempty"` // set, remove, flip
	Path  []any           `json:"path,omitempty"`
	Value any             `json:"value,omitempty"`
	Byte  int             `json:"byte,omitempty"`
	Keys  []string        `json:"ledgerKeys,omitempty"` // trusted instead of ledgerKey
	Shown bool            `json:"shown"`                // by the ledger's own signatures
	Error string          `json:"error,omitempty"`
}

// TestEvidenceVectors: what a client makes of a contradiction is what others verify, and what is forged or damaged is refused by
// name (docs/FORMAT.md section 8).
func TestEvidenceVectors(t *testing.T) {
	var made []madeVector
	var vs []evidenceVector
	var vkey string
	seen := func(name, code, rule string, shown bool, then func(l *ledger)) {
		t.Helper()
		v := madeVector{visitVector: visitVector{Name: name, Server: "https://ledger.example.org"}}
		l := newLedger(t, "")
		vkey = l.vkey
		l.visited(&v.visitVector, "", "")
		then(l)
		l.visited(&v.visitVector, code, rule)
		if l.seen == nil {
			t.Fatalf("%s: there is no evidence", name)
		}
		file, err := l.seen.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var words map[string]json.RawMessage
		if err := json.Unmarshal(file, &words); err != nil {
			t.Fatal(err)
		}
		vs = append(vs, evidenceVector{Name: name, File: compact(t, words), Shown: shown})
		delete(words, "what")
		delete(words, "server")
		v.Evidence = compact(t, words)
		made = append(made, v)
	}
	region := func(s *Statement) { s.PhoneRegion = "KR" }
	other := func(l *ledger) { l.forget(5); l.leaves = append(l.leaves, Leaf(KindNotice, []byte("other"))) }
	seen("a rule of the chain", "chain", "region", false, func(l *ledger) { l.next(region) })
	seen("two histories of one size", "fork", "", true, func(l *ledger) {
		l.forget(5)
		l.next(func(s *Statement) { s.Seq, s.Prev = 3, Hash{1} })
	})
	seen("a larger history that begins otherwise", "fork", "", true, func(l *ledger) {
		other(l)
		l.next(func(s *Statement) { s.Seq, s.Prev = 3, Hash{1} })
	})
	seen("a smaller ledger", "rollback", "", false, func(l *ledger) { l.forget(2); l.next(func(s *Statement) { s.Seq, s.Prev = 9, Hash{1} }) })
	seen("another statement of the number", "fork", "", false, func(l *ledger) { l.next(func(s *Statement) { s.Seq, s.Prev, s.PhoneRegion = 1, Hash{}, "KR" }) })
	seen("a key that followed in another history", "fork", "", true, func(l *ledger) {
		l.succeed("ledger 2", "ledger 3")
		side := &ledger{world: &world{t: t}}
		side.ledgerKey("ledger")
		side.leaves = append(side.leaves, Leaf(KindNotice, []byte("other")))
		side.publishRaw(l.keyList[0].Statement)
		l.keyList[0].Proof = side.proof
	})
	vs[len(vs)-1].Keys = []string{vkeyOf("ledger"), vkeyOf("ledger 2")}

	// What a monitor makes, which has both statements.
	l := newLedger(t, "")
	entered := func() Entered {
		return Entered{Kind: KindStatement, SHA256: StatementHash(l.raw), Bytes: l.raw, Proof: l.proof}
	}
	file := func(name string, shown bool, code string, e Evidence) {
		t.Helper()
		e.What, e.Found, e.Server = "what was found", At(worldTime), "https://ledger.example.org"
		b, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		vs = append(vs, evidenceVector{Name: name, File: compact(t, doc), Shown: shown, Error: code})
	}
	first := entered()
	l.next(nil)
	honest := entered()
	two := l.beside()
	two.forget(6)
	two.next(region)
	broken := Entered{KindStatement, StatementHash(two.raw), two.raw, two.proof}
	twice := l.beside()
	twice.forget(6)
	twice.next(func(s *Statement) { s.Seq, s.Prev, s.PhoneRegion = 1, Hash{}, "US" })
	none := l.beside()
	none.next(func(s *Statement) { s.PhoneRegion = "Japan" })
	_, checkpoint, _ := strings.Cut(l.proof, "\n\n")
	file("region: two statements", true, "", Evidence{Rule: "region", Entries: []Entered{first, broken}})
	file("region: two statements that follow", false, "evidence", Evidence{Rule: "region", Entries: []Entered{first, honest}})
	file("keys: two statements that break another rule", false, "evidence", Evidence{Rule: "keys", Entries: []Entered{first, broken}})
	file("region: one statement", false, "", Evidence{Rule: "region", Entries: []Entered{broken}})
	file("fork: one number twice", true, "", Evidence{Rule: "fork", Entries: []Entered{first, {KindStatement, StatementHash(twice.raw), twice.raw, twice.proof}}})
	file("fork: a checkpoint and the same", false, "", Evidence{Rule: "fork", Checkpoints: []string{checkpoint, checkpoint}})
	file("statement: bytes that are no valid statement", true, "", Evidence{Rule: "statement", Entries: []Entered{{KindStatement, StatementHash(none.raw), none.raw, none.proof}}})
	file("statement: a valid one", false, "evidence", Evidence{Rule: "statement", Entries: []Entered{first}})
	file("bytes: an entry whose bytes are not given", false, "", Evidence{Rule: "bytes", Entries: []Entered{{Kind: KindStatement, SHA256: first.SHA256, Proof: first.Proof}}})
	file("a rule that nothing shows", false, "", Evidence{Rule: "api-state", Checkpoints: []string{checkpoint}})
	file("nothing", false, "evidence", Evidence{Rule: "fork"})
	file("two ledgers", false, "evidence", Evidence{Rule: "fork", Checkpoints: []string{checkpoint, otherLedger(t)}})
	vs[len(vs)-1].Keys = []string{vkey, vkeyNamed("other.example.org", "other")}
	twins, apart := twinsEvidence(t)
	file("twins: two layers", true, "", twins)
	file("twins: layers that have nothing in common", false, "evidence", apart)
	missing := twins
	missing.Entries = nil
	missing.Checkpoints = []string{checkpoint}
	file("twins: layers that no statement names", false, "evidence", missing)

	on := func(base, name, op, code string, value any, path ...any) {
		vs = append(vs, evidenceVector{Name: name, Base: base, Op: op, Path: path, Value: value, Error: code})
	}
	const chain, grown = "region: two statements", "a larger history that begins otherwise"
	forged := func(signed string) string { // the signature is the thief's
		text, _, _ := strings.Cut(signed, "\n\n")
		thief := &world{t: t}
		thief.ledgerKey("thief")
		b, err := note.Sign(&note.Note{Text: text + "\n"}, thief.signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	on(chain, "version", "set", "evidence", 2, "v")
	on(chain, "type", "set", "evidence", "shirase answer", "type")
	on(chain, "a member more", "set", "evidence", 1, "more")
	on(chain, "a member of an entry more", "set", "evidence", 1, "entries", 0, "more")
	on(chain, "other bytes", "flip", "evidence", nil, "entries", 0, "bytes")
	on(chain, "another hash", "set", "evidence", strings.Repeat("0", 64), "entries", 0, "sha256")
	on(chain, "another kind", "set", "inclusion", KindNotice, "entries", 0, "kind")
	on(chain, "a proof of another entry", "set", "inclusion", honest.Proof, "entries", 1, "proof")
	on(chain, "a proof that is none", "set", "inclusion", "x", "entries", 1, "proof")
	on(chain, "a proof that another has signed", "set", "checkpoint", strings.Split(broken.Proof, "\n\n")[0]+"\n\n"+forged(checkpointOf(broken.Proof)), "entries", 1, "proof")
	on(grown, "a checkpoint that another has signed", "set", "checkpoint", forged(checkpoint), "checkpoints", 0)
	on(grown, "a checkpoint of more entries than were signed", "set", "checkpoint", strings.Replace(checkpoint, "\n7\n", "\n8\n", 1), "checkpoints", 0)
	on(grown, "a checkpoint that is none", "set", "inclusion", "x\n", "checkpoints", 0)
	on(grown, "hashes of another tree", "set", "evidence", text64(make([]byte, 32)), "consistency", 0)
	on(grown, "a hash less", "remove", "evidence", nil, "consistency", 0)
	on(grown, "a hash that is too short", "set", "evidence", text64(make([]byte, 31)), "consistency", 0)
	on(grown, "no entries", "set", "", []any{}, "entries")
	vs[len(vs)-1].Shown = true
	on(grown, "no hashes: the larger is the finder's word", "set", "", []any{}, "consistency")
	on("twins: two layers", "a bucket of another number", "set", "evidence", 1, "buckets", 0, "number")
	on("twins: two layers", "a bucket of too many bits", "set", "evidence", 25, "buckets", 0, "bits")
	on("twins: two layers", "a bucket that is not the layer's", "flip", "bucket", nil, "buckets", 0, "bytes")
	vs[len(vs)-1].Byte = 10
	on("twins: two layers", "a bucket of another layer", "set", "bucket", strings.Repeat("0", 64), "buckets", 0, "layer")
	on("twins: two layers", "one bucket", "remove", "", nil, "buckets", 0)
	on(chain, "a key that is not trusted", "", "checkpoint", nil)
	vs[len(vs)-1].Keys = []string{vkeyOf("thief")}

	for _, v := range vs {
		trusted := v.Keys
		if trusted == nil {
			trusted = []string{vkey}
		}
		keys, err := ParsePolicy([]byte("log " + strings.Join(trusted, "\nlog ") + "\nquorum none\n"))
		if err != nil {
			t.Fatal(err)
		}
		var bases []answerVector
		for _, b := range vs {
			bases = append(bases, answerVector{Name: b.Name, File: b.File})
		}
		b := applied(t, bases, answerVector{Name: v.Name, File: v.File, Base: v.Base, Op: v.Op, Path: v.Path, Value: v.Value, Byte: v.Byte})
		e, shown, err := VerifyEvidence(b, keys)
		if shown != v.Shown || (err == nil) != (v.Error == "") || err != nil && Code(err) != v.Error || shown && e.Shows == "" {
			t.Errorf("%s: shown %v, %v; want %v, %q", v.Name, shown, err, v.Shown, v.Error)
		}
		if _, err := VerifyAnswer(b, keys); Code(err) != "answer" {
			t.Errorf("%s: as an answer: %v", v.Name, err)
		}
	}
	golden(t, "evidence.json", map[string]any{
		"about": "Evidence (docs/FORMAT.md section 8). made: visits as in first-use.json, of which the last ends with evidence, the file that a client gives (without what and server, its words). " +
			"files: what a verifier that trusts ledgerKeys, else ledgerKey, says of a file: shown by the ledger's signatures or not, or refused with error. base, op, path, value and byte as in answer.json. None is an answer file (answer).",
		"ledgerKey": vkey, "made": made, "files": vs})
}

func compact(t testing.TB, v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

func checkpointOf(proof string) string { _, signed, _ := strings.Cut(proof, "\n\n"); return signed }

// otherLedger is a checkpoint of a ledger of another name.
func otherLedger(t testing.TB) string {
	l := newLedgerNamed(t, "other.example.org", "")
	l.ledgerKey("other")
	return checkpointOf(l.prove(0, l.signer))
}

// twinsEvidence is evidence of one locator and tag in two layers, and of two that have none in common.
func twinsEvidence(t *testing.T) (twins, apart Evidence) {
	w := newFoldWorld(t, -1)
	st := clone(t, w.st)
	y, err := w.keys["k1"].Output(email(t, worldAffected).Input())
	if err != nil {
		t.Fatal(err)
	}
	z, err := w.keys["k1"].Output(email(t, worldStranger).Input())
	if err != nil {
		t.Fatal(err)
	}
	one, two := SealEntry(&y, 16, "in-00", "1", 0), SealEntry(&z, 16, "in-01", "1", 0)
	var sources []Source
	for i, entries := range [][]byte{one[:], slices.Concat(one[:], two[:]), two[:]} {
		sortEntries(entries)
		n := int64(len(entries) / EntrySize)
		info := w.write(func(b *bytes.Buffer) (LayerInfo, error) { return WriteLayer(b, n, 16, true, each(entries)) })
		sources = append(sources, Source{st.Incidents[i].ID, "1", n, info.Root})
		st.Incidents[i].Counts = map[string]int64{"email": n}
	}
	st.Incidents, st.Layers = st.Incidents[:3], nil
	for _, s := range sources {
		st.Layers = append(st.Layers, w.fold("k1", s))
	}
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	w.publish(st)
	bucket := func(s Source) SeenBucket {
		body, err := w.open(s.Root).AppendBucket(nil, 0, w.open(s.Root).Info().Pad)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseBucket(body, 0, s.Root, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return SeenBucket{Layer: s.Root, Bytes: b.Bytes()}
	}
	entry := []Entered{{KindStatement, StatementHash(w.raw), w.raw, w.proof}}
	return Evidence{Rule: "twins", Entries: entry, Buckets: []SeenBucket{bucket(sources[0]), bucket(sources[1])}},
		Evidence{Rule: "twins", Entries: entry, Buckets: []SeenBucket{bucket(sources[0]), bucket(sources[2])}}
}

package check

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gtank/ristretto255"
	"golang.org/x/mod/sumdb/note"

	"shirase/identity"
)

var update = flag.Bool("update", false, "write testdata anew")

// vectorsFormat is the version of the files of vectors: members are added within it, and none means anything else.
const vectorsFormat = 1

// golden compares v with a file of testdata, byte for byte: the vectors are
// what this code makes, so that neither drifts.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	if m, ok := v.(map[string]any); ok {
		m["v"] = vectorsFormat
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, b.Bytes()) {
		t.Fatalf("%s is not what the code makes: run go test ./check -run Vectors -update and read the difference", path)
	}
}

type entryVector struct {
	Input       string `json:"input"`  // hex of x
	Output      string `json:"output"` // hex of y
	LocatorBits int    `json:"locatorBits"`
	Incident    string `json:"incident"`
	Revision    string `json:"revision"`
	Set         uint16 `json:"set"`
	Entry       string `json:"entry"` // hex
}

func TestEntryVectors(t *testing.T) {
	w := newWorld(t)
	var vs []entryVector
	for i, c := range []entryVector{
		{LocatorBits: 16, Incident: "naver-2013", Revision: "1", Set: 0},
		{LocatorBits: 16, Incident: "naver-2013", Revision: "2", Set: 0},
		{LocatorBits: 16, Incident: "naver-2013", Revision: "1", Set: 65535},
		{LocatorBits: 24, Incident: "a", Revision: "1", Set: 1},
		{LocatorBits: 1, Incident: strings.Repeat("z", 64), Revision: "10", Set: 256},
		{LocatorBits: 17, Incident: "0-", Revision: "999999999", Set: 2},
	} {
		x := email(t, fmt.Sprintf("person%d@example.com", i)).Input()
		y, err := w.keys["k1"].Output(x)
		if err != nil {
			t.Fatal(err)
		}
		e := SealEntry(&y, c.LocatorBits, c.Incident, c.Revision, c.Set)
		c.Input, c.Output, c.Entry = hex.EncodeToString(x), hex.EncodeToString(y[:]), hex.EncodeToString(e[:])
		vs = append(vs, c)
		if set, ok, err := y.find(e[:], c.LocatorBits, c.Incident, c.Revision); set != c.Set || !ok || err != nil {
			t.Errorf("not found again: %d, %v, %v", set, ok, err)
		}
		e[12] ^= 1
		if _, _, err := y.find(e[:], c.LocatorBits, c.Incident, c.Revision); err == nil {
			t.Error("a wrong seal opens")
		}
	}
	golden(t, "entry.json", map[string]any{
		"about":     "Entries of 13 bytes. secretKey (hex, RFC 9497 scalar) gives output from input; output, locatorBits, incident, revision and set give entry.",
		"secretKey": hex.EncodeToString(w.keys["k1"].k.Bytes()), "vectors": vs})
}

type layerVector struct {
	Name        string            `json:"name"`
	LocatorBits int               `json:"locatorBits"`
	Entries     string            `json:"entries"` // hex, sorted
	N           int               `json:"n"`
	Bits        int               `json:"bits"`
	Pad         int               `json:"pad"`
	Root        string            `json:"root"`
	Buckets     map[string]string `json:"buckets,omitempty"` // hex without padding, by name
	Paths       map[string]string `json:"paths"`             // hex of the path alone, by name
}

func TestLayerVectors(t *testing.T) {
	var vs []layerVector
	for _, c := range []struct {
		name    string
		n, bits int
		seed    uint64
	}{{"one entry", 1, 16, 1}, {"ten entries", 10, 16, 2}, {"two buckets", 2048, 16, 3}, {"four buckets", 4200, 24, 5}, {"few locator bits", 5000, 1, 4}} {
		entries := randomEntries(c.n, c.bits, c.seed)
		file, info := writeLayer(t, entries, c.bits)
		l, err := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, c.bits)
		if err != nil {
			t.Fatal(err)
		}
		v := layerVector{Name: c.name, LocatorBits: c.bits, Entries: hex.EncodeToString(entries), N: c.n, Bits: info.Bits, Pad: info.Pad, Root: info.Root.String()}
		v.Buckets, v.Paths = map[string]string{}, map[string]string{}
		for b := range int64(1) << info.Bits {
			body, err := l.AppendBucket(nil, b, info.Pad)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseBucket(body, b, info.Root, info.Bits, info.Pad)
			if err != nil {
				t.Fatal(err)
			}
			v.Paths[BucketName(b, info.Bits)] = hex.EncodeToString(got.Path)
			if c.n < 100 {
				v.Buckets[BucketName(b, info.Bits)] = hex.EncodeToString(got.Bytes())
			}
		}
		vs = append(vs, v)
	}
	golden(t, "layer.json", map[string]any{
		"about": "Layers: sorted entries and what follows from them. buckets are responses without their padding, paths their ends.", "vectors": vs})
}

type statementVector struct {
	Name  string `json:"name"`
	Bytes Bytes  `json:"bytes"`
	Error string `json:"error,omitempty"`
	Hash  string `json:"hash,omitempty"`
}

func TestStatementVectors(t *testing.T) {
	w := newWorld(t)
	vs := []statementVector{{Name: "valid", Bytes: w.raw, Hash: StatementHash(w.raw).String()}}
	empty := &Statement{V: 1, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(MaxLife)), PhoneRegion: "JP"}
	raw, err := empty.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	vs = append(vs, statementVector{Name: "valid-empty", Bytes: raw, Hash: StatementHash(raw).String()})
	text := clone(t, w.st)
	text.Incidents[0].Organisation = "é \u2028 \" \\ \x01 \x7f 知らせ 😀 </script>"
	if raw, err = text.Canonical(); err != nil {
		t.Fatal(err)
	}
	vs = append(vs, statementVector{Name: "valid-text", Bytes: raw, Hash: StatementHash(raw).String()})
	for _, name := range slices.Sorted(maps.Keys(dishonest)) {
		st := clone(t, w.st)
		dishonest[name](st)
		raw, err := canonical(st)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, statementVector{Name: name, Bytes: raw, Error: "statement"})
	}
	for _, name := range slices.Sorted(maps.Keys(misspelt)) {
		vs = append(vs, statementVector{Name: name, Bytes: []byte(misspelt[name](string(w.raw))), Error: "statement"})
	}
	for _, v := range vs {
		_, err := ParseStatement(v.Bytes)
		if (err == nil) != (v.Error == "") || err != nil && Code(err) != v.Error {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	golden(t, "statement.json", map[string]any{
		"about": "Statements as base64url bytes: those without error are valid, the others are refused with that error.", "vectors": vs})
}

// answerVector is an answer file, or a tampered one: the base with a value at
// a path set, removed or appended, or a bit of base64url bytes flipped.
type answerVector struct {
	Name    string          `json:"name"`
	File    json.RawMessage `json:"file,omitempty"`
	Base    string          `json:"base,omitempty"`
	Op      string          `json:"op,omitempty"` // set, remove, flip
	Path    []any           `json:"path,omitempty"`
	Value   any             `json:"value,omitempty"`
	Byte    int             `json:"byte,omitempty"`
	Keys    []string        `json:"ledgerKeys,omitempty"` // trusted instead of ledgerKey
	Error   string          `json:"error,omitempty"`
	Fault   string          `json:"fault,omitempty"`
	Verdict *Verdict        `json:"verdict,omitempty"`
}

// answer makes an answer with fixed randomness, so that vectors stay the same.
func (w *world) answer(who string) *Answer {
	w.t.Helper()
	return w.answerFor(email(w.t, who))
}

func (w *world) answerFor(id identity.Identity) *Answer {
	w.t.Helper()
	a := &Answer{V: 1, Type: answerType, PersonalData: PersonalData, Claimed: At(w.now), Identity: AnswerIdentity{string(id.Kind), id.Value},
		Statement: w.raw, Proof: w.proof, Buckets: []AnswerBucket{}}
	outputs, groups := w.evaluations(a, id), map[Hash]*Group{}
	for _, l := range w.st.Layers {
		groups[l.ID] = w.group(l.ID, outputs[l.Key], l.Bits, l.Pad)
		a.Buckets = append(a.Buckets, AnswerBucket{l.ID, groups[l.ID].Bytes()})
	}
	v, err := conclude(w.st, id, got{outputs, groups, nil})
	if err != nil && !errors.Is(err, ErrEntry) {
		w.t.Fatal(err)
	}
	if err == nil {
		a.Verdict = *v.version1()
	}
	return a
}

// evaluations puts those under every key that layers use into an answer.
func (w *world) evaluations(a *Answer, id identity.Identity) map[string]*Output {
	w.t.Helper()
	a.Evaluations = []Evaluation{}
	outputs := map[string]*Output{}
	scalar := func(s string) *ristretto255.Scalar {
		u := sha512.Sum512([]byte(s))
		k, err := ristretto255.NewScalar().SetUniformBytes(u[:])
		if err != nil {
			w.t.Fatal(err)
		}
		return k
	}
	for _, k := range w.st.Keys {
		if k.State == KeyEnded {
			continue
		}
		b, err := blindWith(id.Input(), scalar("blind"+id.Value+k.ID))
		if err != nil {
			w.t.Fatal(err)
		}
		sent := [][]byte{b.Element[:]}
		ev, _, err := w.keys[k.ID].Evaluate(sent)
		if err != nil {
			w.t.Fatal(err)
		}
		proof := proveWith(w.t, w.keys[k.ID], sent, ev, scalar("nonce"+id.Value+k.ID))
		out, err := Finalize(k.Public, []*Blinded{b}, ev, proof)
		if err != nil {
			w.t.Fatal(err)
		}
		outputs[k.ID] = &out[0]
		a.Evaluations = append(a.Evaluations, Evaluation{k.ID, b.Secret(), ev[0], proof})
	}
	return outputs
}

// group reads a layer's group and verifies it.
func (w *world) group(root Hash, y *Output, depth, pad int) *Group {
	w.t.Helper()
	f := w.open(root)
	body, err := f.AppendGroup(nil, depth, y.Bucket(depth), pad)
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := ParseGroup(body, y.Bucket(depth), depth, root, f.Info().Bits, pad)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// without returns the answer as it is when the server cannot give a layer.
func (w *world) without(a *Answer, layer Hash) *Answer {
	w.t.Helper()
	c := *a
	c.Buckets = nil
	outputs, buckets := map[string]*Output{}, map[Hash]*Group{}
	id, err := canonicalIdentity(a.Identity)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range a.Evaluations {
		b, err := BlindWith(id.Input(), e.Blind)
		if err != nil {
			w.t.Fatal(err)
		}
		out, err := Finalize(w.st.Key(e.Key).Public, []*Blinded{b}, [][]byte{e.Evaluated}, e.Proof)
		if err != nil {
			w.t.Fatal(err)
		}
		outputs[e.Key] = &out[0]
	}
	for _, b := range a.Buckets {
		if l := w.st.layer(b.Layer); b.Layer != layer {
			c.Buckets = append(c.Buckets, b)
			if buckets[b.Layer], err = parseSaved(b.Bytes, outputs[l.Key].Bucket(l.Bits), l.Bits, l.Root, l.Bits, l.Pad); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	v, err := conclude(w.st, id, got{outputs, buckets, nil})
	if err != nil {
		w.t.Fatal(err)
	}
	c.Verdict = *v.version1()
	return &c
}

func TestAnswerVectors(t *testing.T) {
	w := newWorld(t)
	affected, stranger := w.answer(worldAffected), w.answer(worldStranger)
	file := func(a *Answer) json.RawMessage {
		b, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	thiefKey, thiefVKey, err := note.GenerateKey(&stream{seed: "thief"}, w.signer.Name())
	if err != nil {
		t.Fatal(err)
	}
	thief, err := note.NewSigner(thiefKey)
	if err != nil {
		t.Fatal(err)
	}
	_, otherVKey, _ := note.GenerateKey(&stream{seed: "other"}, "other.example.org")
	set := func(name string, code string, value any, path ...any) answerVector {
		return answerVector{Name: name, Base: "affected", Op: "set", Path: path, Value: value, Error: code}
	}
	flip := func(name, code string, n int, path ...any) answerVector {
		return answerVector{Name: name, Base: "affected", Op: "flip", Path: path, Byte: n, Error: code}
	}
	remove := func(name, code string, path ...any) answerVector {
		return answerVector{Name: name, Base: "affected", Op: "remove", Path: path, Error: code}
	}
	account, err := identity.NewAccount("points", "00003")
	if err != nil {
		t.Fatal(err)
	}
	member := w.answerFor(account)
	served := 0 // the place of the layer that holds naver-2013
	for i, l := range w.st.Layers {
		if len(l.Sources) == 2 {
			served = i
		}
	}
	partial := w.without(affected, affected.Buckets[served].Layer)
	damaged := newDamagedWorld(t)
	wrongSeal, twice := damaged.answer(worldAffected), damaged.answer("member1@naver-2013.example.com")
	vs := []answerVector{
		{Name: "account", File: file(member), Verdict: &member.Verdict},
		{Name: "layer-missing", File: file(partial), Verdict: &partial.Verdict},
		{Name: "entry-wrong-seal", File: file(wrongSeal), Error: "entry"},
		{Name: "entry-twice", File: file(twice), Error: "entry"},
		set("claimed-too-early", "answer", "2026-11-21T23:49:59Z", "claimed"),
		set("claimed-expired", "answer", "2026-11-24T00:00:00Z", "claimed"),
		set("claimed-fraction", "answer", "2026-11-22T01:00:00.5Z", "claimed"),
		set("claimed-offset", "answer", "2026-11-22T10:00:00+09:00", "claimed"),
		set("bucket-zeros-kept", "bucket", text64(append(slices.Clone(affected.Buckets[served].Bytes), 0)), "buckets", served, "bytes"),
		set("proof-index-plus", "inclusion", strings.Replace(w.proof, "index 5", "index +5", 1), "proof"),
		set("proof-index-zero", "inclusion", strings.Replace(w.proof, "index 5", "index 05", 1), "proof"),
		set("proof-index-beyond", "inclusion", strings.Replace(w.proof, "index 5", "index 6", 1), "proof"),
		set("proof-longer-path", "inclusion", strings.Replace(w.proof, "\n\n", "\n"+strings.Repeat("A", 43)+"=\n\n", 1), "proof"),
		set("null-member", "answer", nil, "buckets"),
		set("number-as-float", "answer", json.RawMessage("1.5"), "verdict", "seq"),
		{Name: "affected", File: file(affected), Verdict: &affected.Verdict},
		{Name: "stranger", File: file(stranger), Verdict: &stranger.Verdict},
		{Name: "another-ledger-trusted", Base: "affected", Keys: []string{otherVKey}, Error: "checkpoint"},
		{Name: "successor-trusted", Base: "affected", Keys: []string{w.vkey, thiefVKey}, Verdict: &affected.Verdict},
		set("version", "answer", 2, "v"),
		set("type", "answer", "shirase notice", "type"),
		set("personal-data", "answer", "This file is evidence.", "personalData"),
		set("claimed-not-a-time", "answer", "yesterday", "claimed"),
		set("unknown-member", "answer", 1, "note"),
		set("kind", "answer", "phone", "identity", "kind"),
		set("kind-unknown", "answer", "name", "identity", "kind"),
		set("other-address", "proof", worldStranger, "identity", "value"),
		set("address-not-canonical", "answer", "Hanako@example.com", "identity", "value"),
		set("not-an-address", "identity", "hanako", "identity", "value"),
		set("verdict-result", "answer", "not-in-scope", "verdict", "result"),
		set("verdict-as-of", "answer", "2026-11-23T00:00:00Z", "verdict", "asOf"),
		set("verdict-seq", "answer", 2, "verdict", "seq"),
		set("verdict-incidents", "answer", []any{}, "verdict", "incidents"),
		set("verdict-classes", "answer", []any{"email"}, "verdict", "incidents", 0, "classes"),
		set("verdict-checked", "answer", []any{"naver-2013"}, "verdict", "checked"),
		set("verdict-not-covered", "answer", []any{}, "verdict", "notCovered"),
		flip("statement", "inclusion", 300, "statement"),
		set("statement-not-base64", "answer", "AA==", "statement"),
		set("proof-empty", "inclusion", "", "proof"),
		set("proof-other-index", "inclusion", strings.Replace(w.proof, "index 5", "index 4", 1), "proof"),
		set("proof-other-signer", "checkpoint", w.prove(5, thief), "proof"),
		set("proof-origin", "checkpoint", strings.Replace(w.proof, "\n\nledger.example.org", "\n\nother.example.org", 1), "proof"),
		set("proof-hash", "inclusion", changeHash(w.proof), "proof"),
		set("proof-root", "checkpoint", changeRoot(w.proof), "proof"),
		set("evaluations-none", "answer", []any{}, "evaluations"),
		set("evaluation-key", "answer", "k3", "evaluations", 0, "key"),
		set("evaluation-other-key", "proof", "k2", "evaluations", 0, "key"),
		flip("blind", "proof", 0, "evaluations", 0, "blind"),
		set("blind-zero", "scalar", strings.Repeat("A", 43), "evaluations", 0, "blind"),
		set("blind-short", "scalar", "AAAA", "evaluations", 0, "blind"),
		set("evaluated-other", "proof", text64(stranger.Evaluations[0].Evaluated), "evaluations", 0, "evaluated"),
		set("evaluated-identity", "element", strings.Repeat("A", 43), "evaluations", 0, "evaluated"),
		flip("proof-c", "proof", 0, "evaluations", 0, "proof"),
		flip("proof-s", "proof", 32, "evaluations", 0, "proof"),
		set("proof-short", "proof", "AAAA", "evaluations", 0, "proof"),
		set("bucket-layer", "answer", strings.Repeat("0", 64), "buckets", 0, "layer"),
		set("bucket-twice", "answer", affected.Buckets[0].Layer, "buckets", 1, "layer"),
		flip("bucket-count", "bucket", 3, "buckets", served, "bytes"),
		flip("bucket-entry", "bucket", 20, "buckets", served, "bytes"),
		flip("bucket-path", "bucket", len(affected.Buckets[served].Bytes)-1, "buckets", served, "bytes"),
		set("bucket-empty", "bucket", "AAAAAA", "buckets", served, "bytes"),
		set("bucket-other", "bucket", text64(w.otherBucket(stranger, served)), "buckets", served, "bytes"),
		remove("bucket-removed", "answer", "buckets", served),
		remove("member-removed", "answer", "verdict"),
	}
	for _, v := range vs {
		b := applied(t, vs, v)
		trusted := v.Keys
		if trusted == nil {
			trusted = []string{w.vkey}
		}
		policy, err := LedgerPolicy(trusted...)
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
		}
	}
	golden(t, "answer.json", map[string]any{
		"about": "Answer files. A vector with a base is the changed file of the vector of that name, in any order: set or remove a value at a path, or flip the lowest bit of one byte of base64url bytes. " +
			"Without error it verifies under ledgerKey (or ledgerKeys) with that verdict; with one it is refused with that name.",
		"ledgerKey": w.vkey, "vectors": vs})
}

func text64(b []byte) string {
	t, _ := Bytes(b).MarshalText()
	return string(t)
}

// otherBucket returns the bucket of the layer that the answer's own is not.
func (w *world) otherBucket(a *Answer, i int) []byte {
	l := w.st.layer(a.Buckets[i].Layer)
	f := w.open(l.ID)
	for n := range int64(1) << l.Bits {
		body, _ := f.AppendBucket(nil, n, l.Pad)
		b, err := ParseBucket(body, n, l.Root, l.Bits, l.Pad)
		if err != nil {
			w.t.Fatal(err)
		}
		if y, _ := w.keys[l.Key].Output(email(w.t, worldAffected).Input()); y.Bucket(l.Bits) != n {
			return b.Bytes()
		}
	}
	w.t.Fatal("the layer has one bucket")
	return nil
}

// changeHash changes the first hash of a tlog-proof, changeRoot the root of its
// checkpoint.
func changeHash(proof string) string {
	lines := strings.Split(proof, "\n")
	lines[2] = strings.Repeat("A", 43) + "="
	return strings.Join(lines, "\n")
}

func changeRoot(proof string) string {
	head, checkpoint, _ := strings.Cut(proof, "\n\n")
	lines := strings.Split(checkpoint, "\n")
	lines[2] = strings.Repeat("A", 43) + "="
	return head + "\n\n" + strings.Join(lines, "\n")
}

// applied returns the file a vector stands for.
func applied(t *testing.T, vs []answerVector, v answerVector) []byte {
	t.Helper()
	if v.File != nil {
		return v.File
	}
	i := slices.IndexFunc(vs, func(b answerVector) bool { return b.Name == v.Base })
	var doc any
	if err := json.Unmarshal(vs[i].File, &doc); err != nil {
		t.Fatal(err)
	}
	if v.Op == "" {
		return vs[i].File
	}
	at := doc
	for _, p := range v.Path[:len(v.Path)-1] {
		at = into(t, at, p)
	}
	last := v.Path[len(v.Path)-1]
	switch v.Op {
	case "set":
		if s, ok := at.([]any); ok {
			s[last.(int)] = v.Value
		} else {
			at.(map[string]any)[last.(string)] = v.Value
		}
	case "remove":
		if s, ok := at.([]any); ok {
			parent := doc
			for _, p := range v.Path[:len(v.Path)-2] {
				parent = into(t, parent, p)
			}
			parent.(map[string]any)[v.Path[len(v.Path)-2].(string)] = slices.Delete(s, last.(int), last.(int)+1)
		} else {
			delete(at.(map[string]any), last.(string))
		}
	case "flip":
		b, err := decode64(into(t, at, last).(string), -1)
		if err != nil {
			t.Fatal(err)
		}
		b[v.Byte] ^= 1
		at.(map[string]any)[last.(string)] = text64(b)
	default:
		t.Fatalf("op %q", v.Op)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func into(t *testing.T, at, p any) any {
	t.Helper()
	if i, ok := p.(int); ok {
		return at.([]any)[i]
	}
	return at.(map[string]any)[p.(string)]
}

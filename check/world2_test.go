package check

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"shirase/identity"
)

const (
	worldDropped  = "dropped@example.com"  // in revision 1 of naver-2013, and not in 2
	worldReopened = "reopened@example.com" // in the incident that is examined again
)

// newWorld2 publishes a statement of version 2 with all that version 2 has:
// superseded revisions, a fold of three sources, keys of every state, incidents
// of every state, accounts that could not be read, and two witnesses.
func newWorld2(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, keys: map[string]*EvaluatorKey{}, layers: map[Hash][]byte{}, now: worldTime.Add(time.Hour)}
	w.ledgerKey("ledger")
	w.witnesses = map[string]*witness{"one": newWitness("one"), "two": newWitness("two")}
	policy := fmt.Sprintf("witness one %s\nwitness two %s\ngroup both all one two\nquorum both\n",
		w.witnesses["one"].VKey(), w.witnesses["two"].VKey())
	st := &Statement{V: 2, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(LifeWitnessed)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash(w.vkey), VKeyHash(vkeyOf("ledger 2")), policy}}
	for id, state := range map[string]KeyState{"k0": KeyEnded, "k1": KeyLive, "k2": KeyCompromised} {
		w.evaluator(st, id, state)
	}
	st.Keys[0].Held = []Held{{"old-2010", "1", rootOf("old-2010 1"), map[string]int64{"email": 3}, [][]string{{"email"}}}}
	emails := func(n int, incident string, first ...string) (ids []identity.Identity) {
		for i := range n {
			who := fmt.Sprintf("member%d@%s.example.com", i, incident)
			if i < len(first) {
				who = first[i]
			}
			ids = append(ids, identity.Identity{Kind: identity.KindEmail, Value: who})
		}
		return ids
	}
	var accounts []identity.Identity
	for i := range 5 {
		accounts = append(accounts, identity.Identity{Kind: identity.KindAccount, Value: fmt.Sprintf("points\x00%05d", i)})
	}
	sets := [][]string{{"email", "nickname", "password:hashed"}, {"email", "password:hashed"}}
	old := w.seal("k1", "naver-2013", "1", emails(2105, "naver-2013", worldAffected, worldDropped), 2)
	naver := w.seal("k1", "naver-2013", "2", emails(2100, "naver-2013", worldAffected), 2)
	shop := w.seal("k1", "shop-2020", "1", emails(10, "shop-2020", worldAffected), 1)
	again := w.seal("k1", "again-2022", "3", emails(7, "again-2022", worldReopened), 1)
	points := w.seal("k2", "points-2021", "1", accounts, 1)
	st.Layers = []Layer{w.fold("k1", naver), w.fold("k1", old, shop, again), w.fold("k2", points)}
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	add := func(id, revision string, state State, kind identity.Kind, n int64, sets [][]string, unreadable map[string]int64, superseded ...Superseded) {
		in := Incident{ID: id, Organisation: "Example " + id, Title: map[string]string{"en": id, "ja": "例示"}, Revision: revision, State: state,
			AsOf: At(worldTime.Add(-time.Hour)), Counts: map[string]int64{}, Sets: sets, Unreadable: unreadable, Superseded: append([]Superseded{}, superseded...)}
		if n > 0 {
			in.Counts[string(kind)] = n
		}
		st.Incidents = append(st.Incidents, in)
	}
	none := map[string]int64{}
	add("naver-2013", "2", Final, identity.KindEmail, 2100, sets, map[string]int64{"email": 3, Rows: 2},
		Superseded{"1", map[string]int64{"email": 2105}, [][]string{{"email", "nickname"}, {"email"}}})
	add("shop-2020", "1", Final, identity.KindEmail, 10, [][]string{{"address", "email"}}, none)
	add("again-2022", "3", Reopened, identity.KindEmail, 7, [][]string{{"email"}}, none)
	add("points-2021", "1", Final, identity.KindAccount, 5, [][]string{{"account-id"}}, none)
	add("town-2026", "0", Investigating, "", 0, [][]string{}, none)
	add("clinic-2025", "0", ByMail, "", 0, [][]string{}, none)
	add("old-2010", "1", Retired, identity.KindEmail, 3, [][]string{{"email"}}, none)
	add("mistake-2024", "0", Withdrawn, "", 0, [][]string{}, none)
	slices.SortFunc(st.Incidents, func(a, b Incident) int { return strings.Compare(a.ID, b.ID) })
	for i := range 5 {
		w.leaves = append(w.leaves, Leaf(KindNotice, fmt.Appendf(nil, "notice %d", i)))
	}
	w.publish(st)
	return w
}

// ledgerKey has the world's ledger signed by a key made from a seed.
func (w *world) ledgerKey(seed string) {
	w.t.Helper()
	skey, vkey, err := note.GenerateKey(&stream{seed: seed}, cmp.Or(w.origin, worldOrigin))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.signer, err = note.NewSigner(skey); err != nil {
		w.t.Fatal(err)
	}
	w.vkey = vkey
}

// vkeyOf is the verifier key of the world's ledger that is made from a seed.
func (w *world) vkeyOf(seed string) string { return vkeyNamed(cmp.Or(w.origin, worldOrigin), seed) }

func vkeyOf(seed string) string { return vkeyNamed(worldOrigin, seed) }

func vkeyNamed(origin, seed string) string {
	_, vkey, err := note.GenerateKey(&stream{seed: seed}, origin)
	if err != nil {
		panic(err)
	}
	return vkey
}

// witness cosigns checkpoints at a time that is given, so that vectors stay the same.
type witness struct {
	name string
	key  ed25519.PrivateKey
}

// newWitness makes a witness's key from its name.
func newWitness(name string) *witness {
	seed := sha256.Sum256([]byte("witness " + name))
	return &witness{"witness.example.org/" + name, ed25519.NewKeyFromSeed(seed[:])}
}

// bytes are the key's type, cosignature/v1, and the public key.
func (w *witness) bytes() []byte {
	return append([]byte{4}, w.key.Public().(ed25519.PublicKey)...)
}

// id is the key's id of C2SP signed-note.
func (w *witness) id() []byte {
	h := sha256.Sum256(append([]byte(w.name+"\n"), w.bytes()...))
	return h[:4]
}

func (w *witness) VKey() string {
	return fmt.Sprintf("%s+%x+%s", w.name, w.id(), base64.StdEncoding.EncodeToString(w.bytes()))
}

// cosign returns the signature line of C2SP tlog-cosignature for a signed checkpoint.
func (w *witness) cosign(signed string, at time.Time) string {
	text, _, _ := strings.Cut(signed, "\n\n")
	sig := ed25519.Sign(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", at.Unix(), text))
	b := binary.BigEndian.AppendUint64(w.id(), uint64(at.Unix()))
	return "— " + w.name + " " + base64.StdEncoding.EncodeToString(append(b, sig...)) + "\n"
}

func (w *world) evaluator(st *Statement, id string, state KeyState) {
	seed := sha256.Sum256([]byte("evaluator " + id))
	var err error
	if w.keys[id], err = DeriveEvaluatorKey(seed[:], nil); err != nil {
		panic(err)
	}
	st.Keys = append(st.Keys, Key{ID: id, LocatorBits: 16, Public: w.keys[id].Public(), State: state})
	slices.SortFunc(st.Keys, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
}

// seal writes the source layer of a revision; members are given sets in turn.
func (w *world) seal(key, id, revision string, members []identity.Identity, sets int) Source {
	w.t.Helper()
	var entries []byte
	for i, who := range members {
		y, err := w.keys[key].Output(who.Input())
		if err != nil {
			w.t.Fatal(err)
		}
		e := SealEntry(&y, 16, id, revision, uint16(i%sets))
		entries = append(entries, e[:]...)
	}
	sortEntries(entries)
	info := w.write(func(b *bytes.Buffer) (LayerInfo, error) {
		return WriteLayer(b, int64(len(members)), 16, true, each(entries))
	})
	return Source{Incident: id, Revision: revision, N: info.N, Root: info.Root}
}

package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/ledger"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// bed is an index in temporary folders.
type bed struct {
	*Index
	t      *testing.T
	root   string
	keys   *files.Keys
	ledger *ledger.Ledger
}

func newBed(t *testing.T, db *store.DB) *bed {
	t.Helper()
	b := openBed(t, db, t.TempDir())
	if _, err := b.NewKey(t.Context(), b.keys, DefaultLocatorBits); err != nil {
		t.Fatal(err)
	}
	return b
}

func openBed(t *testing.T, db *store.DB, root string) *bed {
	t.Helper()
	dir, err := files.Open(filepath.Join(root, "files"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	skey, err := keys.Load("ledger.key")
	if errors.Is(err, files.ErrNotExist) {
		var s string
		if s, _, err = ledger.NewKey("test.example.org"); err == nil {
			skey, err = []byte(s), keys.Create("ledger.key", []byte(s))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(t.Context(), db, dir, string(skey), ledger.Witnesses{})
	if err == nil {
		err = l.Sync(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(t.Context(), db, dir)
	if err != nil {
		t.Fatal(err)
	}
	return &bed{x, t, root, keys, l}
}

// roster makes n members named after a label; the first third has set 1.
func roster(label string, n int) Roster {
	return Roster{ID: label, N: int64(n), Members: members(label, n)}
}

func members(label string, n int) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		for i := range n {
			if !yield(Member{member(label, i), uint16(min(1, 3*i/n))}, nil) {
				return
			}
		}
	}
}

func member(label string, i int) identity.Identity {
	return identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("m%d@%s.example.com", i, label)}
}

var twoSets = [][]string{{"email", "nickname"}, {"email"}}

func subject(id string) Subject {
	return Subject{ID: id, Organisation: "Example", Title: map[string]string{"en": id, "ja": id}, State: check.Final,
		AsOf: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Sets: twoSets}
}

// frame is what every statement of a ledger says.
func frame(l *ledger.Ledger) Frame {
	return Frame{Ledger: check.Signing{Key: check.VKeyHash(l.VKey()), Next: check.VKeyHash("the key that follows")}, PhoneRegion: "JP"}
}

// published is what publishing came to.
type published struct {
	Statement   *check.Statement
	Hash        check.Hash
	LedgerIndex int64
	Changed     bool
}

// put publishes a draft as the publishing room does: appended and recorded in one transaction, then served.
func put(ctx context.Context, l *ledger.Ledger, x *Index, d *Draft, also func(tx *sql.Tx) error) (*published, error) {
	p := &published{d.Statement, check.StatementHash(d.Raw), d.LedgerIndex(), d.Changed}
	if !d.Changed {
		return p, nil
	}
	err := x.db.Update(ctx, func(tx *sql.Tx) (err error) {
		if p.LedgerIndex, _, err = l.Append(ctx, tx, check.KindStatement, d.Raw); err != nil {
			return err
		}
		if err := x.Record(ctx, tx, d, p.LedgerIndex); err != nil || also == nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		return nil, err
	}
	return p, l.Sync(ctx)
}

// publishIn drafts and puts; whoever was overtaken drafts again.
func publishIn(ctx context.Context, l *ledger.Ledger, x *Index, keys *files.Keys, s Subject, sealed *Sealed, also func(tx *sql.Tx) error) (*published, error) {
	for {
		d, err := x.Draft(ctx, keys, frame(l), s, sealed)
		if err != nil {
			return nil, err
		}
		if p, err := put(ctx, l, x, d, also); !errors.Is(err, ErrStale) {
			return p, err
		}
	}
}

// Publish is publishIn of the bed.
func (b *bed) Publish(ctx context.Context, s Subject, sealed *Sealed, also func(tx *sql.Tx) error) (*published, error) {
	return publishIn(ctx, b.ledger, b.Index, b.keys, s, sealed, also)
}

func (b *bed) publish(id string, r Roster) *published {
	b.t.Helper()
	s, err := b.Seal(b.t.Context(), b.keys, id, r, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := b.Publish(b.t.Context(), subject(id), s, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// pass puts the clock forward.
func (b *bed) pass(d time.Duration) {
	before := b.now
	b.now = func() time.Time { return before().Add(d) }
}

func unlimited(*http.Request, int) (time.Duration, bool) { return 0, true }

func (b *bed) host() *Host {
	return NewHost(b.Index, Log{Served: b.ledger.Served, Proof: b.ledger.Proof}, nil)
}

func (b *bed) serve(limit Limit) (*check.Client, *httptest.Server) {
	b.t.Helper()
	h := b.host()
	s := httptest.NewServer(h.Mux(NewEvaluator(b.keys, limit, h.Keys, nil)))
	b.t.Cleanup(s.Close)
	policy, err := check.LedgerPolicy(b.ledger.VKey())
	if err != nil {
		b.t.Fatal(err)
	}
	return &check.Client{Server: s.URL, Policy: policy, Audit: true, Now: func() time.Time { return b.now() }}, s
}

func ask(t *testing.T, c *check.Client, id identity.Identity) *check.Verdict {
	t.Helper()
	a, err := c.Check(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return &a.Verdict
}

func TestPublishAndCheck(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		first := b.publish("alpha", roster("a", 2500))
		if !first.Changed || first.Statement.Seq != 1 || len(first.Statement.Layers) != 1 || first.Statement.Layers[0].Bits != 1 {
			t.Fatalf("%+v", first.Statement)
		}
		c, _ := b.serve(unlimited)
		if v := ask(t, c, member("a", 2499)); v.Result != check.Affected || !slices.Equal(v.Incidents[0].Classes, []string{"email"}) {
			t.Fatalf("%+v", v)
		}
		if v := ask(t, c, member("a", 0)); v.Result != check.Affected || !slices.Equal(v.Incidents[0].Classes, []string{"email", "nickname"}) {
			t.Fatalf("%+v", v)
		}
		if v := ask(t, c, member("b", 0)); v.Result != check.NotInScope {
			t.Fatalf("%+v", v)
		}
		// The same again changes nothing.
		again := b.publish("alpha", roster("a", 2500))
		if again.Changed || again.Hash != first.Hash {
			t.Fatal("publishing the same again published something")
		}
		// A second incident is a layer of its own; a running server takes it up.
		second := b.publish("beta", roster("b", 10))
		if l := second.Statement.Layers; len(l) != 2 || len(l[0].Sources) != 1 || len(l[1].Sources) != 1 || second.Statement.Prev != first.Hash {
			t.Fatalf("%+v", second.Statement)
		}
		b.pass(freshFor)
		if v := ask(t, c, member("b", 0)); v.Result != check.Affected || v.Seq != 2 {
			t.Fatalf("%+v", v)
		}
		// Another roster is the next revision, all entries anew. The one before stays, and is asked.
		third := b.publish("alpha", roster("a2", 20))
		in := third.Statement.Incident("alpha")
		if in.Revision != "2" || len(third.Statement.Layers) != 3 || len(in.Superseded) != 1 || in.Superseded[0].Revision != "1" || in.Superseded[0].Counts["email"] != 2500 {
			t.Fatalf("%+v", third.Statement)
		}
		// An investigation is named, and in no layer.
		inv := subject("gamma")
		inv.State = check.Investigating
		if _, err := b.Publish(t.Context(), inv, nil, nil); err != nil {
			t.Fatal(err)
		}
		b.pass(freshFor)
		v := ask(t, c, member("b", 0))
		if v.Result != check.Affected || !slices.Equal(v.NotCovered, []check.NotCovered{{ID: "gamma", Why: check.WhyInvestigating}}) {
			t.Fatalf("%+v", v)
		}
		for _, f := range []func() (*Report, error){
			func() (*Report, error) { return b.Verify(t.Context(), nil) },
			func() (*Report, error) { return b.Count(t.Context()) },
			func() (*Report, error) { return b.Fold(t.Context()) },
		} {
			if r, err := f(); err != nil || r.N != 2530 || len(r.Layers) != 3 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if names, _ := b.dir.List("build"); len(names) != 0 {
			t.Errorf("chunks are left: %v", names)
		}
	})
}

func TestReissue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		if _, err := b.Reissue(t.Context(), frame(b.ledger), false); !errors.Is(err, ErrNone) {
			t.Fatal(err)
		}
		first := b.publish("alpha", roster("a", 10))
		if d, err := b.Reissue(t.Context(), frame(b.ledger), false); err != nil || d != nil {
			t.Fatalf("%+v, %v", d, err)
		}
		b.pass(25 * time.Hour)
		d, err := b.Reissue(t.Context(), frame(b.ledger), false)
		if err != nil {
			t.Fatal(err)
		}
		p, err := put(t.Context(), b.ledger, b.Index, d, nil)
		if err != nil || !p.Changed || p.Statement.Seq != 2 || p.Statement.Prev != first.Hash {
			t.Fatalf("%+v, %v", p, err)
		}
		c, _ := b.serve(unlimited)
		if v := ask(t, c, member("a", 0)); v.Seq != 2 {
			t.Fatalf("%+v", v)
		}
	})
}

// TestTransaction fails the caller's part of the transaction: nothing is published.
func TestTransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		s, err := b.Seal(t.Context(), b.keys, "alpha", roster("a", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		boom := errors.New("boom")
		if _, err := b.Publish(t.Context(), subject("alpha"), s, func(*sql.Tx) error { return boom }); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if _, _, _, err := b.Statement(t.Context()); !errors.Is(err, ErrNone) {
			t.Fatalf("a statement is there: %v", err)
		}
		if _, tree, err := b.ledger.Checkpoint(); err != nil || tree.N != 0 {
			t.Fatalf("the ledger has %d entries, %v", tree.N, err)
		}
	})
}

func (b *bed) layerFiles() []string {
	names, err := filepath.Glob(filepath.Join(b.root, "files", "layers", "*"))
	if err != nil || len(names) == 0 {
		b.t.Fatalf("no layers: %v", err)
	}
	return names
}

// TestDamage flips bits of layers and truncates them: index verify finds each,
// a truncated layer is not served and the answer names what it could not check.
func TestDamage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.many = 1 // a fold of two
		b.publish("alpha", roster("a", 50))
		b.publish("beta", roster("b", 20))
		for _, path := range b.layerFiles() {
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(good); i += 29 {
				bad := bytes.Clone(good)
				bad[i] ^= 0x10
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Verify(t.Context(), nil); !errors.Is(err, check.ErrLayer) {
					t.Fatalf("byte %d of %s flipped: %v", i, filepath.Base(path), err)
				}
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		st, _, _, err := b.Statement(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(b.root, "files", "layers", st.Layers[0].Root.String())
		if err := os.Truncate(path, 100); err != nil {
			t.Fatal(err)
		}
		c, _ := b.serve(unlimited)
		c.Audit = false
		v := ask(t, c, member("a", 0))
		if v.Result != check.Incomplete || len(v.NotCovered) != 2 || v.NotCovered[0].Why != check.WhyLayerMissing {
			t.Fatalf("%+v", v)
		}
		if _, err := b.Fold(t.Context()); err != nil { // a served layer follows from its sources
			t.Fatal(err)
		}
		if _, err := b.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRepair damages each layer of a fold and of a layer beside it, in every way: what follows from its sources is folded
// anew whatever else is wrong, and of what does not, the command that seals it again is said, and is right.
func TestRepair(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.many = 1
		rosters := map[string]Roster{"alpha": roster("a", 50), "beta": roster("b", 20)}
		for id, r := range rosters {
			b.publish(id, r)
		}
		st, _, _, err := b.Statement(t.Context())
		if err != nil || len(st.Layers) != 1 || len(st.Layers[0].Sources) != 2 {
			t.Fatalf("%+v, %v", st, err)
		}
		folded := layerName(st.Layers[0].Root)
		whole := func(what string) {
			t.Helper()
			m, err := b.Index.Repair(t.Context())
			if err != nil || len(m.Written) > 0 {
				t.Errorf("%s: %v, %v", what, m.Written, err)
			}
			if _, err := b.Verify(t.Context(), nil); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		whole("nothing")
		tried := 0
		for _, path := range b.layerFiles() {
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := bytes.Clone(good)
			bad[len(bad)/2] ^= 1
			for what, data := range map[string][]byte{"missing": nil, "truncated": good[:len(good)/2], "a bit": bad, "other bytes": []byte("other"), "empty": {}} {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if data != nil {
					if err := os.WriteFile(path, data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				tried++
				m, err := b.Index.Repair(t.Context())
				if layerFolder+filepath.Base(path) == folded {
					if err != nil || !slices.Equal(m.Written, []string{folded}) {
						t.Fatalf("%s: %+v, %v", what, m, err)
					}
					whole(what)
					continue
				}
				_, id, ok := strings.Cut(hint.Of(err), "shirase publish ")
				if len(m.Written) > 0 || !ok {
					t.Fatalf("%s: %+v, %v, hint %q", what, m, err, hint.Of(err))
				}
				id, _, _ = strings.Cut(id, ";")
				if _, err := b.Seal(t.Context(), b.keys, id, rosters[id], nil); err != nil {
					t.Fatal(err)
				}
				whole(what)
			}
		}
		if tried != 15 {
			t.Errorf("%d damages", tried)
		}
	})
}

// TestWrongKey swaps the key file for another key: sealing refuses it (and so does serving, TestNoKey).
func TestWrongKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		path := filepath.Join(b.root, "keys", "evaluator-k1.key")
		if err := os.WriteFile(path, []byte(check.GenerateEvaluatorKey().Secret()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Seal(t.Context(), b.keys, "beta", roster("b", 10), nil); !errors.Is(err, ErrKey) {
			t.Fatal(err)
		}
	})
}

// TestSealedUnderAnotherKey puts chunks on disk that another key sealed, as a
// thief of the disk could: the self-check refuses to publish them.
func TestSealedUnderAnotherKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		other := check.GenerateEvaluatorKey()
		var entries []check.Entry
		for i := range 10 {
			y, err := other.Output(member("a", i).Input())
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, check.SealEntry(&y, DefaultLocatorBits, "alpha", "1", 0))
		}
		slices.SortFunc(entries, func(a, b check.Entry) int { return bytes.Compare(a[:], b[:]) })
		var chunk []byte
		for _, e := range entries {
			chunk = append(chunk, e[:]...)
		}
		sum := sha256.Sum256(chunk)
		if err := b.dir.Put("build/k1/alpha/1/000000", append(chunk, sum[:]...)); err != nil {
			t.Fatal(err)
		}
		s, err := b.Seal(t.Context(), b.keys, "alpha", roster("a", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Publish(t.Context(), subject("alpha"), s, nil); !errors.Is(err, ErrSelfCheck) {
			t.Fatalf("published: %v", err)
		}
		if _, _, _, err := b.Statement(t.Context()); !errors.Is(err, ErrNone) {
			t.Fatalf("a statement is there: %v", err)
		}
	})
}

func TestSealRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		if _, err := b.Seal(t.Context(), b.keys, "alpha", roster("a", 0), nil); !errors.Is(err, ErrEmpty) {
			t.Fatal(err)
		}
		short := roster("a", 5)
		short.N = 6
		if _, err := b.Seal(t.Context(), b.keys, "alpha", short, nil); err == nil {
			t.Fatal("a roster that is short was sealed")
		}
		twice := Roster{ID: "twice", N: 2, Members: func(yield func(Member, error) bool) {
			_ = yield(Member{member("a", 0), 0}, nil) && yield(Member{member("a", 0), 1}, nil)
		}}
		if _, err := b.Seal(t.Context(), b.keys, "alpha", twice, nil); !errors.Is(err, check.ErrLayer) {
			t.Fatalf("one identity twice: %v", err)
		}
		broken := Roster{ID: "broken", N: 2, Members: func(yield func(Member, error) bool) {
			yield(Member{}, io.ErrUnexpectedEOF)
		}}
		if _, err := b.Seal(t.Context(), b.keys, "alpha", broken, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if _, err := b.Publish(t.Context(), subject("alpha"), nil, nil); err == nil {
			t.Fatal("a final incident was published without a seal")
		}
	})
}

func TestEvaluateEndpoint(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		_, s := b.serve(unlimited)
		good, err := check.Blind([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		el, _ := check.Bytes(good.Element[:]).MarshalText()
		e := string(el)
		many := strings.Repeat(`"`+e+`",`, 17)
		for name, c := range map[string]struct {
			body   string
			status int
		}{
			"good":           {`{"key":"k1","blinded":["` + e + `"]}`, 200},
			"sixteen":        {`{"key":"k1","blinded":[` + many[:16*46-1] + `]}`, 200},
			"seventeen":      {`{"key":"k1","blinded":[` + many[:17*46-1] + `]}`, 400},
			"none":           {`{"key":"k1","blinded":[]}`, 400},
			"unknown key":    {`{"key":"k2","blinded":["` + e + `"]}`, 404},
			"identity":       {`{"key":"k1","blinded":["` + e + `","` + strings.Repeat("A", 43) + `"]}`, 400},
			"padded":         {`{"key":"k1","blinded":["` + e + `="]}`, 400},
			"unknown member": {`{"key":"k1","blinded":["` + e + `"],"x":1}`, 400},
			"twice":          {`{"key":"k1","key":"k1","blinded":["` + e + `"]}`, 400},
			"not json":       {`blinded`, 400},
			"empty":          {``, 400},
			"long":           {`{"key":"` + strings.Repeat("k", 1<<16) + `"}`, 413},
		} {
			res, err := http.Post(s.URL+"/check/v1/evaluate", "application/json", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != c.status {
				t.Errorf("%s: %d, want %d: %s", name, res.StatusCode, c.status, body)
			}
			if c.status != 200 {
				if res.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: not problem details", name)
				}
				continue
			}
			var reply check.EvaluateReply
			if err := json.Unmarshal(body, &reply, json.RejectUnknownMembers(true)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, m := range []string{http.MethodGet, http.MethodPut} {
			req, _ := http.NewRequest(m, s.URL+"/check/v1/evaluate", nil)
			res, err := http.DefaultClient.Do(req)
			if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s: %v, %v", m, res.StatusCode, err)
			}
		}
	})
}

// TestEvaluateWantsJSON: a page elsewhere can have its visitors send forms and texts, and those evaluate nothing.
func TestEvaluateWantsJSON(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		counted := 0
		_, s := b.serve(func(_ *http.Request, n int) (time.Duration, bool) {
			counted += n
			return 0, true
		})
		for contentType, want := range map[string]int{
			"application/json": 200, "application/json; charset=utf-8": 200, "Application/JSON": 200,
			"": 415, "text/plain": 415, "text/plain; application/json": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415, "application/problem+json": 415,
		} {
			counted = 0
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+evaluatePath, strings.NewReader(evaluation(t)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want || (counted > 0) != (want == 200) {
				t.Errorf("%q: %d, %d elements counted", contentType, res.StatusCode, counted)
			}
		}
	})
}

func TestLimitCountsElements(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		var counted int
		_, s := b.serve(func(_ *http.Request, n int) (time.Duration, bool) {
			counted += n
			return 1500 * time.Millisecond, false
		})
		good, _ := check.Blind([]byte("x"))
		el, _ := check.Bytes(good.Element[:]).MarshalText()
		res, err := http.Post(s.URL+"/check/v1/evaluate", "application/json", strings.NewReader(`{"key":"k1","blinded":["`+string(el)+`","`+string(el)+`"]}`))
		if err != nil || res.StatusCode != 429 || res.Header.Get("Retry-After") != "2" || counted != 2 {
			t.Fatalf("%v, %v, counted %d, Retry-After %q", res.StatusCode, err, counted, res.Header.Get("Retry-After"))
		}
		h := b.host()
		refused := false
		e := NewEvaluator(b.keys, func(*http.Request, int) (time.Duration, bool) {
			refused = !refused
			return time.Second, refused
		}, h.Keys, nil)
		watched := httptest.NewServer(h.Mux(e))
		t.Cleanup(watched.Close)
		for range 3 {
			fetch(t, "POST", watched.URL+evaluatePath, evaluation(t))
		}
		if v := e.Volume(); v != (Volume{Evaluated: 2, Refused: 1}) {
			t.Errorf("%+v", v)
		}
	})
}

// TestBucketsLookAlike: every response of a layer has one length and headers
// that tell nothing.
func TestBucketsLookAlike(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		p := b.publish("alpha", roster("a", 9000))
		l := p.Statement.Layers[0]
		_, s := b.serve(unlimited)
		var seen []byte
		for n := range int64(1) << l.Bits {
			res, err := http.Get(s.URL + "/check/v1/layers/" + l.ID.String() + "/buckets/" + check.BucketName(n, l.Bits))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if len(body) != l.Pad || res.ContentLength != int64(l.Pad) || !strings.Contains(res.Header.Get("Cache-Control"), "immutable, no-transform") {
				t.Fatalf("bucket %d: %d bytes, pad %d, %v", n, len(body), l.Pad, res.Header)
			}
			got, err := check.ParseBucket(body, n, l.Root, l.Bits, l.Pad)
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, got.Entries...)
		}
		if len(seen) != 9000*check.EntrySize {
			t.Fatalf("%d entries in all", len(seen)/check.EntrySize)
		}
		for path, status := range map[string]int{
			l.ID.String() + "/buckets/zz":                 404,
			l.ID.String() + "/buckets/00":                 404,
			l.ID.String() + "/buckets/" + "8":             404,
			strings.Repeat("0", 64) + "/buckets/0":        404,
			strings.ToUpper(l.ID.String()) + "/buckets/0": 404,
			"..%2f..%2fledger/buckets/0":                  404,
			l.ID.String():                                 200,
			hex.EncodeToString(l.ID[:31]) + "/buckets/0":  404,
		} {
			res, err := http.Get(s.URL + "/check/v1/layers/" + path)
			if err != nil || res.StatusCode != status {
				t.Errorf("%s: %v, %v, want %d", path, res.StatusCode, err, status)
			}
		}
		// The whole layer is there for whoever wants to count or fold again.
		res, err := http.Get(s.URL + "/check/v1/layers/" + l.ID.String())
		if err != nil {
			t.Fatal(err)
		}
		whole, _ := io.ReadAll(res.Body)
		f, err := check.OpenLayer(bytes.NewReader(whole), int64(len(whole)), l.Root, DefaultLocatorBits)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(t.Context(), true, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNothingPublished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		c, _ := b.serve(unlimited)
		var status *check.StatusError
		if _, err := c.Check(context.Background(), member("a", 0)); !errors.As(err, &status) || status.Status != 404 {
			t.Fatal(err)
		}
		if _, err := b.Verify(t.Context(), nil); !errors.Is(err, ErrNone) {
			t.Fatal(err)
		}
	})
}

func TestLocatorBits(t *testing.T) {
	for n, want := range map[int64]int{0: DefaultLocatorBits, 1: 8, 10_000: 8, 1_692_496: 10, 8_000_000: 12, 100_000_000: 16, 200_000_000: 17, 1 << 40: 24} {
		if got := LocatorBits(n); got != want {
			t.Errorf("LocatorBits(%d) = %d, want %d", n, got, want)
		}
	}
	// At its planned size an index has buckets of the usual size, also where nobody said one.
	for _, n := range []int64{300_000, 1_692_496, 8_000_000, 1 << 30} {
		if got := check.BucketBits(n, LocatorBits(n)); got != check.BucketBits(n, check.MaxLocatorBits) {
			t.Errorf("an index of %d entries has 2^%d buckets", n, got)
		}
	}
	if check.BucketBits(8_000_000, DefaultLocatorBits) != check.BucketBits(8_000_000, check.MaxLocatorBits) {
		t.Error("the default does not fit the size that it is said to fit")
	}
}

// TestFewStandAlone counts, in a layer of 5,000 entries, those whose locator no other entry has: an entry that stands alone can
// be recognised in another layer of the key.
func TestFewStandAlone(t *testing.T) {
	key := check.GenerateEvaluatorKey()
	outputs := make([]check.Output, 5000)
	for i := range outputs {
		var err error
		if outputs[i], err = key.Output(member("a", i).Input()); err != nil {
			t.Fatal(err)
		}
	}
	alone := func(locatorBits int) int {
		many := map[[3]byte]int{}
		for i := range outputs {
			e := check.SealEntry(&outputs[i], locatorBits, "alpha", "1", 0)
			many[[3]byte(e[:3])]++
		}
		n := 0
		for _, entries := range many {
			if entries == 1 {
				n++
			}
		}
		return n
	}
	planned, usual, before := alone(LocatorBits(5000)), alone(DefaultLocatorBits), alone(16)
	if planned > 50 || usual < 1200 || usual > 1800 || before < 4000 { // expected: 0.0, 1,475 and 4,633
		t.Errorf("of 5,000 stand alone: %d with the planned locator, %d with the default, %d with 16 bits", planned, usual, before)
	}
}

// TestChain refuses chains that skip, fork, or seal one revision twice.
func TestChain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.many = 1
		b.publish("alpha", roster("a", 10))
		b.publish("beta", roster("b", 10))
		raw := func(seq int) []byte {
			var r []byte
			if err := db.QueryRowContext(t.Context(), `SELECT bytes FROM index_statement WHERE seq = $1`, seq).Scan(&r); err != nil {
				t.Fatal(err)
			}
			return r
		}
		var c Chain
		if err := c.Next(raw(2)); !errors.Is(err, ErrChain) {
			t.Fatalf("a chain that begins with number 2: %v", err)
		}
		if err := errors.Join(c.Next(raw(1)), b.VerifyChain(t.Context(), &c, c.Seq, c.Seq)); !errors.Is(err, ErrChain) {
			t.Fatalf("a ledger that ends before the database: %v", err)
		}
		st, err := check.ParseStatement(raw(2))
		if err != nil {
			t.Fatal(err)
		}
		for i := range st.Layers[0].Sources { // sealed again under the same revision
			st.Layers[0].Sources[i].Root[0] ^= 1
		}
		again, err := st.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		fork := c
		if err := fork.Next(again); !errors.Is(err, ErrChain) {
			t.Fatalf("one revision with two layers: %v", err)
		}
		if err := errors.Join(c.Next(raw(2)), b.VerifyChain(t.Context(), &c, c.Seq, c.Seq)); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), `UPDATE index_statement SET hash = $1 WHERE seq = 2`, strings.Repeat("0", 64)); err != nil {
			t.Fatal(err)
		}
		if err := b.VerifyChain(t.Context(), &c, c.Seq, c.Seq); !errors.Is(err, ErrChain) {
			t.Fatalf("an edited row: %v", err)
		}
	})
}

// TestBrokenRosterLeavesNothing: a roster that turns out damaged at its end
// leaves no chunks that a later run would take for its own.
func TestBrokenRosterLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.minChunk = 10
		r := roster("a", 100)
		r.Members = func(yield func(Member, error) bool) {
			for m := range members("foreign", 95) {
				if !yield(m, nil) {
					return
				}
			}
			yield(Member{}, io.ErrUnexpectedEOF)
		}
		if _, err := b.Seal(t.Context(), b.keys, "alpha", r, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if names, err := b.dir.List("build"); err != nil || len(names) != 0 {
			t.Fatalf("chunks are left: %v, %v", names, err)
		}
		b.publish("alpha", roster("a", 100))
		c, _ := b.serve(unlimited)
		if v := ask(t, c, member("a", 50)); v.Result != check.Affected {
			t.Fatalf("%+v", v)
		}
	})
}

// TestOvertaken has a publisher that sealed an earlier scope come after one
// that published a later scope: it must not put the earlier one in its place.
func TestOvertaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		slow, err := b.Seal(t.Context(), b.keys, "alpha", roster("first", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		b.publish("alpha", roster("second", 10))
		if _, err := b.Publish(t.Context(), subject("alpha"), slow, nil); !errors.Is(err, ErrOlder) {
			t.Fatalf("an earlier scope was published over a later one: %v", err)
		}
		var c Chain
		st, raw, _, err := b.Statement(t.Context())
		if err != nil || c.Next(raw) != nil {
			t.Fatal(err)
		}
		back := *st
		back.Seq, back.Prev = 2, c.Hash
		back.Incidents[0].Revision, back.Layers[0].Sources[0].Revision = "1", "1"
		raw, err = back.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Next(raw); !errors.Is(err, ErrChain) {
			t.Fatalf("a chain that goes back to an earlier revision: %v", err)
		}
	})
}

// TestWrongSets has a statement whose exposure sets are not the roster's: the
// self-check does not let people be told of other data than they lost.
func TestWrongSets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		s, err := b.Seal(t.Context(), b.keys, "alpha", roster("a", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		wrong := subject("alpha")
		wrong.Sets = [][]string{twoSets[1], {"email", "name"}}
		for i := range s.sample { // what the roster said of each
			s.sample[i].Set = 1 - s.sample[i].Set
		}
		if _, err := b.Publish(t.Context(), wrong, s, nil); !errors.Is(err, ErrSelfCheck) {
			t.Fatal(err)
		}
	})
}

// TestDamagedBucket: what caches would keep for a year is verified before it
// goes out, the client finds the damage, and publishing again mends it.
func TestDamagedBucket(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		p := b.publish("alpha", roster("a", 50))
		path := b.layerFiles()[0]
		bad, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad[100] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		c, s := b.serve(unlimited)
		if _, err := c.Check(t.Context(), member("a", 0)); !errors.Is(err, check.ErrBucket) {
			t.Fatal(err)
		}
		res, err := http.Get(s.URL + "/check/v1/layers/" + p.Statement.Layers[0].ID.String() + "/buckets/0")
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%v, %v, %v", res.Status, res.Header, err)
		}
		if again := b.publish("alpha", roster("a", 50)); again.Changed {
			t.Fatal("mending published something")
		}
		if _, err := b.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	})
}

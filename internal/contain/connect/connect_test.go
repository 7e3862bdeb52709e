package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const (
	stolen = "the-stolen-Passw0rd"
	chosen = "correct Horse battery 9 staple"
	nobody = "nobody-of-that-name"
)

// A standing is a system with an account, seen from outside: by who tries to log in, and by who has a session.
type standing struct {
	Connector
	account  string
	takes    func(password string) bool // whether the account gets in by it, or could once it has changed it
	sessions func() int                 // -1: there are none here
	grace    bool                       // the password before is taken for a while
	must     bool                       // and is not, once the directory itself wants it changed
}

func order(account string) Order {
	return Order{ID: "order-1", Account: account, Issued: time.Now(), Seed: []byte("thirty-two bytes of this account")}
}

// contract is what every connector has to keep: sessions ended, old password refused, a new one before anybody gets in.
func (s standing) contract(t *testing.T) {
	t.Helper()
	if !s.takes(stolen) {
		t.Fatal("the account is not as the test has it")
	}
	for _, round := range []string{"forced", "forced again"} { // the same order changes nothing more
		out, err := s.Force(t.Context(), order(s.account))
		if err != nil {
			t.Fatalf("%s: %v", round, err)
		}
		s.holds(t, round, out)
		if s.takes(stolen) || s.takes(chosen) || s.takes("") {
			t.Errorf("%s, and somebody gets in", round)
		}
	}
	out, err := s.Reset(t.Context(), order(s.account), chosen)
	if err != nil {
		t.Fatal(err)
	}
	s.holds(t, "reset", out)
	if s.takes(stolen) || !s.takes(chosen) {
		t.Errorf("reset: the old one is taken: %v, the new one: %v", s.takes(stolen), s.takes(chosen))
	}
	o := order(s.account)
	o.Chosen = true
	if out, err := s.Again(t.Context(), o); err != nil || s.grace != (out.Refused == Pending) {
		t.Errorf("looked at again: %+v, %v", out, err)
	}
	if same, known, err := s.Same(t.Context(), s.account, chosen); err != nil || known && !same {
		t.Errorf("the same: %v %v %v", same, known, err)
	}
	if same, _, err := s.Same(t.Context(), s.account, "another Passw0rd of theirs"); err != nil || same {
		t.Errorf("another one: %v %v", same, err)
	}
	if _, err := s.Reset(t.Context(), order(s.account), "and another Passw0rd 7"); err != nil || s.takes(chosen) {
		t.Errorf("a second reset: %v", err)
	}
	for _, do := range []func() error{
		func() error { _, err := s.Force(t.Context(), order(nobody)); return err },
		func() error { _, err := s.Reset(t.Context(), order(nobody), chosen); return err },
	} {
		if err := do(); !errors.Is(err, ErrNoAccount) {
			t.Errorf("of nobody: %v", err)
		}
	}
	if len(s.Describe()) == 0 || strings.Contains(string(s.Describe()), "secret") {
		t.Errorf("%s", s.Describe())
	}
}

func (s standing) holds(t *testing.T, what string, out Outcome) {
	t.Helper()
	want := Yes
	if s.grace && !(s.must && what != "reset") {
		want = Pending // it takes the one before: nobody is told that it does not
	}
	if out.Refused != want {
		t.Errorf("%s: the old one is refused: %v", what, out.Refused)
	}
	switch n := s.sessions(); {
	case n < 0 && out.Ended != Nothing, n == 0 && out.Ended != Yes, n > 0:
		t.Errorf("%s: %d sessions, ended: %v", what, n, out.Ended)
	}
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// shop is a program that keeps the contract of docs/CONNECTORS.md.
type shop struct {
	mu       sync.Mutex
	password string
	must     bool
	sessions int
	issued   time.Time
	verify   *standardwebhooks.Webhook
	status   int // 0: as it should be
	body     string
	seen     []string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || s.verify.Verify(body, r.Header) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.body)
		return
	}
	var a struct {
		V        int       `json:"v"`
		Type     string    `json:"type"`
		Account  string    `json:"account"`
		Order    string    `json:"order"`
		Issued   time.Time `json:"issued"`
		Password string    `json:"password"`
	}
	if err := json.Unmarshal(body, &a, json.RejectUnknownMembers(true)); err != nil || a.V != Version {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.seen = append(s.seen, a.Type)
	if a.Account != "m1" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if a.Type != "password.same" && a.Issued.Before(s.issued) {
		fmt.Fprint(w, `{"old":"refused","sessions":"ended"}`)
		return
	}
	switch a.Type {
	case "password.force":
		s.password, s.must, s.sessions, s.issued = "", true, 0, a.Issued
	case "password.reset":
		s.password, s.must, s.sessions, s.issued = a.Password, false, 0, a.Issued
	case "password.same":
		fmt.Fprintf(w, `{"same":%v}`, a.Password == s.password)
		return
	case "sessions.end":
		s.sessions = 0
	}
	fmt.Fprint(w, `{"old":"refused","sessions":"ended"}`)
}

func newShop(t *testing.T) (*shop, *Webhook) {
	t.Helper()
	verify, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{password: stolen, sessions: 2, verify: verify}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	w, err := NewWebhook(server.URL, secret)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func TestWebhook(t *testing.T) {
	s, w := newShop(t)
	standing{Connector: w, account: "m1", takes: func(p string) bool { return p != "" && p == s.password && !s.must }, sessions: func() int { return s.sessions }}.contract(t)
	// A late order of before changes nothing.
	o := order("m1")
	o.Issued = time.Now().Add(-time.Hour)
	if _, err := w.Force(t.Context(), o); err != nil || s.must {
		t.Errorf("%v, must change: %v", err, s.must)
	}
	for status, want := range map[int]error{404: ErrNoAccount, 410: ErrNoAccount, 422: ErrPassword, 409: ErrRefused, 401: ErrAway, 403: ErrAway, 302: ErrAway, 502: ErrAway, 503: ErrAway} {
		s.status = status
		if _, err := w.Force(t.Context(), order("m1")); !errors.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
	for _, status := range []int{400, 429, 500, 504} {
		s.status = status
		_, err := w.Force(t.Context(), order("m1"))
		for _, final := range []error{ErrNoAccount, ErrPassword, ErrRefused, ErrAway} {
			if err == nil || errors.Is(err, final) {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
	s.status = 501
	if _, known, err := w.Same(t.Context(), "m1", "x"); known || err != nil {
		t.Errorf("what is not there: %v %v", known, err)
	}
	s.status = 200
	for _, body := range []string{"{", `{"old":"no"}`, `{"sessions":"refused"}`, `{"old":"none"}`, `[]`, strings.Repeat("x", 20<<10)} {
		s.body = body
		if _, err := w.Force(t.Context(), order("m1")); err == nil {
			t.Errorf("%.20q is taken for an answer", body)
		}
	}
	s.body = "" // it says nothing: nothing is known
	if out, err := w.Force(t.Context(), order("m1")); err != nil || out.Refused != Unsaid || out.Ended != Unsaid {
		t.Errorf("%+v %v", out, err)
	}
	for _, bad := range []string{"http://app.example.jp/x", "ftp://localhost/x", "https://user:pw@app.example.jp/", "x", ""} {
		if _, err := NewWebhook(bad, secret); !errors.Is(err, ErrSettings) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := NewWebhook("https://app.example.jp/", ""); !errors.Is(err, ErrSettings) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Force(ctx, order("m1")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What a directory has not, an application ends.
func TestBoth(t *testing.T) {
	s, w := newShop(t)
	b := Both{Connector: w, Sessions: w}
	if out, err := b.Force(t.Context(), order("m1")); err != nil || out.Ended != Yes || !slices.Equal(s.seen, []string{"password.force", "sessions.end"}) {
		t.Error(out, err, s.seen)
	}
	if out, err := b.Reset(t.Context(), order("m1"), chosen); err != nil || out.Ended != Yes {
		t.Error(out, err)
	}
}

const statements = `hash: %s
force: >-
  UPDATE users SET password_hash = :hash, must_change = 1, note = 'a : and :no'
  WHERE id = :account
reset: UPDATE users SET password_hash = :hash, must_change = 0, changed = :now WHERE id = :account
sessions: DELETE FROM sessions WHERE user_id = :account
same: SELECT password_hash FROM users WHERE id = :account
`

func TestSQL(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		for _, form := range []string{Argon2id, Bcrypt} {
			t.Run(form, func(t *testing.T) {
				at := url
				if strings.HasPrefix(url, "sqlite:") {
					at = "sqlite:" + filepath.Join(t.TempDir(), "app.db")
				}
				db, err := store.Open(t.Context(), at) // only to make what an application has
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				first, err := hash(form, stolen)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range []string{`DROP TABLE IF EXISTS users`, `DROP TABLE IF EXISTS sessions`, `CREATE TABLE users (id BIGINT PRIMARY KEY, password_hash TEXT NOT NULL, must_change INTEGER NOT NULL DEFAULT 0, note TEXT, changed TEXT)`,
					`CREATE TABLE sessions (user_id BIGINT NOT NULL)`, `INSERT INTO users (id, password_hash) VALUES (17, '` + first + `'), (18, '` + first + `')`, `INSERT INTO sessions VALUES (17), (17), (18)`} {
					if _, err := db.ExecContext(t.Context(), s); err != nil {
						t.Fatal(err)
					}
				}
				st, err := ParseStatements("reset.yaml", fmt.Appendf(nil, statements, form))
				if err != nil {
					t.Fatal(err)
				}
				c, err := NewSQL(at, st)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				one := func(query string, to any) {
					t.Helper()
					if err := db.QueryRowContext(t.Context(), query).Scan(to); err != nil {
						t.Fatal(err)
					}
				}
				in := standing{Connector: c, account: "17", takes: func(p string) bool {
					var stored string
					one(`SELECT password_hash FROM users WHERE id = 17`, &stored)
					is, known := matches(stored, p)
					if !known {
						t.Errorf("a hash that nothing reads: %q", stored)
					}
					return is
				}, sessions: func() (n int) { one(`SELECT count(*) FROM sessions WHERE user_id = 17`, &n); return n }}
				numbers := standing{Connector: withNobody{c}, account: in.account, takes: in.takes, sessions: in.sessions}
				numbers.contract(t)
				var note string
				var others int
				one(`SELECT note FROM users WHERE id = 17`, &note)
				one(`SELECT count(*) FROM sessions WHERE user_id = 18`, &others)
				if note != "a : and :no" || others != 1 {
					t.Errorf("%q, and %d sessions of somebody else", note, others)
				}
				if _, err := c.Reset(t.Context(), order("17"), strings.Repeat("x", 100)); form == Bcrypt && !errors.Is(err, ErrPassword) {
					t.Errorf("longer than bcrypt reads: %v", err)
				}
				all := *st
				all.Force = "UPDATE users SET password_hash = :hash WHERE CAST(:account AS TEXT) <> ''"
				c.s = &all
				if _, err := c.Force(t.Context(), order("17")); !errors.Is(err, ErrRefused) {
					t.Errorf("a statement that changes everybody: %v", err)
				}
				var same int
				one(`SELECT count(DISTINCT password_hash) FROM users`, &same)
				if same != 2 {
					t.Error("it changed everybody")
				}
				all.Force = "UPDATE nothing SET password_hash = :hash WHERE id = :account"
				if _, err := c.Force(t.Context(), order("17")); !errors.Is(err, ErrAway) || strings.Contains(err.Error(), "17") {
					t.Errorf("a statement that does not fit: %v", err)
				}
			})
		}
	})
}

// withNobody asks for a number that is nobody's, where the contract asks for a name.
type withNobody struct{ *SQL }

func (n withNobody) Force(ctx context.Context, o Order) (Outcome, error) {
	o.Account = strings.ReplaceAll(o.Account, nobody, "99")
	return n.SQL.Force(ctx, o)
}

func (n withNobody) Reset(ctx context.Context, o Order, p string) (Outcome, error) {
	o.Account = strings.ReplaceAll(o.Account, nobody, "99")
	return n.SQL.Reset(ctx, o, p)
}

func TestStatements(t *testing.T) {
	for _, bad := range []string{"", "hash: md5\n", "hash: bcrypt\nforce: x\n", "hash: bcrypt\nforce: UPDATE u SET h = :hash\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nforce: UPDATE u SET h = :hash WHERE i = :account; DROP TABLE u\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nforce: UPDATE u SET h = :hash WHERE i = ':account'\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nforce: UPDATE u SET h = :hash WHERE i = :account -- x\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nforce: UPDATE u SET h = :hash WHERE i = :password\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nforce: SELECT :hash, :account\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nother: x\nforce: UPDATE u SET h = :hash WHERE i = :account\nreset: UPDATE u SET h = :hash WHERE i = :account\n",
		"hash: bcrypt\nforce: UPDATE u SET h = $1 WHERE i = :account\nreset: UPDATE u SET h = :hash WHERE i = :account\n"} {
		if _, err := ParseStatements("x.yaml", []byte(bad)); !errors.Is(err, ErrSettings) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if out, bound, err := bind(`UPDATE u SET a = :hash::text, b = 'it''s :account' WHERE "c:d" = :account AND e = :hash`); err != nil || out != `UPDATE u SET a = $1::text, b = 'it''s :account' WHERE "c:d" = $2 AND e = $1` || !slices.Equal(bound, []string{"hash", "account"}) {
		t.Error(out, bound, err)
	}
}

func FuzzStatements(f *testing.F) {
	f.Add(fmt.Sprintf(statements, Bcrypt))
	f.Add("hash: bcrypt\nforce: ''\n")
	f.Fuzz(func(t *testing.T, s string) {
		st, err := ParseStatements("x.yaml", []byte(s))
		if err != nil {
			return
		}
		for _, text := range []string{st.Force, st.Reset} {
			if _, bound, err := bind(text); err != nil || !slices.Contains(bound, "account") {
				t.Fatal(text, err)
			}
		}
	})
}

func FuzzHash(f *testing.F) {
	for _, form := range []string{Argon2id, Bcrypt} {
		f.Add(unusable(form))
	}
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "m=") && len(s) > 40 { // what is slow is slow: it is bounded, and not tried here
			if i := strings.Index(s, "m="); len(s) > i+6 && s[i+5] >= '0' && s[i+5] <= '9' {
				return
			}
		}
		if strings.HasPrefix(s, "$2") && len(s) > 6 && s[4:6] > "06" {
			return
		}
		if same, known := matches(s, "x"); same && !known {
			t.Fatal(s)
		}
	})
}

// kratos answers as its description says: removing the only credential is refused, patching its hash works, sessions go by identity.
type kratos struct {
	mu       sync.Mutex
	id       string
	hash     string
	sessions int
	asked    []string
}

func (k *kratos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") != "Bearer secret-token" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	switch {
	case r.Method == "GET" && r.URL.Path == "/admin/identities":
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("credentials_identifier") != "a@example.jp" {
			fmt.Fprint(w, "[]")
			return
		}
		fmt.Fprintf(w, `[{"id":%q,"schema_id":"default","state":"active","traits":{"email":"a@example.jp"}}]`, k.id)
	case r.Method == "PATCH" && r.URL.Path == "/admin/identities/"+k.id:
		var patch []struct {
			Op    string `json:"op"`
			Path  string `json:"path"`
			Value string `json:"value"`
		}
		if err := json.UnmarshalRead(r.Body, &patch); err != nil || len(patch) != 1 || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if patch[0].Op == "remove" { // the only credential
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if patch[0].Op != "replace" || patch[0].Path != "/credentials/password/config/hashed_password" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		k.hash = patch[0].Value
		fmt.Fprintf(w, `{"id":%q}`, k.id)
	case r.Method == "DELETE" && r.URL.Path == "/admin/identities/"+k.id+"/sessions":
		k.sessions = 0
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestKratos(t *testing.T) {
	first, err := hash(Bcrypt, stolen)
	if err != nil {
		t.Fatal(err)
	}
	k := &kratos{id: "9f425a8d-7efc-4768-8f23-7647a74fdf13", hash: first, sessions: 2}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	c, err := NewKratos(server.URL+"/", "secret-token")
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"a@example.jp", k.id} {
		k.hash, k.sessions, k.asked = first, 2, nil
		standing{Connector: c, account: account, takes: func(p string) bool { is, _ := matches(k.hash, p); return is }, sessions: func() int { return k.sessions }}.contract(t)
	}
	if _, err := c.Force(t.Context(), order("00000000-0000-0000-0000-000000000000")); !errors.Is(err, ErrNoAccount) {
		t.Error(err)
	}
	c.token = ""
	if _, err := c.Force(t.Context(), order("a@example.jp")); !errors.Is(err, ErrAway) {
		t.Errorf("without its token: %v", err)
	}
}

func TestUnknown(t *testing.T) {
	o, other := order("m1"), order("m1")
	other.Seed = []byte("of somebody else")
	again := order("m1")
	if o.unknown("a") != again.unknown("a") || o.unknown("a") == o.unknown("b") || o.unknown("a") == other.unknown("a") || len(o.unknown("a")) < 24 {
		t.Error("passwords that nobody knows are not as they should be")
	}
}

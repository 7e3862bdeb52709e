package staff

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

var site = Site{ID: "console.example", Origin: "https://console.example", Name: "Example"}

// office is a room with a clock, and people with virtual passkeys.
type office struct {
	*Staff
	t   *testing.T
	db  *store.DB
	now time.Time
}

func each(t *testing.T, do func(t *testing.T, o *office)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, err := New(t.Context(), db, Options{Hold: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		o := &office{Staff: s, t: t, db: db, now: time.Date(2026, 8, 22, 3, 0, 0, 0, time.UTC)}
		s.now = func() time.Time { return o.now }
		do(t, o)
	})
}

// person is somebody with a virtual passkey.
type person struct {
	Account
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func newPerson() *person {
	p := &person{rp: virtualwebauthn.RelyingParty{Name: site.Name, ID: site.ID, Origin: site.Origin}, auth: virtualwebauthn.NewAuthenticator(),
		cred: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)}
	for len(p.cred.Key.AttestationData()) != 77 { // it leaves the zero out with which one key in 128 begins, which no real one does
		p.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return p
}

func (p *person) register(options []byte) []byte {
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		panic(err)
	}
	return []byte(virtualwebauthn.CreateAttestationResponse(p.rp, p.auth, p.cred, *o))
}

func (p *person) assert(options []byte) []byte {
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		panic(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(p.rp, p.auth, p.cred, *o))
}

// join lets somebody in by a link.
func (o *office) join(token, name string, leads bool) *person {
	o.t.Helper()
	p := newPerson()
	i, err := o.Look(o.t.Context(), token)
	if err != nil {
		o.t.Fatal(err)
	}
	if i.Name != "" {
		name = i.Name
	}
	options, c, err := o.BeginPasskey(o.t.Context(), site, i.Account, name)
	if err != nil {
		o.t.Fatal(err)
	}
	k, err := o.FinishPasskey(site, c, p.register(options), "laptop")
	if err != nil {
		o.t.Fatal(err)
	}
	if p.Account, err = o.Join(o.t.Context(), token, c.Account, name, leads, Door{Passkey: &k}); err != nil {
		o.t.Fatal(err)
	}
	p.auth.Options.UserHandle = []byte(p.ID)
	p.auth.AddCredential(p.cred)
	return p
}

// as is somebody who has just confirmed an act; "" is none.
func (o *office) as(p *person, act string) actor.Actor {
	o.t.Helper()
	who, _, err := o.Actor(o.t.Context(), p.ID, "", "console")
	if err != nil {
		o.t.Fatal(err)
	}
	if act == "" {
		return who
	}
	options, c, err := o.BeginConfirm(o.t.Context(), site, who, act)
	if err != nil {
		o.t.Fatal(err)
	}
	confirmed, err := o.FinishConfirm(o.t.Context(), site, who, c, p.assert(options))
	if err != nil || confirmed != act {
		o.t.Fatal(confirmed, err)
	}
	who, _, err = o.Actor(o.t.Context(), p.ID, confirmed, "console")
	if err != nil {
		o.t.Fatal(err)
	}
	return who
}

func (o *office) first() *person {
	o.t.Helper()
	token, _, err := o.First(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return o.join(token, "佐藤", true)
}

func (o *office) invite(by *person, name string, every actor.Access, roles ...actor.Role) *person {
	o.t.Helper()
	token, err := o.Invite(o.t.Context(), o.as(by, ActInvite(name, roles, every)), name, roles, every)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.join(token, "", false)
}

func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestFirst(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		if is, err := o.Staffed(ctx); is || err != nil {
			t.Fatal(is, err)
		}
		older, _, err := o.First(ctx)
		if err != nil {
			t.Fatal(err)
		}
		token, _, err := o.First(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Look(ctx, older)
		wants(t, "a link that another one replaced", err, ErrLink)
		o.now = o.now.Add(linkLasts + time.Second)
		_, err = o.Look(ctx, token)
		wants(t, "a link that has expired", err, ErrLink)
		a := o.first()
		if !slices.Equal(a.Roles, []actor.Role{actor.Commander, actor.Administrator}) || a.Every != actor.Full || a.Name != "佐藤" || a.Passkeys != 1 {
			t.Errorf("%+v", a.Account)
		}
		if is, err := o.Staffed(ctx); !is || err != nil {
			t.Fatal(is, err)
		}
		_, _, err = o.First(ctx)
		wants(t, "a second first link", err, ErrStaffed)
		_, err = o.Join(ctx, token, "p-x", "鈴木", false, Door{Passkey: &Passkey{ID: "00", Name: "x"}})
		wants(t, "an old link", err, ErrLink)
	})
}

func TestSignIn(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a := o.first()
		b := o.invite(a, "鈴木", actor.None, actor.Approver)
		options, c, err := o.BeginSignIn(site)
		if err != nil {
			t.Fatal(err)
		}
		answer := b.assert(options)
		got, err := o.FinishSignIn(ctx, site, c, answer)
		if err != nil || got.ID != b.ID {
			t.Fatal(got, err)
		}
		// The same answer to another question, and answers of another site, of nobody, and to a confirmation.
		_, other, err := o.BeginSignIn(site)
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.FinishSignIn(ctx, site, other, answer)
		wants(t, "a replayed answer", err, ErrSignIn)
		stranger := newPerson()
		stranger.auth.Options.UserHandle = []byte(a.ID)
		stranger.auth.AddCredential(stranger.cred)
		_, err = o.FinishSignIn(ctx, site, c, stranger.assert(options))
		wants(t, "a stranger's passkey", err, ErrSignIn)
		phished := *b
		phished.rp.Origin = "https://console.example.evil"
		_, err = o.FinishSignIn(ctx, site, c, phished.assert(options))
		wants(t, "a passkey used on another site", err, ErrSignIn)
		lazy := *b
		lazy.auth.Options.UserNotVerified = true
		_, err = o.FinishSignIn(ctx, site, c, lazy.assert(options))
		wants(t, "a passkey without its owner's PIN or finger", err, ErrSignIn)
		who := o.as(b, "")
		options, confirm, err := o.BeginConfirm(ctx, site, who, "approve 1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.FinishSignIn(ctx, site, confirm, b.assert(options))
		wants(t, "a confirmation as a sign-in", err, ErrSignIn)
		_, err = o.FinishConfirm(ctx, site, o.as(a, ""), confirm, b.assert(options))
		wants(t, "somebody else's confirmation", err, ErrSignIn)
		_, err = o.FinishConfirm(ctx, site, who, confirm, a.assert(options))
		wants(t, "a confirmation by another's passkey", err, ErrSignIn)
		_, err = o.FinishConfirm(ctx, site, who, c, answer)
		wants(t, "a sign-in as a confirmation", err, ErrSignIn)
		for _, bad := range []string{"", "{}", "null", `{"id":"x"}`, strings.Repeat("[", 1000)} {
			_, err = o.FinishSignIn(ctx, site, c, []byte(bad))
			wants(t, "an answer that is none", err, ErrSignIn)
			_, err = o.FinishPasskey(site, Ceremony{Account: "p-1"}, []byte(bad), "x")
			wants(t, "a passkey that is none", err, ErrSignIn)
		}
	})
}

func TestHold(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a := o.first()
		b := o.invite(a, "鈴木", actor.Full, actor.Approver, actor.Writer)
		may := func(what string, want error) {
			t.Helper()
			if err := o.as(b, "").May(actor.Approve, "c"); !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		may("a new approver", actor.ErrHeld)
		o.now = o.now.Add(time.Hour + time.Second)
		may("after the time", nil)
		codes, err := o.FirstCodes(ctx, o.as(b, ""))
		if err != nil || len(codes) != 10 {
			t.Fatal(codes, err)
		}
		_, err = o.FirstCodes(ctx, o.as(b, ""))
		wants(t, "codes again without a passkey", err, actor.ErrUnconfirmed)
		if got, err := o.UseCode(ctx, " "+strings.ToUpper(codes[3])+" "); err != nil || got.ID != b.ID {
			t.Fatal(got, err)
		}
		may("who came in by a code", actor.ErrHeld)
		_, err = o.UseCode(ctx, codes[3])
		wants(t, "a code twice", err, ErrSignIn)
		if n, err := o.CodesLeft(ctx, o.as(b, "")); n != 9 || err != nil {
			t.Error(n, err)
		}
		o.now = o.now.Add(2 * time.Hour)
		may("again after the time", nil)
		token, _, err := o.Recover(ctx, actor.Operator(), "鈴木", false)
		if err != nil {
			t.Fatal(err)
		}
		may("a link that was only made", nil)
		back := o.join(token, "", false)
		if back.ID != b.ID || back.Passkeys != 2 {
			t.Errorf("%+v", back.Account)
		}
		may("who came back from the host", actor.ErrHeld)
		o.now = o.now.Add(2 * time.Hour)
		may("who came back, after the time", nil)
		if err := o.SetRoles(ctx, o.as(a, ActRoles(b.ID, 1, []actor.Role{actor.Writer}, actor.Full)), b.ID, 1, []actor.Role{actor.Writer}, actor.Full); err != nil {
			t.Fatal(err)
		}
		may("who is none any more", actor.ErrRole)
		if err := o.SetRoles(ctx, o.as(a, ActRoles(b.ID, 2, []actor.Role{actor.Approver}, actor.Full)), b.ID, 2, []actor.Role{actor.Approver}, actor.Full); err != nil {
			t.Fatal(err)
		}
		may("who is one again", actor.ErrHeld)
		host, err := o.Shown(ctx, o.as(b, ""))
		if err != nil || len(host) != 2 || host[1].What != "code" || host[0].What != "recover" || !host[0].Host() || host[0].About != b.ID {
			t.Errorf("what was done from the host: %+v %v", host, err)
		}
	})
}

func TestPeople(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a := o.first()
		b := o.invite(a, "鈴木", actor.None, actor.Administrator)
		w := o.invite(a, "田中", actor.None, actor.Writer)
		_, err := o.Invite(ctx, o.as(a, ""), "x", []actor.Role{actor.Writer}, 0)
		wants(t, "an invitation without a passkey", err, actor.ErrUnconfirmed)
		_, err = o.Invite(ctx, o.as(a, "invite somebody"), "x", []actor.Role{actor.Writer}, 0)
		wants(t, "an invitation with a passkey for something else", err, actor.ErrUnconfirmed)
		_, err = o.Invite(ctx, o.as(w, ActInvite("x", []actor.Role{actor.Writer}, 0)), "x", []actor.Role{actor.Writer}, 0)
		wants(t, "an invitation by a writer", err, actor.ErrRole)
		for _, roles := range [][]actor.Role{nil, {"king"}, {actor.Auditor, actor.Writer}} {
			_, err = o.Invite(ctx, o.as(a, ActInvite("x", roles, 0)), "x", roles, 0)
			wants(t, "roles that nobody can have", err, ErrInput)
		}
		for _, name := range []string{"", " ", "a\nb", strings.Repeat("a", 61), "a\u202eb", "\xff"} {
			_, err = o.Invite(ctx, o.as(a, ActInvite(name, []actor.Role{actor.Writer}, 0)), name, []actor.Role{actor.Writer}, 0)
			wants(t, "a name that is none", err, ErrInput)
		}
		wants(t, "one's own roles", o.SetRoles(ctx, o.as(a, ActRoles(a.ID, 1, actor.Roles()[:3], actor.Full)), a.ID, 1, actor.Roles()[:3], actor.Full), ErrSelf)
		wants(t, "one's own end", o.Remove(ctx, o.as(a, ActRemove(a.ID)), a.ID), ErrSelf)
		if err := o.Remove(ctx, o.as(b, ActRemove(a.ID)), a.ID); err != nil {
			t.Fatal(err)
		}
		wants(t, "the last administrator's end", o.Remove(ctx, actor.Operator(), b.ID), ErrLast)
		wants(t, "the last administrator's roles", o.SetRoles(ctx, actor.Operator(), b.ID, 1, []actor.Role{actor.Writer}, 0), ErrLast)
		_, _, err = o.Actor(ctx, a.ID, "", "console")
		wants(t, "who has left", err, ErrNotFound)
		options, c, err := o.BeginSignIn(site)
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.FinishSignIn(ctx, site, c, a.assert(options))
		wants(t, "a sign-in of who has left", err, ErrSignIn)
		names, err := o.Names(ctx)
		if err != nil || names[a.ID] != "佐藤" {
			t.Error(names, err)
		}
		o.now = o.now.Add(keepName + time.Second)
		if err := o.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
		if names, err = o.Names(ctx); err != nil || names[a.ID] != "" || names[b.ID] != "鈴木" {
			t.Error(names, err)
		}
		_, _, err = o.Recover(ctx, o.as(b, ""), "田中", false)
		wants(t, "a recovery by an administrator", err, actor.ErrRole)
		_, _, err = o.Recover(ctx, actor.Operator(), "誰か", false)
		wants(t, "a recovery of nobody", err, ErrNotFound)
		token, _, err := o.Recover(ctx, actor.Operator(), "誰か", true)
		if err != nil {
			t.Fatal(err)
		}
		if n := o.join(token, "", false); !n.Has(actor.Administrator) || n.Name != "誰か" {
			t.Errorf("%+v", n.Account)
		}
		log, err := o.Log(ctx, o.as(b, ""), 0, 100)
		if err != nil || len(log) < 10 {
			t.Fatal(log, err)
		}
		for _, e := range log {
			if strings.ContainsAny(e.Who+e.About+e.Note, "佐鈴田誰") {
				t.Errorf("the log names somebody: %+v", e)
			}
		}
		_, err = o.Log(ctx, o.as(w, ""), 0, 100)
		wants(t, "a writer reads the log", err, actor.ErrRole)
	})
}

func TestAccess(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a := o.first()
		c := o.invite(a, "田中", actor.None, actor.Commander)
		w := o.invite(a, "鈴木", actor.None, actor.Writer)
		adm := o.invite(a, "木村", actor.None, actor.Administrator)
		if err := o.db.Update(ctx, func(tx *sql.Tx) error { return o.Declared(ctx, tx, o.as(c, ""), "case-1") }); err != nil {
			t.Fatal(err)
		}
		if !o.as(c, "").Sees("case-1") || o.as(w, "").Sees("case-1") || !o.as(a, "").Sees("case-1") || o.as(adm, "").Sees("case-1") {
			t.Error("who sees a case that was declared")
		}
		wants(t, "access by somebody who does not see it", o.GiveAccess(ctx, o.as(w, ""), "case-1", adm.ID, actor.Reads), ErrNotFound)
		wants(t, "access to a case of others", o.GiveAccess(ctx, o.as(c, ""), "case-2", w.ID, actor.Reads), ErrNotFound)
		wants(t, "one's own access", o.GiveAccess(ctx, o.as(c, ""), "case-1", c.ID, actor.Reads), ErrSelf)
		if err := o.GiveAccess(ctx, o.as(c, ""), "case-1", w.ID, actor.Contributes); err != nil {
			t.Fatal(err)
		}
		if err := o.as(w, "").May(actor.Contribute, "case-1"); err != nil {
			t.Error(err)
		}
		wants(t, "removing with access to contribute", o.as(w, "").May(actor.Remove, "case-1"), actor.ErrRole)
		grants, err := o.Grants(ctx, o.as(w, ""), "case-1")
		if err != nil || len(grants) != 3 {
			t.Errorf("%+v %v", grants, err)
		}
		_, err = o.Grants(ctx, o.as(adm, ""), "case-1")
		wants(t, "who sees it, to somebody who does not", err, ErrNotFound)
		// An administrator reads the log, and learns of no case by it.
		log, err := o.Log(ctx, o.as(adm, ""), 0, 100)
		if err != nil || len(log) == 0 {
			t.Fatal(err)
		}
		for _, e := range log {
			if e.Case != "" {
				t.Errorf("a case in an administrator's log: %+v", e)
			}
		}
		if err := o.GiveAccess(ctx, o.as(c, ""), "case-1", w.ID, actor.None); err != nil || o.as(w, "").Sees("case-1") {
			t.Error("access that was taken away", err)
		}
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		a := o.first()
		b := o.invite(a, "鈴木", actor.None, actor.Writer)
		keep := func(token string, p *person) {
			t.Helper()
			data, err := Codec{}.Encode(o.now.Add(time.Hour), map[string]any{AccountKey: p.ID, DeviceKey: "Firefox"})
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Staff.Sessions().CommitCtx(ctx, token, data, o.now.Add(SessionLasts)); err != nil {
				t.Fatal(err)
			}
		}
		there := func(token string) bool {
			t.Helper()
			_, ok, err := o.Staff.Sessions().FindCtx(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		for _, token := range []string{"t1", "t2", "t3"} {
			keep(token, b)
		}
		list, err := o.SessionsOf(ctx, o.as(b, ""), b.ID)
		if err != nil || len(list) != 3 || list[0].Device != "Firefox" {
			t.Fatal(list, err)
		}
		_, err = o.SessionsOf(ctx, o.as(b, ""), a.ID)
		wants(t, "somebody else's sessions", err, ErrNotFound)
		wants(t, "ending somebody else's", o.EndSessions(ctx, o.as(b, ""), a.ID, ""), ErrNotFound)
		id, err := o.SessionID(ctx, "t2")
		if err != nil || id == "" {
			t.Fatal(id, err)
		}
		wants(t, "ending another's by its id", o.EndSessions(ctx, o.as(a, ""), a.ID, id), ErrNotFound)
		if err := o.EndSessions(ctx, o.as(b, ""), b.ID, id); err != nil {
			t.Fatal(err)
		}
		if there("t2") || !there("t1") {
			t.Error("the wrong one was ended")
		}
		keep("t2", b) // a request that was under way
		if there("t2") {
			t.Error("a session that was ended is back")
		}
		if err := o.EndSessions(ctx, o.as(a, ""), b.ID, ""); err != nil || there("t1") || there("t3") {
			t.Error("all were to end", err)
		}
		keep("t4", b)
		o.now = o.now.Add(11 * time.Hour)
		if !there("t4") {
			t.Error("a session ends early")
		}
		o.now = o.now.Add(11 * time.Hour)
		if !there("t4") {
			t.Error("a session ends though it is used")
		}
		o.now = o.now.Add(13 * time.Hour)
		if there("t4") {
			t.Error("a session lasts unused")
		}
	})
}

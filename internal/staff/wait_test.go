package staff

import (
	"testing"
	"time"

	"shirase/internal/actor"
)

// addPasskey gives somebody a new passkey, with the act that they have confirmed before.
func (o *office) addPasskey(p *person, act string, recovered bool) (*person, error) {
	o.t.Helper()
	who := o.as(p, act)
	next := newPerson()
	next.Account = p.Account
	options, c, err := o.BeginPasskey(o.t.Context(), site, p.ID, "")
	if err != nil {
		o.t.Fatal(err)
	}
	k, err := o.FinishPasskey(site, c, next.register(options), "another")
	if err != nil {
		o.t.Fatal(err)
	}
	next.auth.Options.UserHandle = []byte(p.ID)
	next.auth.AddCredential(next.cred)
	return next, o.AddPasskey(o.t.Context(), who, recovered, k)
}

// byProvider lets somebody in who has no passkey.
func (o *office) byProvider(by *person, name string, roles ...actor.Role) *person {
	o.t.Helper()
	token, err := o.Invite(o.t.Context(), o.as(by, ActInvite(name, roles, actor.Full)), name, roles, actor.Full)
	if err != nil {
		o.t.Fatal(err)
	}
	a, err := o.Join(o.t.Context(), token, NewPseudonym(), "", false, Door{OIDC: name})
	if err != nil {
		o.t.Fatal(err)
	}
	return &person{Account: a}
}

// TestFirstPasskey: an identity provider that was breached signs in as somebody who has no passkey, and makes their first.
func TestFirstPasskey(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		sato := o.first()
		kimura := o.byProvider(sato, "木村", actor.Approver)
		ota := o.byProvider(sato, "太田", actor.Administrator)
		o.now = o.now.Add(48 * time.Hour) // both are old ones
		before, err := o.Person(ctx, o.as(kimura, ""), kimura.ID)
		if err != nil || !before.Held.IsZero() {
			t.Fatal(before.Held, err)
		}
		thief, err := o.addPasskey(kimura, "", false)
		if err != nil {
			t.Fatal(err)
		}
		who := o.as(thief, "approve x")
		wants(t, "an approver by a first passkey", who.May(actor.Approve, "case"), actor.ErrHeld)
		if !who.ApproverSince().Equal(o.now) {
			t.Errorf("they are shown as an approver since %s, and the key is of %s", who.ApproverSince(), o.now)
		}
		second, err := o.addPasskey(ota, "", false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Invite(ctx, o.as(second, ActInvite("共犯", []actor.Role{actor.Approver}, actor.Full)), "共犯", []actor.Role{actor.Approver}, actor.Full)
		wants(t, "an invitation by a first passkey", err, actor.ErrHeld)
		wants(t, "a removal by a first passkey", o.Remove(ctx, o.as(second, ActRemove(sato.ID)), sato.ID), actor.ErrHeld)
		shown, err := o.Shown(ctx, o.as(sato, ""))
		if err != nil || len(shown) != 2 || shown[0].What != "first-passkey" || shown[0].About != ota.ID || shown[1].About != kimura.ID {
			t.Errorf("the board: %+v %v", shown, err)
		}
		// One that an older one confirms changes nothing.
		o.now = o.now.Add(2 * time.Hour)
		if _, err := o.addPasskey(second, ActPasskey, false); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Invite(ctx, o.as(second, ActInvite("新人", []actor.Role{actor.Writer}, actor.None)), "新人", []actor.Role{actor.Writer}, actor.None); err != nil {
			t.Errorf("after the time, and with another passkey that the first confirmed: %v", err)
		}
		wants(t, "an approver after the time", o.as(thief, "").May(actor.Approve, "case"), nil)
	})
}

// TestShorterWait: a setting that is lowered lets nobody through who waits, and is on the board.
func TestShorterWait(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.hold = 24 * time.Hour
		if err := o.Serve(ctx); err != nil {
			t.Fatal(err)
		}
		sato := o.first()
		suzuki := o.invite(sato, "鈴木", actor.Full, actor.Approver)
		again, err := New(ctx, o.db, Options{Hold: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		again.now = o.Staff.now
		for range 2 { // a second start has nothing to say
			if err := again.Serve(ctx); err != nil {
				t.Fatal(err)
			}
		}
		o.Staff = again
		o.now = o.now.Add(2 * time.Hour)
		wants(t, "who waits, once the setting is lowered", o.as(suzuki, "").May(actor.Approve, "case"), actor.ErrHeld)
		shown, err := o.Shown(ctx, o.as(suzuki, ""))
		if err != nil || len(shown) != 1 || shown[0].What != "hold" || shown[0].Note != "24h0m0s → 1h0m0s" {
			t.Errorf("the board: %+v %v", shown, err)
		}
		o.now = o.now.Add(23 * time.Hour)
		wants(t, "who waited", o.as(suzuki, "").May(actor.Approve, "case"), nil)
		// Rows of the first schema, which kept only the beginning, wait as long as the setting said when it was brought up to date.
		if _, err := o.db.ExecContext(ctx, `UPDATE staff_account SET held_from = $1, held_until = 0 WHERE id = $2`, o.now.UnixMicro(), suzuki.ID); err != nil {
			t.Fatal(err)
		}
		if o.Staff, err = New(ctx, o.db, Options{Hold: time.Hour}); err != nil {
			t.Fatal(err)
		}
		o.Staff.now = again.now
		wants(t, "who waited in an earlier schema", o.as(suzuki, "").May(actor.Approve, "case"), actor.ErrHeld)
	})
}

package staff

import (
	"testing"

	"shirase/internal/actor"
)

// TestVoidInvitations: what an administrator invited goes with them, and a way back in with the next.
func TestVoidInvitations(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		sato := o.first()
		invites := func(by *person, name string) string {
			roles := []actor.Role{actor.Approver}
			token, err := o.Invite(ctx, o.as(by, ActInvite(name, roles, actor.Full)), name, roles, actor.Full)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		good := func(token string, want error) {
			t.Helper()
			_, err := o.Look(ctx, token)
			wants(t, "a link", err, want)
		}
		kept := invites(sato, "田中")
		ota, mori := o.invite(sato, "太田", actor.None, actor.Administrator), o.invite(sato, "森", actor.None, actor.Administrator)
		ofOta, ofMori := invites(ota, "共犯"), invites(mori, "共犯の友")
		if err := o.Remove(ctx, o.as(sato, ActRemove(ota.ID)), ota.ID); err != nil {
			t.Fatal(err)
		}
		good(ofOta, ErrLink)
		good(ofMori, nil)
		writer := []actor.Role{actor.Writer}
		if err := o.SetRoles(ctx, o.as(sato, ActRoles(mori.ID, 1, writer, actor.None)), mori.ID, 1, writer, actor.None); err != nil {
			t.Fatal(err)
		}
		good(ofMori, ErrLink)
		good(kept, nil)

		recover := func() string {
			token, _, err := o.Recover(ctx, actor.Operator(), "森", false)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		first, second := recover(), recover()
		good(first, ErrLink)
		good(second, nil)
	})
}

// TestStaleRoles: a page that shows what was before takes nothing back, and a passkey confirms what it was shown.
func TestStaleRoles(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		sato := o.first()
		ota, suzuki := o.invite(sato, "太田", actor.None, actor.Administrator), o.invite(sato, "鈴木", actor.Full, actor.Writer, actor.Approver)
		had, less := []actor.Role{actor.Writer, actor.Approver}, []actor.Role{actor.Writer}
		if err := o.SetRoles(ctx, o.as(sato, ActRoles(suzuki.ID, 1, less, actor.None)), suzuki.ID, 1, less, actor.None); err != nil {
			t.Fatal(err)
		}
		wants(t, "a page that was open before", o.SetRoles(ctx, o.as(ota, ActRoles(suzuki.ID, 1, had, actor.Full)), suzuki.ID, 1, had, actor.Full), ErrStale)
		a, err := o.Person(ctx, o.as(ota, ""), suzuki.ID)
		if err != nil || a.Has(actor.Approver) || a.Every != actor.None || a.Version != 2 {
			t.Errorf("%+v %v", a, err)
		}
		for _, act := range []string{ActRoles(suzuki.ID, 2, less, actor.Full), ActRoles(suzuki.ID, 1, had, actor.Full), ActRoles(suzuki.ID, 2, had, actor.Reads)} {
			wants(t, "a passkey for other roles", o.SetRoles(ctx, o.as(ota, act), suzuki.ID, 2, had, actor.Full), actor.ErrUnconfirmed)
		}
		_, err = o.Invite(ctx, o.as(ota, ActInvite("高橋", less, actor.None)), "高橋", had, actor.Full)
		wants(t, "a passkey for an invitation to less", err, actor.ErrUnconfirmed)
		_, err = o.Invite(ctx, o.as(ota, ActInvite("高橋", less, actor.None)), "別人", less, actor.None)
		wants(t, "a passkey for an invitation of somebody else", err, actor.ErrUnconfirmed)
	})
}

// TestDropPasskey: a session alone takes no passkey away.
func TestDropPasskey(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		sato := o.first()
		spare, err := o.addPasskey(sato, ActPasskey, false)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := o.Passkeys(ctx, o.as(sato, ""))
		if err != nil || len(keys) != 2 {
			t.Fatal(keys, err)
		}
		wants(t, "a session alone", o.DropPasskey(ctx, o.as(sato, ""), keys[0].ID), actor.ErrUnconfirmed)
		wants(t, "a passkey for another one", o.DropPasskey(ctx, o.as(spare, ActDropPasskey(keys[1].ID)), keys[0].ID), actor.ErrUnconfirmed)
		if err := o.DropPasskey(ctx, o.as(spare, ActDropPasskey(keys[0].ID)), keys[0].ID); err != nil {
			t.Fatal(err)
		}
	})
}

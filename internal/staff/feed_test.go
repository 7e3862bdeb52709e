package staff

import (
	"errors"
	"strings"
	"testing"

	"shirase/internal/actor"
)

// TestFeed: the address of a calendar is its owner's, is kept as a hash, and ends when its owner says so, makes another one or leaves.
func TestFeed(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		admin := o.first()
		p := o.invite(admin, "鈴木", actor.Full, actor.Writer)
		if _, err := o.NewFeed(ctx, o.as(p, "")); !errors.Is(err, actor.ErrUnconfirmed) {
			t.Errorf("without a passkey: %v", err)
		}
		if _, err := o.NewFeed(ctx, actor.Operator()); err == nil {
			t.Error("the host has a calendar")
		}
		wants(t, "one that there is not", o.EndFeed(ctx, o.as(p, "")), ErrNotFound)
		token, err := o.NewFeed(ctx, o.as(p, ActFeed))
		if err != nil || len(token) != 26 {
			t.Fatal(token, err)
		}
		who, err := o.ByFeed(ctx, token)
		if err != nil || who.ID() != p.ID || who.Door() != "feed" || !who.Sees("shop") || who.Confirmed(ActFeed) == nil {
			t.Errorf("%v, %v", who, err)
		}
		if since, err := o.FeedSince(ctx, o.as(p, "")); err != nil || !since.Equal(o.now) {
			t.Error(since, err)
		}
		if since, err := o.FeedSince(ctx, o.as(admin, "")); err != nil || !since.IsZero() {
			t.Errorf("somebody else's: %v, %v", since, err)
		}
		var kept string
		if err := o.db.QueryRowContext(ctx, `SELECT hash FROM staff_feed`).Scan(&kept); err != nil || strings.Contains(kept, token) {
			t.Errorf("kept: %s, %v", kept, err)
		}
		bad := func(token string) {
			t.Helper()
			_, err := o.ByFeed(ctx, token)
			wants(t, "an address that is good for nothing", err, ErrNotFound)
		}
		for _, x := range []string{"", "x", strings.ToUpper(token), token + "a", strings.Repeat("a", 1000), kept} {
			bad(x)
		}
		again, err := o.NewFeed(ctx, o.as(p, ActFeed))
		if err != nil {
			t.Fatal(err)
		}
		bad(token)
		wants(t, "somebody else ends it", o.EndFeed(ctx, o.as(admin, "")), ErrNotFound)
		if err := o.EndFeed(ctx, o.as(p, "")); err != nil {
			t.Fatal(err)
		}
		bad(again)
		if again, err = o.NewFeed(ctx, o.as(p, ActFeed)); err != nil {
			t.Fatal(err)
		}
		if err := o.Remove(ctx, o.as(admin, ActRemove(p.ID)), p.ID); err != nil {
			t.Fatal(err)
		}
		bad(again)
	})
}

// TestAccessTogether: of two people who change one person's access at once, the slower one is told how it stands, and neither is told
// of changes of other people's.
func TestAccessTogether(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		admin := o.first()
		a, b := o.invite(admin, "鈴木", actor.None, actor.Writer), o.invite(admin, "高橋", actor.None, actor.Desk)
		read, err := o.AccessVersion(ctx, actor.Operator(), "shop")
		if err != nil || read != 1 {
			t.Fatal(read, err)
		}
		if _, err := o.AccessVersion(ctx, o.as(a, ""), "shop"); !errors.Is(err, ErrNotFound) {
			t.Errorf("of a case that is not theirs: %v", err)
		}
		for _, p := range []*person{a, b} {
			if err := o.ChangeAccess(ctx, actor.Operator(), "shop", p.ID, read, actor.Reads); err != nil {
				t.Fatal(err)
			}
		}
		err = o.ChangeAccess(ctx, actor.Operator(), "shop", a.ID, read, actor.Full)
		var stale *StaleError
		if !errors.As(err, &stale) || !errors.Is(err, ErrStale) || stale.Access != actor.Reads || stale.By != actor.Operator().String() || stale.Version != 3 {
			t.Fatalf("%+v, %v", stale, err)
		}
		if o.as(a, "").May(actor.Remove, "shop") == nil {
			t.Error("it was changed")
		}
		if err := o.ChangeAccess(ctx, actor.Operator(), "shop", a.ID, -1, actor.Full); !errors.Is(err, ErrStale) {
			t.Errorf("who has read nothing: %v", err)
		}
		if err := o.ChangeAccess(ctx, actor.Operator(), "shop", a.ID, stale.Version, actor.None); err != nil {
			t.Error(err)
		}
		if now, err := o.AccessVersion(ctx, actor.Operator(), "shop"); err != nil || now != 4 {
			t.Error(now, err)
		}
	})
}

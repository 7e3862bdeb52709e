package staff

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
)

// TestShown: whoever has the host hides nothing behind what they do often.
func TestShown(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		sato := o.first()
		suzuki := o.invite(sato, "鈴木", actor.Full, actor.Approver)
		if _, _, err := o.Recover(ctx, actor.Operator(), "鈴木", false); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			o.now = o.now.Add(time.Minute)
			if err := o.EndSessions(ctx, actor.Operator(), suzuki.ID, ""); err != nil {
				t.Fatal(err)
			}
			if err := o.GiveAccess(ctx, actor.Operator(), fmt.Sprintf("case-%d", i), suzuki.ID, actor.Reads); err != nil {
				t.Fatal(err)
			}
		}
		count := func(e []Entry) map[string]int {
			out := map[string]int{}
			for _, e := range e {
				out[e.What] += e.Times
			}
			return out
		}
		shown, err := o.Shown(ctx, o.as(suzuki, ""))
		if n := count(shown); err != nil || n["recover"] != 1 || n["end-sessions"] != 30 || n["access"] != 19 {
			t.Errorf("%v %v", n, err)
		}
		if len(shown) > 25 {
			t.Errorf("%d entries are shown", len(shown))
		}
		proposed := o.now
		o.now = o.now.Add(9 * 24 * time.Hour)
		shown, err = o.ShownFor(ctx, o.as(suzuki, ""), proposed)
		if n := count(shown); err != nil || n["recover"] != 1 {
			t.Errorf("beside what was proposed then: %v %v", n, err)
		}
		shown, err = o.ShownFor(ctx, o.as(suzuki, ""), o.now)
		if err != nil || len(shown) != 0 {
			t.Errorf("beside what is proposed much later: %v %v", shown, err)
		}
	})
}

// TestOneName: people know each other by name, so two do not have one.
func TestOneName(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		sato := o.first()
		suzuki := o.invite(sato, "鈴木", actor.Full, actor.Approver)
		_, err := o.Invite(ctx, actor.Operator(), " 鈴木 ", []actor.Role{actor.Approver}, actor.Full)
		wants(t, "a name that somebody has", err, ErrInput)
		if _, err := o.Invite(ctx, actor.Operator(), "田中", []actor.Role{actor.Writer}, actor.Full); err != nil {
			t.Fatal(err)
		}
		_, err = o.Invite(ctx, actor.Operator(), "田中", []actor.Role{actor.Approver}, actor.Full)
		wants(t, "a name that somebody is invited by", err, ErrInput)
		if err := o.Remove(ctx, o.as(sato, ActRemove(suzuki.ID)), suzuki.ID); err != nil {
			t.Fatal(err)
		}
		again := o.invite(sato, "鈴木", actor.Full, actor.Approver)
		names, err := o.Names(ctx)
		if err != nil || names[sato.ID] != "佐藤" || names[suzuki.ID] == names[again.ID] || !strings.Contains(names[again.ID], again.ID) {
			t.Errorf("%v %v", names, err)
		}
	})
}

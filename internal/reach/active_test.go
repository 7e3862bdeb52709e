package reach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// inUse says of every third account that it is in use: address(i) for i divisible by three.
func (w *world) inUse(n int) {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("id,mail,nick,lang,used\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%s,%s,%s,%s\n", i, address(i), strings.Repeat("n", i%2), []string{"ja", "en", ""}[i%3], []string{"2026-05-01", "2019-01-01", ""}[i%3])
	}
	folder := w.t.TempDir()
	export := filepath.Join(folder, "export.csv")
	if err := os.WriteFile(export, []byte(b.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	rs, err := roster.ParseRules("rules.yaml", []byte("active: 'used >= \"2026\"'\n"+rules), incident.ClassWords())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Rosters.Create(w.t.Context(), actor.Operator(), "loss-2026", roster.Options{Export: export, Rules: rs, TempDir: folder}); err != nil {
		w.t.Fatal(err)
	}
}

// usedBy are the addresses whose account is in use.
func usedBy(n int) map[string]bool {
	out := map[string]bool{}
	for i := 0; i < n; i += 3 {
		out[address(i)] = true
	}
	return out
}

// arrivals are in which order mails were taken.
type arrivals struct {
	mu  sync.Mutex
	all []string
}

// watched has a server take mail and remember in which order.
func (w *world) watched(answer func(cmd string, e smtptest.Envelope) string) *arrivals {
	o := &arrivals{}
	w.sink.Close()
	w.listen(&smtptest.Sink{Keep: true, Answer: func(cmd string, e smtptest.Envelope) string {
		said := ""
		if answer != nil {
			said = answer(cmd, e)
		}
		if cmd == "." && said == "" {
			o.mu.Lock()
			o.all = append(o.all, e.To)
			o.mu.Unlock()
		}
		return said
	}})
	w.Mailer.Relays[0].Address = w.relay
	return o
}

// turned gives the place at which the first of the others came, and that of the last of those who were to come first.
func (o *arrivals) turned(first map[string]bool) (other, last int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	other, last = len(o.all), -1
	for i, a := range o.all {
		if first[strings.ReplaceAll(a, `"`, "")] {
			last = i
		} else if i < other {
			other = i
		}
	}
	return other, last
}

// Whose account is in use is written to first; a roster that does not say so is sent to as it always was, and the preview says how many they are.
func TestActiveFirst(t *testing.T) {
	const n = 900
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, n, nil)
		before := w.draft(nil, Rates{})
		if before.InUse != -1 {
			t.Errorf("of a roster that does not say, %d are in use", before.InUse)
		}
		s := spec()
		s.Active = InUse
		if _, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{}); !errors.Is(err, ErrInput) || !strings.Contains(hint.Of(err), "active:") {
			t.Errorf("a part of a roster that does not say: %v", err)
		}
		w.inUse(n)
		o := w.watched(nil)
		c := w.draft(nil, Rates{})
		p, err := w.Preview(t.Context(), actor.Operator(), c.ID)
		if err != nil || p.Campaign.InUse != n/3 {
			t.Fatal(p, err)
		}
		plan, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID})
		if err != nil || !strings.Contains(string(plan.Bytes), `"inUse":`+strconv.Itoa(n/3)) {
			t.Fatal(string(plan.Bytes), err)
		}
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); err != nil {
			t.Fatal(err)
		}
		stop := w.work()
		w.done(c.ID)
		stop()
		if other, last := o.turned(usedBy(n)); other != n/3 || last != n/3-1 || len(w.taken) != n || w.total() != n {
			t.Errorf("the first of the others came as %d, the last whose account is in use as %d, of %d", other, last, w.total())
		}
		// A roster that was counted before it said so: nobody comes first, and nobody is left out.
		old, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: before.ID})
		if err != nil || strings.Contains(string(old.Bytes), "inUse") {
			t.Fatal(string(old.Bytes), err)
		}
		if err := w.Start(t.Context(), actor.Operator(), before.ID, ""); err != nil {
			t.Fatal(err)
		}
		w.work()
		w.done(before.ID)
		if w.total() != 2*n {
			t.Errorf("%d mails", w.total())
		}
	})
}

// The parts of an audience: who is in use, and the others.
func TestActiveParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		w.inUse(300)
		for part, want := range map[string][2]int64{InUse: {100, 100}, NotInUse: {200, 0}, "": {300, 100}} {
			c := w.draft(func(s *Spec) { s.Active = part }, Rates{})
			if n := w.now(c.ID); n[Pending] != want[0] || n.Total() != want[0] || c.InUse != want[1] {
				t.Errorf("%q: %v, %d in use", part, n.Names(), c.InUse)
			}
		}
		s := spec()
		s.Active = "maybe"
		if _, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
	})
}

// Several senders keep the order between them, over several shards: none begins the others while another still writes to those who come first.
func TestActiveFirstOfTwoSenders(t *testing.T) {
	const n = 2*shardSize + 700
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, func(r *Rooms) { r.Lease = time.Minute })
		w.inUse(n)
		o := w.watched(nil)
		other, err := New(t.Context(), w.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		c := w.started(nil, Rates{})
		w.work()
		w.workOf(t, other)
		w.done(c.ID)
		first := len(usedBy(n))
		if at, last := o.turned(usedBy(n)); at != first || last != first-1 || w.total() != n || len(w.taken) != n {
			t.Errorf("the first of the others came as %d, the last whose account is in use as %d of %d; %d mails to %d", at, last, first, w.total(), len(w.taken))
		}
	})
}

// A receiver that is paused, or whose rate is low, holds up nobody else: those who come first there do not keep the others waiting elsewhere.
func TestActiveFirstHoldsUpNobody(t *testing.T) {
	const n, slow = 4200, 600
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		w.inUse(n)
		w.watched(func(cmd string, e smtptest.Envelope) string { // every address of a.example is of an account in use
			if strings.HasPrefix(cmd, "RCPT") && strings.HasSuffix(e.To, "@a.example") {
				return "550 5.7.1 we do not take this"
			}
			return ""
		})
		c := w.started(nil, Rates{})
		w.work()
		w.until("all others are told", func() bool { return w.now(c.ID)[HandedOver] >= n*2/3 })
		if n := w.now(c.ID); n[Pending] == 0 {
			t.Error("nobody waits for the receiver that refuses:", n.Names())
		}
		if w.state(c.ID) != Running {
			t.Error(w.state(c.ID))
		}
	})
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		w.inUse(slow)
		o := w.watched(nil)
		c := w.started(nil, Rates{PerDomain: map[string]float64{"a.example": 50}})
		w.work()
		w.done(c.ID)
		if other, last := o.turned(usedBy(n)); other >= last || w.total() != slow {
			t.Errorf("the first of the others came as %d, the last of the slow domain as %d", other, last)
		}
	})
}

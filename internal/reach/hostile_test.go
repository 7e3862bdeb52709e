package reach

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// answered has the world's relay be one that answers as it is told.
func (w *world) answered(answer func(command string, e smtptest.Envelope) string) {
	w.t.Helper()
	w.sink.Close()
	w.listen(&smtptest.Sink{Keep: true, Answer: answer})
	w.Mailer.Relays[0] = relayAt(w.relay)
}

// A relay that takes every message and hangs up before it says so makes a few uncertain, and not everybody: it counts as down. So does one that
// hangs up on everybody before that, which blames nobody for it.
func TestRelayHangsUp(t *testing.T) {
	const all = 3000
	for stage, uncertain := range map[string]bool{".": true, "RCPT": false, "MAIL": false} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel() // they wait for a relay to be asked again
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				var clock atomic.Int64
				w := newWorld(t, db, all, func(r *Rooms) {
					r.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
				})
				var broken atomic.Bool
				var times atomic.Int64
				broken.Store(true)
				w.answered(func(cmd string, _ smtptest.Envelope) string {
					if broken.Load() && strings.HasPrefix(cmd, stage) {
						times.Add(1)
						return "hang up"
					}
					return ""
				})
				c := w.started(nil, Rates{})
				w.work()
				w.until("it says that the relay is away", func() bool {
					c, err := w.Get(t.Context(), actor.Operator(), c.ID)
					return err == nil && strings.HasPrefix(c.Why.EN, "relay 1: ") && strings.HasPrefix(c.Why.JA, "送信サーバー1に渡せません：")
				})
				w.until("what was begun has ended", func() bool { return w.now(c.ID)[Intended] == 0 })
				n, most := w.now(c.ID), int64(3*connections) // of a window or two that a slow machine came to meanwhile
				if times.Load() == 0 || n[Pending] < all-most || n[Refused]+n[HandedOver] != 0 || n[Unknown] > 0 != uncertain || w.total() != 0 {
					t.Fatalf("hung up %d times, %v, %d mails", times.Load(), n.Names(), w.total())
				}
				broken.Store(false)
				w.until("it is back", func() bool { n := w.now(c.ID); return n[Pending]+n[Intended] == 0 })
				if n[Unknown] > 0 {
					if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); err != nil {
						t.Fatal(err)
					}
				}
				clock.Add(int64(6 * time.Minute)) // those who were put off are due
				w.done(c.ID)
				if n := w.now(c.ID); n[HandedOver] != all || w.total() != all || len(w.taken) != all {
					t.Errorf("%v, %d mails to %d", n.Names(), w.total(), len(w.taken))
				}
			})
		})
	}
}

// A relay that dies and comes back is waited for: what it had taken it is not given again.
func TestRelayComesBack(t *testing.T) {
	const all = 3000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, all, nil)
		c := w.started(nil, Rates{})
		w.work()
		w.until("some leave", func() bool { return w.total() > 300 })
		w.sink.Close()
		w.until("it says that the relay is away", func() bool {
			c, err := w.Get(t.Context(), actor.Operator(), c.ID)
			return err == nil && strings.HasPrefix(c.Why.EN, "relay 1: ") && strings.HasPrefix(c.Why.JA, "送信サーバー1に渡せません：")
		})
		w.until("what was begun has ended", func() bool { return w.now(c.ID)[Intended] == 0 })
		if n := w.now(c.ID); n[Pending] == 0 || n[Deferred]+n[Refused] != 0 || int(n[HandedOver]+n[Unknown]) < w.total() || n[Unknown] > 2*connections {
			t.Fatalf("%v, %d mails", n.Names(), w.total())
		}
		back := &smtptest.Sink{Keep: true, Taken: w.sink.Taken}
		if _, err := back.Listen(w.relay); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(back.Close)
		w.until("all are told or listed", func() bool { n := w.now(c.ID); return n[HandedOver]+n[Unknown] == all })
		if w.total() != len(w.taken) {
			t.Errorf("%d mails to %d", w.total(), len(w.taken))
		}
		if n := w.now(c.ID); n[Unknown] > 0 {
			if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.done(c.ID)
		if len(w.taken) != all {
			t.Error(len(w.taken))
		}
	})
}

// A receiver that asks everybody to come again is not taken for one that refuses us: each is asked once more, and none of it pauses it.
func TestGreylisting(t *testing.T) {
	const all = 10 * maxInFlight
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var clock atomic.Int64
		w := newWorld(t, db, all, func(r *Rooms) {
			r.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
		})
		var mu sync.Mutex
		met := map[string]int{}
		w.answered(func(cmd string, e smtptest.Envelope) string {
			if !strings.HasPrefix(cmd, "RCPT") || !strings.HasSuffix(e.To, "@b.example") {
				return ""
			}
			mu.Lock()
			defer mu.Unlock()
			if met[e.To]++; met[e.To] == 1 {
				return []string{"450 4.7.1 come back later", "451 4.7.1 Greylisting in action", "454 4.7.0 not yet"}[len(met)%3]
			}
			return ""
		})
		c := w.started(nil, Rates{})
		w.work()
		grey := int64(count("@b.example", all))
		w.until("all have been asked", func() bool { n := w.now(c.ID); return n[HandedOver] == all-grey && n[Deferred] == grey })
		if got, err := w.Receivers(t.Context(), actor.Operator(), c.ID); err != nil || len(got) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		clock.Add(int64(6 * time.Minute))
		w.done(c.ID)
		if n := w.now(c.ID); n[HandedOver] != all || len(met) != int(grey) {
			t.Errorf("%v, %d were asked to come again", n.Names(), len(met))
		}
	})
}

// A relay that answers each mail twice loses count, and no person pays for it: everybody is told once.
func TestTwoAnswers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		got := map[string]int{}
		w := newWorld(t, db, 300, nil)
		w.answered(func(cmd string, e smtptest.Envelope) string {
			if cmd != "." {
				return ""
			}
			mu.Lock()
			defer mu.Unlock()
			got[e.To]++
			return "250 2.0.0 for one\r\n250 2.0.0 for another"
		})
		c := w.started(nil, Rates{})
		w.work()
		w.done(c.ID)
		if n := w.now(c.ID); n[HandedOver] != 300 || len(got) != 300 {
			t.Errorf("%v, %d mails", n.Names(), len(got))
		}
		for to, k := range got {
			if k != 1 {
				t.Errorf("%s got %d", to, k)
			}
		}
	})
}

// One recipient at whose mail the relay always fails, in each way that it can, holds up nobody: in the middle of a batch, at its beginning, and
// when nobody else is left.
func TestAlwaysFails(t *testing.T) {
	for name, answer := range map[string]func(cmd string) string{
		"hangs up at the recipient": func(cmd string) string { return map[bool]string{true: "hang up"}[strings.HasPrefix(cmd, "RCPT")] },
		"goes away": func(cmd string) string {
			return map[bool]string{true: "421 4.3.0 oops"}[strings.HasPrefix(cmd, "RCPT")]
		},
		"says nonsense": func(cmd string) string {
			return map[bool]string{true: "Traceback: oops"}[strings.HasPrefix(cmd, "RCPT")]
		},
		"no data": func(cmd string) string { return map[bool]string{true: "451 4.3.0 oops"}[cmd == "."] },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				var clock, failed atomic.Int64
				w := newWorld(t, db, 500, func(r *Rooms) {
					r.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
				})
				bad, err := smtp.Path(address(200))
				if err != nil {
					t.Fatal(err)
				}
				w.answered(func(cmd string, e smtptest.Envelope) string {
					a := ""
					if e.To == bad {
						if a = answer(cmd); a != "" {
							failed.Add(1)
						}
					}
					return a
				})
				c := w.started(nil, Rates{})
				w.work()
				w.until("the others are told", func() bool { n := w.now(c.ID); return n[HandedOver] == 499 && n[Deferred] == 1 })
				tries := failed.Load()
				if tries == 0 || w.total() != 499 || len(w.taken) != 499 {
					t.Fatalf("failed %d times, %d mails to %d", tries, w.total(), len(w.taken))
				}
				clock.Add(int64(6 * time.Minute))
				w.until("it is tried alone", func() bool { return failed.Load() > tries })
				w.until("it is put off again", func() bool { n := w.now(c.ID); return n[Deferred] == 1 && n[Pending]+n[Intended] == 0 })
				if w.total() != 499 {
					t.Errorf("%d mails", w.total())
				}
			})
		})
	}
}

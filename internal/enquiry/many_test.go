package enquiry

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// many fills the desk with n enquiries of a month, as rows: what is looked at is reading them. Nine in ten were answered with two facts, and of a
// hundredth one of these stands otherwise now.
func (w *world) many(n int) {
	w.t.Helper()
	ctx, ok := w.t.Context(), w.ok
	seal, err := w.Seal(ctx, shop, true)
	ok(err)
	in, err := w.Incident(ctx, shop)
	ok(err)
	count, class := versionOf(in, "affected.count", ""), versionOf(in, "data-class", whole)
	topics := []string{"affected", "data", "todo", "genuine", "misuse", "other"}
	start := w.clock.AddDate(0, 0, -29)
	person, err := sealJSON(seal, personIn("x"), Person{Name: "山田", Address: "somebody@example.com"})
	ok(err)
	for from := 0; from < n; from += 20_000 {
		ok(w.DB.Update(ctx, func(tx *sql.Tx) error {
			enquiry, err := tx.PrepareContext(ctx, `INSERT INTO enquiry (id, incident, state, before, channel, lang, topic, assignee, due, created, ended, verified, version, merged, wiped, who, person)
				VALUES ($1, 'shop-2026', $2, '', $3, $4, $5, '', $6, $7, $8, $9, 1, '', 0, $10, $11)`)
			if err != nil {
				return err
			}
			message, err := tx.PrepareContext(ctx, `INSERT INTO enquiry_message (id, enquiry, incident, seq, at, kind, actor, state, said, tries, due, batch, canned, corrected, seen, sealed)
				VALUES ($1, $2, 'shop-2026', 1, $3, 'answer', 'x', 'handed-over', '', 1, $3, '', 'hello', '', $4, $5)`)
			if err != nil {
				return err
			}
			said, err := tx.PrepareContext(ctx, `INSERT INTO enquiry_said (message, incident, fact, item, version, value) VALUES ($1, 'shop-2026', $2, $3, $4, $5)`)
			if err != nil {
				return err
			}
			for i := from; i < min(from+20_000, n); i++ {
				id, m := fmt.Sprintf("e%014d", i), fmt.Sprintf("m%014d", i)
				at := store.Micros(start.Add(time.Duration(i) * 29 * 24 * time.Hour / time.Duration(n)))
				state, channel, lang, ended, verified, due, who := Answered, Web, language.JA, at, at, at+w.Within.Microseconds(), whoTag(seal, fmt.Sprint(i*9/10))
				switch i % 20 {
				case 0:
					state, ended = Open, 0
				case 1:
					state, channel, who, verified = Closed, Telephone, []byte{}, 0
				case 2:
					lang, channel = language.EN, Mail
				case 3:
					state, verified = Unverified, 0
				case 4:
					state, channel = Spam, Mail
				case 5:
					state, due = Open, 0
				}
				if _, err := enquiry.ExecContext(ctx, id, string(state), channel, string(lang), topics[rand.IntN(len(topics))], due, at, ended, verified, who, person); err != nil {
					return err
				}
				if state == Open || state == Unverified {
					continue
				}
				if _, err := message.ExecContext(ctx, m, id, at, []byte{}, person); err != nil {
					return err
				}
				v := count
				if i%100 == 99 {
					v = "before"
				}
				for _, s := range []Said{{"affected.count", "", v, "900"}, {"data-class", whole, class, "メールアドレス"}} {
					if _, err := said.ExecContext(ctx, m, s.Fact, s.Item, s.Version, s.Value); err != nil {
						return err
					}
				}
			}
			return nil
		}))
	}
}

// TestCounted: figures that are read from indexes are those that counting every enquiry gives, on both engines.
func TestCounted(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.many(700)
		want := &Stats{Channels: map[string]int64{}, Languages: map[string]int64{}}
		asked, people, days := map[string]int64{}, map[string]bool{}, map[string]int64{}
		all, err := w.found(ctx, ` WHERE incident = $1`, shop)
		w.ok(err)
		for _, e := range all {
			switch e.State {
			case Unverified:
				want.Unverified++
				continue
			case Spam:
				want.Spam++
				continue
			case Open:
				want.Open++
			case Answered:
				want.Answered++
			case Closed:
				want.Closed++
			}
			want.All++
			want.Channels[e.Channel]++
			want.Languages[string(e.Lang)]++
			days[e.Created.UTC().Format(time.DateOnly)]++
			if e.Late(w.clock) {
				want.Late++
			}
			if want.First.IsZero() || e.Created.Before(want.First) {
				want.First = e.Created
			}
			if e.Created.After(want.Last) {
				want.Last = e.Created
			}
			if key := e.Topic + " " + string(e.who); len(e.who) == 0 || !people[key] {
				people[key] = true
				asked[e.Topic]++
			}
		}
		got, err := w.Stats(ctx, by, shop)
		w.ok(err)
		for _, topic := range got.Topics {
			if topic.Asked != asked[topic.ID] {
				t.Errorf("%s: %d asked, want %d", topic.ID, topic.Asked, asked[topic.ID])
			}
		}
		for _, day := range got.Days {
			if day.N != days[day.Day] {
				t.Errorf("%s: %d, want %d", day.Day, day.N, days[day.Day])
			}
		}
		if want.Misused = asked["misuse"]; len(got.Days) != 30 || want.Late == 0 || want.Spam == 0 || want.Channels[Telephone] == 0 {
			t.Errorf("%d days; %+v", len(got.Days), want)
		}
		got.Topics, got.Days = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		// Page by page it is everybody once: who waits first, and of each state those that are due first.
		var listed []*Enquiry
		for {
			some, n, err := w.List(ctx, by, shop, Filter{From: len(listed), Most: 37})
			w.ok(err)
			if listed = append(listed, some...); n != want.All || len(some) == 0 {
				break
			}
		}
		rank := func(e *Enquiry) int { return slices.Index([]State{Open, Answered, Closed}, e.State) }
		if int64(len(listed)) != want.All || !slices.IsSortedFunc(listed, func(a, b *Enquiry) int {
			switch {
			case rank(a) != rank(b):
				return rank(a) - rank(b)
			case a.Due.IsZero() != b.Due.IsZero():
				return map[bool]int{true: 1, false: -1}[a.Due.IsZero()]
			}
			return a.Due.Compare(b.Due)
		}) {
			t.Errorf("%d are listed, of %d", len(listed), want.All)
		}
		changed, err := w.Overtaken(ctx, by, shop)
		if err != nil || len(changed) != 1 || changed[0].Answers != 7 || changed[0].Was != "900" || changed[0].Is.EN == "" {
			t.Errorf("%+v, %v", changed, err)
		}
		if id, err := w.NewCorrection(ctx, by, shop, language.Text{}); err != nil {
			t.Error(err)
		} else if b, err := w.GetBatch(ctx, by, shop, id); err != nil || b.Counts["chosen"] != 7 {
			t.Errorf("%+v, %v", b, err)
		}
		if call, err := w.ToCall(ctx, by, shop); err != nil || len(call) != 0 {
			t.Errorf("%v, %v", call, err)
		}
	})
}

// TestBeforeCounted: a desk of before is counted as it was, and what was corrected then is not corrected again.
func TestBeforeCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, earlier := t.Context(), fstest.MapFS{}
		for _, name := range []string{"00001_enquiries.sql", "00002_budgets.sql"} {
			data, err := migrations.ReadFile("migrations/" + name)
			if err != nil {
				t.Fatal(err)
			}
			earlier[name] = &fstest.MapFile{Data: data}
		}
		err := db.Migrate(ctx, "enquiry", earlier)
		if err == nil {
			err = db.Update(ctx, func(tx *sql.Tx) error {
				for i, corrected := range []string{"", "m9"} {
					e, m := fmt.Sprintf("e%d", i), fmt.Sprintf("m%d", i)
					for _, q := range []string{
						`INSERT INTO enquiry (id, incident, state, before, channel, lang, topic, assignee, due, created, ended, verified, version, merged, wiped, who, person)
							VALUES ('` + e + `', 'shop-2026', 'answered', '', 'web', 'ja', 'data', '', 0, 1777000000000000, 1, 1, 1, '', 0, $1, $1)`,
						`INSERT INTO enquiry_message (id, enquiry, incident, seq, at, kind, actor, state, said, tries, due, batch, canned, corrected, seen, sealed)
							VALUES ('` + m + `', '` + e + `', 'shop-2026', 1, 1, 'answer', 'x', 'handed-over', '', 1, 1, '', '', '` + corrected + `', $1, $1)`,
						`INSERT INTO enquiry_said (message, incident, fact, item, version, value) VALUES ('` + m + `', 'shop-2026', 'affected.count', '', 'before', '900')`,
					} {
						var args []any
						if strings.Contains(q, "$1") {
							args = []any{[]byte(e)}
						}
						if _, err := tx.ExecContext(ctx, q, args...); err != nil {
							return err
						}
					}
				}
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, db, t.TempDir())
		s, err := w.Stats(ctx, actor.Operator(), shop)
		if err != nil || s.All != 2 || s.Answered != 2 || s.Topics[1].Asked != 2 {
			t.Errorf("%+v, %v", s, err)
		}
		if list, err := w.Overtaken(ctx, actor.Operator(), shop); err != nil || len(list) != 1 || list[0].Answers != 1 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestLostCorrection: a correction that comes back corrects nothing, and whoever was told otherwise is found again.
func TestLostCorrection(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("count", "{{affected.count}}です。", "It is {{affected.count}}.")
		e := w.asked("affected", "x", "a@example.com")
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "count"}, ""))
		w.mails()
		w.facts("id: shop-2026\nasOf: \"2026-05-02T10:00+09:00\"\nfacts:\n  - {key: affected.count, value: 1200, unit: persons}\n")
		for round, lose := range []func(){
			func() { // it comes back
				w.mails()
				w.ok(w.TakeMail(ctx, report, w.threadAddress(e.ID)))
			},
			func() { // it is refused
				w.outcome = func(Letter) (Outcome, string) { return Refused, "550" }
				w.mails()
				w.outcome = nil
			},
			func() { w.mails() },
		} {
			if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 1 {
				t.Fatalf("round %d: %+v, %v", round, list, err)
			}
			id, err := w.NewCorrection(ctx, by, shop, language.Text{})
			w.ok(err)
			p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
			w.ok(err)
			w.ok(w.Start(ctx, by, p, nil))
			if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 0 {
				t.Fatalf("on its way: %+v, %v", list, err)
			}
			lose()
		}
		if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 0 {
			t.Errorf("it arrived: %+v, %v", list, err)
		}
	})
}

// returning is a report of a mail, by its Message-ID, in bytes of its own.
func returning(id, again string) []byte {
	return []byte("From: MAILER-DAEMON@example.com\r\nX-Again: " + again + "\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\nAuto-Submitted: auto-replied\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n" +
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <" + id + ">\r\nSubject: x\r\n\r\n--b--\r\n")
}

// TestReportAgain: a report that is brought again, or that returns another mail than the newest, undoes no later correction.
func TestReportAgain(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("count", "{{affected.count}}です。", "It is {{affected.count}}.")
		e := w.asked("affected", "x", "a@example.com")
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "count"}, ""))
		first := w.mails()
		w.facts("id: shop-2026\nasOf: \"2026-05-02T10:00+09:00\"\nfacts:\n  - {key: affected.count, value: 1200, unit: persons}\n")
		correct := func() Letter {
			t.Helper()
			id, err := w.NewCorrection(ctx, by, shop, language.Text{})
			w.ok(err)
			p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
			w.ok(err)
			w.ok(w.Start(ctx, by, p, nil))
			sent := w.mails()
			if len(sent) != 1 {
				t.Fatalf("%d corrections leave", len(sent))
			}
			return sent[0]
		}
		overtaken := func(want int) {
			t.Helper()
			if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != want {
				t.Fatalf("%+v, want %d: %v", list, want, err)
			}
		}
		host := "@notice.example.jp"
		came := returning(correct().ID+host, "1")
		w.ok(w.TakeMail(ctx, came, w.threadAddress(e.ID)))
		overtaken(1)
		again := correct()
		for name, raw := range map[string][]byte{"the same report": came, "one more of the same mail": returning(strings.TrimSuffix(string(mailOf(came)), host)+host, "2"),
			"one of another's mail": returning("somebody.else@mail.example", "4"), "one of a mail that is of another thread": returning(mailID+"m00000000000000"+host, "6")} {
			w.ok(w.TakeMail(ctx, raw, w.threadAddress(e.ID)))
			if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 0 {
				t.Errorf("after %s the correction corrects nothing: %+v, %v", name, list, err)
			}
		}
		w.ok(w.TakeMail(ctx, returning(again.ID+host, "5"), w.threadAddress(e.ID)))
		overtaken(1)
		w.ok(w.TakeMail(ctx, returning(first[0].ID+host, "3"), w.threadAddress(e.ID))) // the answer itself never came: nobody was told otherwise
		overtaken(0)
	})
}

func mailOf(report []byte) []byte {
	return regexp.MustCompile(`Message-ID: <([^>]*)>`).FindSubmatch(report)[1]
}

// TestSettledElsewhere: what a process that was held up says of a mail that is not its own any more undoes nothing.
func TestSettledElsewhere(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("count", "{{affected.count}}です。", "It is {{affected.count}}.")
		e := w.asked("affected", "x", "a@example.com")
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "count"}, ""))
		w.mails()
		w.facts("id: shop-2026\nasOf: \"2026-05-02T10:00+09:00\"\nfacts:\n  - {key: affected.count, value: 1200, unit: persons}\n")
		id, err := w.NewCorrection(ctx, by, shop, language.Text{})
		w.ok(err)
		p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		w.ok(err)
		w.ok(w.Start(ctx, by, p, nil))
		held, err := w.intend(ctx)
		if err != nil || len(held) != 1 {
			t.Fatal(held, err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE enquiry_message SET state = 'handed-over' WHERE id = $1`, held[0].id); err != nil {
			t.Fatal(err)
		}
		held[0].outcome, held[0].said = Refused, "550"
		_, err = w.settle(ctx, held)
		w.ok(err)
		if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 0 {
			t.Errorf("it corrects nothing: %+v, %v", list, err)
		}
	})
}

// TestPlans: what is asked each second, or by each link, reads the index that is made for it, and of no desk all messages or all that came.
func TestPlans(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := newWorld(t, db, t.TempDir())
	for _, analysed := range []bool{false, true} {
		if analysed {
			w.many(3_000)
			if _, err := db.ExecContext(t.Context(), `ANALYZE`); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			query      string
			args       []any
			uses, fits string // every search of the first table names an index that fits
		}{
			{howTheyStand, nil, "enquiry_message_leaves", `^SEARCH m USING (COVERING INDEX enquiry_message_(leaves|at) |INDEX enquiry_message_at )`},
			{howItGetsOn, []any{shop, 1, 2, 3}, "enquiry_moves", `^SEARCH enquiry USING (COVERING INDEX |INDEX enquiry_came .incident=. AND created>)`},
			{whatWaits, []any{shop, []byte{1}, 1, "e"}, "enquiry_who", `^SEARCH enquiry USING INDEX enquiry_who `},
		} {
			rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+c.query, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var plan []string
			for rows.Next() {
				var a, b, n int
				var line string
				if err := rows.Scan(&a, &b, &n, &line); err != nil {
					t.Fatal(err)
				}
				plan = append(plan, line)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			uses := false
			for _, line := range plan {
				uses = uses || strings.Contains(line, c.uses)
				table := strings.Join(strings.Fields(c.fits)[:2], " ")[1:]
				if strings.HasPrefix(line, table+" ") && !regexp.MustCompile(c.fits).MatchString(line) || strings.HasPrefix(line, "SCAN enquiry") {
					t.Errorf("analysed %t: %s", analysed, line)
				}
			}
			if !uses {
				t.Errorf("analysed %t: %s is not used: %q", analysed, c.uses, plan)
			}
		}
	}
}

// BenchmarkDesk reads a desk of 100,000 enquiries. The ratio is against counting its rows.
func BenchmarkDesk(b *testing.B) {
	storetest.Bench(b, func(b *testing.B, db *store.DB) {
		w := newWorld(b, db, b.TempDir())
		w.many(100_000)
		if _, err := db.ExecContext(b.Context(), `ANALYZE`); err != nil {
			b.Fatal(err)
		}
		w.measure(b)
	})
}

func (w *world) measure(b *testing.B) {
	by := actor.Operator()
	rows := func(ctx context.Context) error {
		var n int64
		return w.DB.QueryRowContext(ctx, `SELECT count(*) FROM enquiry WHERE incident = $1`, shop).Scan(&n)
	}
	for _, one := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"figures", func(ctx context.Context) error { _, err := w.Stats(ctx, by, shop); return err }},
		{"queue", func(ctx context.Context) error { _, _, err := w.List(ctx, by, shop, Filter{Most: 50}); return err }},
		{"queue, the last page", func(ctx context.Context) error {
			_, _, err := w.List(ctx, by, shop, Filter{Most: 50, From: 84_900})
			return err
		}},
		{"overtaken", func(ctx context.Context) error { _, err := w.Overtaken(ctx, by, shop); return err }},
		{"whom to call", func(ctx context.Context) error { _, err := w.ToCall(ctx, by, shop); return err }},
		{"calls by the hour", func(ctx context.Context) error { _, err := w.Calls(ctx, by, shop, 7); return err }},
		{"load", func(ctx context.Context) error { _, err := w.Load(ctx, shop); return err }},
		{"live look", func(ctx context.Context) error { _, err := w.Versions(ctx); return err }},
		{"a link", func(ctx context.Context) error {
			_, err := w.pendingAt(ctx, shop, []byte("nobody"), "e")
			return err
		}},
		{"what help pages ask", func(ctx context.Context) error { w.public.until = time.Time{}; _, err := w.Public(ctx); return err }},
		{"export", func(ctx context.Context) error { return w.Export(ctx, by, shop, io.Discard) }},
	} {
		b.Run(one.name, func(b *testing.B) {
			var own, reference time.Duration
			for b.Loop() {
				at := time.Now()
				if err := rows(b.Context()); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				if err := one.do(b.Context()); err != nil {
					b.Fatal(err)
				}
				reference, own = reference+between.Sub(at), own+time.Since(between)
			}
			b.ReportMetric(float64(own.Microseconds())/1000/float64(b.N), "ms")
			b.ReportMetric(float64(own)/float64(reference), "ratio")
		})
	}
}

package reach

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// Everybody gets one mail, in their language, with what was exposed of them.
func TestSend(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 700, nil)
		c := w.started(nil, Rates{})
		w.work()
		w.done(c.ID)
		if n := w.now(c.ID); n[HandedOver] != 700 || n.Total() != 700 {
			t.Fatalf("%v", n.Names())
		}
		if len(w.taken) != 700 || w.total() != 700 {
			t.Fatalf("%d addresses, %d mails", len(w.taken), w.total())
		}
		for _, a := range addresses(700) {
			path, err := smtp.Path(a)
			if err != nil || w.taken[path] != 1 {
				t.Errorf("%s got %d", a, w.taken[path])
			}
		}
		x, err := w.Mailed(t.Context(), "<"+messageID(w.mails[0])+">")
		if err != nil || x.State != HandedOver || x.Campaign != c.ID {
			t.Errorf("%+v, %v", x, err)
		}
		entries, err := w.Journal(t.Context(), actor.Operator(), c.ID, x.Ordinal)
		if err != nil || len(entries) != 1 || entries[0].Said != "250 2.0.0 queued" || entries[0].State != HandedOver {
			t.Errorf("%+v, %v", entries, err)
		}
		if events, err := w.Events(t.Context(), actor.Operator(), c.ID); err != nil || len(events) != 3 {
			t.Errorf("%+v, %v", events, err)
		}
	})
}

func TestPreview(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, nil)
		c := w.draft(func(s *Spec) { s.Link = "https://notice.example.jp/r/"; s.Text.JA += "\n{{you.link}}\n" }, Rates{PerSecond: 10, RampUp: Span(4 * time.Second)})
		p, err := w.Preview(t.Context(), actor.Operator(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Contents) != 4 || p.Duration != 5*time.Second || p.By != "rate" || p.Counts[Pending] != 30 {
			t.Errorf("%d texts, %v by %s", len(p.Contents), p.Duration, p.By)
		}
		ja := p.Contents[slices.IndexFunc(p.Contents, func(x PreviewText) bool { return x.Lang == language.JA && len(x.Exposed) == 2 })]
		for _, want := range []string{"■ お詫びとお知らせ\n\n株式会社例示です。2026年11月18日", "loss-2026-1", "https://notice.example.jp をご自分で", "https://notice.example.jp/r/…", "ニックネーム"} {
			if !strings.Contains(ja.Text, want) {
				t.Errorf("no %q in\n%s", want, ja.Text)
			}
		}
		if !strings.Contains(ja.HTML, `<html lang="ja">`) || !strings.Contains(ja.HTML, "<h1>お詫びとお知らせ</h1>") || strings.Contains(ja.HTML, "<img") || strings.Contains(ja.HTML, "http-equiv") {
			t.Error(ja.HTML)
		}
	})
}

// What cannot be a campaign is refused with its place.
func TestRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, nil)
		for name, c := range map[string]struct {
			change func(*Spec)
			want   string
		}{
			"an unknown fact":     {func(s *Spec) { s.Text.JA = "x\n{{affected.sum}}" }, "text.ja:2:1"},
			"a fact that is not":  {func(s *Spec) { s.Text.EN = "{{cause}}" }, "text.en:1:1"},
			"no link":             {func(s *Spec) { s.Text.JA = "{{you.link}}" }, "text.ja"},
			"nothing of them":     {func(s *Spec) { s.Subject.JA = "{{you.exposed}}" }, "subject.ja"},
			"a line in a subject": {func(s *Spec) { s.Subject.EN = "a\nBcc: x@y.example" }, ""},
			"a sender":            {func(s *Spec) { s.From.Address = "a@b.example\r\nX: y" }, "from.address"},
			"a condition":         {func(s *Spec) { s.Needs = []string{"luck"} }, "luck"},
			"nobody":              {func(s *Spec) { s.Locales = []string{"fr"} }, "nobody"},
			"a class":             {func(s *Spec) { s.Classes = []string{"soul"} }, "soul"},
			"a script":            {func(s *Spec) { s.Link = "javascript:alert(1)" }, "link"},
		} {
			s := spec()
			c.change(&s)
			got, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{})
			if name == "a line in a subject" && err == nil { // it stands on one line then
				f, err := got.frozenNow(t.Context(), w.Reach)
				if err == nil {
					_, err = w.outgoing(got, f)
				}
				if err == nil {
					t.Error("a subject of two lines is sent")
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.Create(t.Context(), actor.Actor{}, spec(), Rates{}, time.Time{}); !errors.Is(err, actor.ErrNobody) {
			t.Error(err)
		}
		stranger := actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{actor.Commander}}, "console")
		if _, err := w.Create(t.Context(), stranger, spec(), Rates{}, time.Time{}); err == nil {
			t.Error("a stranger to the case makes a campaign")
		}
		c := w.draft(nil, Rates{})
		if _, err := w.Get(t.Context(), stranger, c.ID); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		for name, do := range map[string]error{
			"start": w.Start(t.Context(), stranger, c.ID, ""), "pause": w.Pause(t.Context(), stranger, c.ID, ""), "cancel": w.Cancel(t.Context(), stranger, c.ID, ""),
			"rates": w.SetRates(t.Context(), stranger, c.ID, Rates{}), "test": w.Test(t.Context(), stranger, c.ID, []string{"a@b.example"}),
		} {
			if !errors.Is(do, ErrNotFound) {
				t.Errorf("%s by a stranger: %v", name, do)
			}
		}
		reader := actor.Staff(actor.Member{ID: "p2", Roles: []actor.Role{actor.Auditor}}, "console")
		if err := w.Start(t.Context(), reader, c.ID, ""); !errors.Is(err, actor.ErrRole) {
			t.Error(err)
		}
	})
}

func (c *Campaign) frozenNow(ctx context.Context, r *Reach) (*frozen, error) {
	f, _, err := r.texts(ctx, c)
	return f, err
}

func TestAudience(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 300, func(r *Rooms) {
			r.Filters = map[string]Filter{"not-reset": func(_ context.Context, of string) (func(roster.Member) bool, error) {
				if of != "loss-2026" {
					return nil, errors.New("it was never set up")
				}
				return func(m roster.Member) bool { return !strings.HasSuffix(m.Accounts[0], "1") }, nil
			}}
			r.Suppressed = func(_ context.Context, of string) (func(string) bool, error) {
				return func(a string) bool { return of == "loss-2026" && a == address(2) }, nil
			}
		})
		c := w.started(func(s *Spec) {
			s.Locales = []string{"ja", "en"}
			s.Classes = []string{"nickname"}
			s.Only = []string{"not-reset"}
		}, Rates{})
		want := 0
		for i := range 300 {
			if i%2 == 1 && i%3 != 2 && i%10 != 1 {
				want++
			}
		}
		w.work()
		w.done(c.ID)
		if n := w.now(c.ID); n.Total() != int64(want) || w.total() != want {
			t.Errorf("%v, %d mails, want %d", n.Names(), w.total(), want)
		}
		c = w.started(nil, Rates{})
		w.done(c.ID)
		if n := w.now(c.ID); n[Substitute] != 1 || n[HandedOver] != 299 || w.taken[address(2)] != 0 {
			t.Errorf("%v", n.Names())
		}
	})
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

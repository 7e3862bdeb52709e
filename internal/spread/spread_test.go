package spread

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func eachRoom(t *testing.T, do func(t *testing.T, s *Spread)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dir, err := files.Open(filepath.Join(t.TempDir(), "files"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dir.Close() })
		keys, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { keys.Close() })
		rosters, err := roster.New(t.Context(), db, dir, keys)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(t.Context(), Rooms{DB: db, Rosters: rosters})
		if err != nil {
			t.Fatal(err)
		}
		do(t, s)
	})
}

// TestSpread: a place is one however often it is reported, is sealed, is told by number only, and is gone with the case's key.
func TestSpread(t *testing.T) {
	eachRoom(t, func(t *testing.T, s *Spread) {
		const link = "https://social.example/user/status/1234567890123"
		for _, place := range []string{link, "https://paste.example/x", link} {
			if err := s.Report(t.Context(), "shop", "social", place); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.List(t.Context(), actor.Operator(), "shop")
		if err != nil || len(all) != 2 || all[0].Where != link || all[0].Reports != 2 || all[0].State != "reported" {
			t.Fatalf("%+v, %v", all, err)
		}
		if _, told, err := s.Propose(t.Context(), "shop"); err != nil || told {
			t.Errorf("what nobody has looked at becomes a fact: %v", err)
		}
		if err := s.Decide(t.Context(), actor.Operator(), "shop", all[0].ID, "taken-down"); err != nil {
			t.Fatal(err)
		}
		if c, err := s.Counts(t.Context(), "shop"); err != nil || c != (Counts{Reported: 1, Known: 1, TakenDown: 1}) {
			t.Errorf("%+v, %v", c, err)
		}
		if f, told, err := s.Propose(t.Context(), "shop"); err != nil || !told || f.Value.Word != "spread" || f.Value.Status != "confirmed" {
			t.Errorf("%+v, %v", f, err)
		}
		var sealed []byte
		if err := s.DB.QueryRowContext(t.Context(), `SELECT place FROM spread_place WHERE id = $1`, all[0].ID).Scan(&sealed); err != nil || strings.Contains(string(sealed), "social") {
			t.Errorf("it is not sealed: %v", err)
		}
		for _, c := range []struct {
			who                 actor.Actor
			incident, id, state string
			want                error
		}{{actor.Actor{}, "shop", all[0].ID, "confirmed", actor.ErrNobody}, {actor.Operator(), "shop", all[0].ID, "anything", ErrInput}, {actor.Operator(), "other", all[0].ID, "confirmed", ErrNone}, {actor.Operator(), "shop", "p-none", "confirmed", ErrNone}} {
			if err := s.Decide(t.Context(), c.who, c.incident, c.id, c.state); !errors.Is(err, c.want) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if _, err := s.List(t.Context(), actor.Actor{}, "shop"); !errors.Is(err, ErrNone) {
			t.Errorf("nobody sees it: %v", err)
		}
		if err := s.Rosters.Shred(t.Context(), actor.Operator(), "shop"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.List(t.Context(), actor.Operator(), "shop"); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("after the case's key is gone: %v", err)
		}
	})
}

// TestNeverTheData: what may be the data itself is refused, and its words are in no error.
func TestNeverTheData(t *testing.T) {
	eachRoom(t, func(t *testing.T, s *Spread) {
		for _, place := range []string{"taro@example.jp", "taro＠example.jp", "https://x.example/?q=taro%40example.jp", "https://x.example/taro@example.jp", "a forum, with 090-1234-5678", "４１１１１１１１１１１１１１１１",
			"4111 1111 1111 1111", "https://x.example/?card=4111-1111-1111-1111", "掲示板 パスワード：hunter2", "leak taro:password=hunter2", "https://x.example/#0312345678", "マイナンバー 123456789012"} {
			err := s.Report(t.Context(), "shop", "forum", place)
			if !errors.Is(err, ErrData) || strings.Contains(err.Error(), "taro") || strings.Contains(err.Error(), "1234") {
				t.Errorf("%q: %v", place, err)
			}
		}
		for _, place := range []string{"", " ", "a\nb", "a\u202eb", "a\u200bb", "\ufeffa", "a\u00adb", "a\u2060b", "a\u3164", "a\x00b", "\xff", strings.Repeat("長", maxPlace+1)} {
			if err := s.Report(t.Context(), "shop", "forum", place); !errors.Is(err, ErrInput) {
				t.Errorf("%q: %v", place, err)
			}
		}
		if err := s.Report(t.Context(), "shop", "anything", "x"); !errors.Is(err, ErrInput) {
			t.Errorf("a kind of its own: %v", err)
		}
		for _, place := range []string{"5ちゃんねるのスレッド", "https://t.example/s/1234567890", "a channel of a messenger, @leaks", "http://abcdefghijklmnop.onion/files/2024"} {
			if err := s.Report(t.Context(), "shop", "other", place); err != nil {
				t.Errorf("%q: %v", place, err)
			}
		}
	})
}

// TestFull: 10,000 reports fill nothing: so many wait, and what is reported again still counts.
func TestFull(t *testing.T) {
	eachRoom(t, func(t *testing.T, s *Spread) {
		full := 0
		for n := range waiting + 50 {
			err := s.Report(t.Context(), "shop", "forum", fmt.Sprint("thread ", n))
			if errors.Is(err, ErrFull) {
				full++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if full != 50 {
			t.Errorf("%d were not taken", full)
		}
		if err := s.Report(t.Context(), "shop", "forum", "thread 3"); err != nil {
			t.Errorf("what is known already: %v", err)
		}
		all, err := s.List(t.Context(), actor.Operator(), "shop")
		if err != nil || len(all) != waiting || !slices.ContainsFunc(all, func(p Place) bool { return p.Where == "thread 3" && p.Reports == 2 }) {
			t.Errorf("%d, %v", len(all), err)
		}
	})
}

// FuzzScreen holds that what is let through has no address of mail in it that a person would see.
func FuzzScreen(f *testing.F) {
	for _, s := range []string{"https://x.example/1", "taro@example.jp", "a b", "https://x.example/?a@b.jp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if screen(s) == nil && screen("x "+s+" taro@example.jp") == nil {
			t.Errorf("%q hides an address", s)
		}
	})
}

// TestNothingReported: where nothing was reported there is nothing, and no key is missed.
func TestNothingReported(t *testing.T) {
	eachRoom(t, func(t *testing.T, s *Spread) {
		if all, err := s.List(t.Context(), actor.Operator(), "shop"); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

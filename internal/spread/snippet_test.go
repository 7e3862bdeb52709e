package spread

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/language"
)

// TestSnippet: a text to post is there in both languages, is held against the facts, comes onto the page by a second person only where there is staff, and
// goes off it at once.
func TestSnippet(t *testing.T) {
	eachRoom(t, func(t *testing.T, s *Spread) {
		ctx, by := t.Context(), actor.Operator()
		s.Read = func(_ context.Context, _ string, lang language.Lang, text string) ([]string, error) {
			if strings.Contains(text, "999") {
				return []string{"another number in " + string(lang)}, nil
			}
			return nil, nil
		}
		for _, bad := range []language.Text{{}, {JA: "x"}, {EN: "x"}, language.Both(strings.Repeat("あ", maxSnippet+1), "x"), language.Both("a\u202eb", "x"), language.Both("a\u200bb", "x"), language.Both("x", "a\ufeffb"), language.Both("x", "a\x00b")} {
			if _, err := s.PlanSnippet(ctx, by, "shop", AskedSnippet{Text: bad}); !errors.Is(err, ErrInput) {
				t.Errorf("%.20q: %v", bad.JA, err)
			}
		}
		wrong := AskedSnippet{Text: language.Both("999人です。", "999 persons.")}
		if _, err := s.PlanSnippet(ctx, by, "shop", wrong); !errors.Is(err, ErrAgainst) {
			t.Errorf("against the facts: %v", err)
		}
		p, err := s.PlanSnippet(ctx, by, "shop", AskedSnippet{Text: language.Both(" お知らせは\nこちらです。 ", "See the notice. 👨\u200d👩\u200d👧")})
		if err != nil || p.Text.JA != "お知らせは\nこちらです。" {
			t.Fatal(p, err)
		}
		s.Wanted = func(context.Context) (bool, error) { return true, nil }
		if err := s.Post(ctx, by, p, nil); !errors.Is(err, ErrWanted) {
			t.Errorf("without a second person: %v", err)
		}
		failed := errors.New("the proposal is void")
		if err := s.Post(ctx, by, p, func(*sql.Tx) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("what did not settle: %v", err)
		}
		if list, err := s.Snippets(ctx, "shop"); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		for range maxSnippets {
			if err := s.Post(ctx, by, p, func(*sql.Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Post(ctx, by, p, func(*sql.Tx) error { return nil }); !errors.Is(err, ErrFull) {
			t.Errorf("beyond what is shown: %v", err)
		}
		list, err := s.Snippets(ctx, "shop")
		if err != nil || len(list) != maxSnippets {
			t.Fatal(len(list), err)
		}
		if err := s.DropSnippet(ctx, by, "other", list[0].ID); !errors.Is(err, ErrNone) {
			t.Errorf("of another case: %v", err)
		}
		if err := s.DropSnippet(ctx, by, "shop", list[0].ID); err != nil {
			t.Error(err)
		}
		if list, err := s.Snippets(ctx, "shop"); err != nil || len(list) != maxSnippets-1 {
			t.Error(len(list), err)
		}
		if gone, err := s.Dropped(ctx, "shop"); err != nil || len(gone) != 1 || gone[0].ID != list[0].ID || gone[0].DroppedBy != by.String() || gone[0].Dropped.IsZero() {
			t.Errorf("nobody knows who took it off: %+v, %v", gone, err)
		}
	})
}

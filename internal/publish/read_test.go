package publish

import (
	"errors"
	"strings"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
)

// TestTextThatSpeaksAgainstTheFacts: what is found in a text stops it, in either language, until somebody says why; and nothing is
// published before readers hear of a fact that overturns what they were told.
func TestTextThatSpeaksAgainstTheFacts(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing + `
  - {key: secondary-damage, value: login, status: none-confirmed}`)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		look := &compose.Draft{Kind: incident.KindAddendum, Text: language.Both("続報です。https://exampIe-check.com で確認できます。", "An update. See the help page.")}
		_, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: look})
		if !errors.Is(err, ErrDifferent) || !strings.Contains(err.Error(), "Japanese, line 1") {
			t.Errorf("a look-alike: %v", err)
		}
		prop, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: look, Despite: "it is the desk's new page"})
		if err != nil || len(prop.Differences) != 1 || prop.Differences[0].Code != "text-link" || prop.Differences[0].JA == "" {
			t.Fatalf("%+v, %v", prop, err)
		}
		records, err := w.Records(ctx, "shop")
		if last := records[len(records)-1]; err != nil || last.Despite != "it is the desk's new page" || len(last.Differences) != 1 {
			t.Errorf("%+v, %v", last, err)
		}
		plan, err := planOf(prop)
		if said := plan.Effect.Doubts; err != nil || !strings.Contains(said[len(said)-1].JA+said[0].JA, "それでも公表する理由") && !strings.Contains(said[1].JA, "それでも公表する理由") {
			t.Errorf("an approver is not told why: %+v, %v", said, err)
		}
		w.record(`id: shop
asOf: "2026-11-22T16:00+09:00"
facts:
  - {key: secondary-damage, value: login, status: confirmed}
  - {key: alias, id: shop, value: Shop}`)
		other := &compose.Draft{Kind: incident.KindAddendum, Only: []string{"alias"}}
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: other, Despite: "whatever"}); !errors.Is(err, ErrOverturned) {
			t.Errorf("something else is published first: %v", err)
		}
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: &compose.Draft{Kind: incident.KindAddendum, Only: []string{"secondary-damage"}}}); err != nil {
			t.Errorf("the addendum that tells it: %v", err)
		}
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop", Notice: other}); err != nil {
			t.Errorf("something else after it: %v", err)
		}
	})
}

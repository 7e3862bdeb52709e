package publish

import (
	"errors"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
)

// TestLook: a draft says what a publication would, with what speaks against it, and leaves nothing; what is wrong with a text is told with it.
func TestLook(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		if _, err := w.Look(ctx, actor.Actor{}, "shop", compose.Draft{Kind: incident.KindFirst}); !errors.Is(err, actor.ErrNobody) {
			t.Errorf("by nobody: %v", err)
		}
		if _, err := w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindAddendum}); !errors.Is(err, incident.ErrNotice) {
			t.Errorf("an addendum to nothing: %v", err)
		}
		w.scope("shop", rows(6), rules)
		d, err := w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindFirst})
		if err != nil || d.Stopped != nil || !d.Fresh || len(d.Differences) > 0 || len(d.Gaps) == 0 {
			t.Fatalf("%+v, %v", d, err)
		}
		if notices, err := w.Incidents.Notices(ctx, "shop"); err != nil || len(notices) != 0 {
			t.Errorf("a look publishes: %v, %v", notices, err)
		}
		_, pub, err := w.Run(ctx, by, Request{Incident: "shop"})
		if err != nil || pub.Notice.Text != d.Notice.Text {
			t.Errorf("something else is published than was looked at: %v", err)
		}
		if d, err := w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindFirst}); err != nil || d.Fresh || d.Kind != incident.KindRevision {
			t.Errorf("%+v, %v", d, err)
		}
		text := language.Both("続報です。https://exampIe-check.com で確認できます。", "An update. See the help page.")
		d, err = w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindAddendum, Text: text})
		if err != nil || d.Source != text || len(d.Differences) != 1 || d.Differences[0].JA == "" {
			t.Errorf("%+v, %v", d, err)
		}
		if d, err := w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindAddendum, Text: language.Both("{{none}}", "{{none}}")}); err != nil || !errors.Is(d.Stopped, incident.ErrNotice) {
			t.Errorf("a text that refers to nothing: %+v, %v", d, err)
		}
		// Another roster than the facts say.
		w.scope("shop", rows(7), rules)
		if d, err := w.Look(ctx, by, "shop", compose.Draft{Kind: incident.KindFirst}); err != nil || len(d.Differences) == 0 || !strings.Contains(d.Differences[0].JA, "対象の数") {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

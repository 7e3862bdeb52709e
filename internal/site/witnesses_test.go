package site

import (
	"context"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/site/sitetest"
)

// TestWitnessesPage: /how says in both languages who cosigns the ledger, and that nobody does.
func TestWitnessesPage(t *testing.T) {
	var now Witnesses
	w := newWorld(t, func(o *Options) { o.Witnesses = func(context.Context) Witnesses { return now } }, string(incident.ModelCase()))
	each := []Witness{{Name: "north.example/w", VKey: "north.example/w+8a29eeaa+BPkI", Cosigned: time.Date(2026, 11, 28, 1, 2, 0, 0, time.UTC)}, {Name: "south.example/w", VKey: "south.example/w+526cf021+BP2k"}}
	for _, c := range []struct {
		name      string
		witnesses Witnesses
		says      map[string][]string
	}{
		{"none", Witnesses{}, map[string][]string{
			"ja": {"この台帳には、立会人がいません。", "はじめて訪れたときには比べるものがありません。"},
			"en": {"This ledger has no witnesses.", "on a first visit it has nothing to compare with"}}},
		{"a quorum", Witnesses{true, each}, map[string][]string{
			"ja": {"必要な数の署名がそろうまで、新しい記録は公開しません。", "north.example/w&#43;8a29eeaa&#43;BPkI", "まだありません", "2026年11月28日"},
			"en": {"Nothing new is public before enough of them have signed.", "south.example/w", "none yet", "28 November 2026"}}},
		{"no quorum", Witnesses{false, each}, map[string][]string{
			"ja": {"署名がそろわなくても、新しい記録は公開します。", "north.example/w"},
			"en": {"New entries are published even where they have not signed.", "north.example/w"}}},
	} {
		now = c.witnesses
		for lang, texts := range c.says {
			page := w.get("GET", "/how?lang="+lang).Body.String()
			for _, text := range texts {
				if !strings.Contains(page, text) {
					t.Errorf("%s in %s: it does not say %q", c.name, lang, text)
				}
			}
			if strings.Contains(page, "立会人がいません") && c.name != "none" || strings.Contains(page, "has no witnesses") && c.name != "none" {
				t.Errorf("%s in %s: it says that there are none", c.name, lang)
			}
		}
	}
}

// TestUnwitnessedPages: while no quorum has cosigned what would be answered from, every page says so, and none offers a check.
func TestUnwitnessedPages(t *testing.T) {
	stopped := true
	since := time.Date(2026, 11, 28, 1, 2, 0, 0, time.UTC)
	w := newWorld(t, func(o *Options) { o.Unwitnessed = func(context.Context) (time.Time, bool) { return since, stopped } },
		string(incident.ModelCase()), sitetest.Open)
	says := map[string]string{
		"ja": "から立会人の署名がそろっていないためです。",
		"en": "so it cannot be said that what is shown here is the one history that everybody is shown. This says nothing of whether you are affected.",
	}
	offers := []string{"data-submit", "自分が対象かどうかを確認する", "Check whether you are affected</a>"}
	for _, path := range []string{"/", "/incidents/naver-2013", "/incidents/naver-2013/help", "/how", "/statement"} {
		for lang, text := range says {
			stopped = true
			body := w.get("GET", path+"?lang="+lang).Body.String()
			if !strings.Contains(body, text) || !strings.Contains(body, "2026") {
				t.Errorf("%s in %s does not say it", path, lang)
			}
			for _, offer := range offers {
				if strings.Contains(body, offer) {
					t.Errorf("%s in %s offers a check: %s", path, lang, offer)
				}
			}
			stopped = false
			if strings.Contains(w.get("GET", path+"?lang="+lang).Body.String(), text) {
				t.Errorf("%s in %s says it, and all is well", path, lang)
			}
		}
	}
	if !strings.Contains(w.get("GET", "/?lang=en").Body.String(), "data-submit") {
		t.Error("with witnesses, nothing is offered either")
	}
}

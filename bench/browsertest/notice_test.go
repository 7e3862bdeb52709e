package browsertest

import (
	"strings"
	"testing"
)

// testModelCase reads the model case as it was published: a first notice, its four addenda and the lifting, in both
// languages, each with its proof, and what is different between the first and the last.
func (b *browser) testModelCase(t *testing.T) {
	for lang, want := range map[string]struct {
		addenda        []string
		slipped, lift  string
		verify, change string
	}{
		"ja": {[]string{"本日21時ごろの予定となりました", "パスワード再設定機能を設置しました", "メンテナンスを行っています", "再び設置しました", "（解除）"},
			"予定どおりには行われませんでした", "解除した措置", "このお知らせを検証する", "[+"},
		"en": {[]string{"expected at about 21:00", "The password-reset function is open.", "closed for maintenance", "Maintenance is over", "(lifted)"},
			"this promise was not kept", "What was lifted", "Verify this notice", "[+"},
	} {
		t.Run(lang, func(t *testing.T) {
			p := b.tab(t, b.handler)
			p.open("/notices/"+demoIncident+"-v1", lang)
			list := p.text("#addenda ~ ol")
			at := 0
			for _, text := range want.addenda {
				i := strings.Index(list, text)
				if i < at {
					t.Errorf("%q is missing among what was added, or out of order: %s", text, list)
				}
				at = max(at, i)
			}
			p.keep("model-notice-"+lang+"-paper", view{width: 658, scheme: "light", paper: true})
			p.look(view{width: 390, scheme: "light"})
			for _, page := range []struct{ path, text string }{
				{"-v2", want.slipped}, {"-v6", want.lift}, {"-v6", want.verify},
			} {
				p.open("/notices/"+demoIncident+page.path, lang)
				if got := p.text("main"); !strings.Contains(got, page.text) || !strings.Contains(got, "c2sp.org/tlog-proof@v1") {
					t.Errorf("%s does not say %q with its proof", page.path, page.text)
				}
			}
			p.click(`a[href*="against=1"]`)
			p.until(`document.readyState === "complete" && document.querySelector("#diff") !== null`)
			if got := p.text(".diff"); !strings.Contains(got, want.change) || !strings.Contains(got, want.addenda[0]) || strings.Contains(got, "[−") {
				t.Errorf("between the first and the last something other than additions: %.400s", got)
			}
			p.inspect("model-diff-" + lang)
		})
	}
}

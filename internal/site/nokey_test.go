package site

import (
	"context"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/site/sitetest"
)

// TestNoKeyPages: while the evaluator's key is missing, every page says in both languages that checks are not answered and
// why, none offers one, and what was published is shown as ever.
func TestNoKeyPages(t *testing.T) {
	missing := true
	w := newWorld(t, func(o *Options) { o.NoKey = func(context.Context) bool { return missing } }, string(incident.ModelCase()), sitetest.Open)
	paths := []string{"/", "/incidents", "/incidents/naver-2013", "/incidents/naver-2013/help", "/notices/naver-2013-v1", "/statement", "/verify", "/how", "/learn", "/nowhere"}
	says := map[string]string{
		"ja": "答えを計算するための鍵がこのサーバーにないか、読み取れないためです。対象に含まれるとも、含まれないとも言えません。",
		"en": "The key that answers are calculated with is missing from this server, or cannot be read. This says nothing of whether you are affected.",
	}
	offers := []string{"data-submit", "自分が対象かどうかを確認する", "Check whether you are affected</a>", "確認できます</span>", "can be checked</span>"}
	for _, path := range paths {
		for lang, text := range says {
			missing = true
			page := w.get("GET", path+"?lang="+lang)
			body := page.Body.String()
			if !strings.Contains(body, text) {
				t.Errorf("%s in %s does not say that there is no key", path, lang)
			}
			for _, offer := range offers {
				if strings.Contains(body, offer) {
					t.Errorf("%s in %s offers a check: %s", path, lang, offer)
				}
			}
			missing = false
			again := w.get("GET", path+"?lang="+lang)
			if page.Code != again.Code {
				t.Errorf("%s: %d without a key, %d with it", path, page.Code, again.Code)
			}
			if strings.Contains(again.Body.String(), text) {
				t.Errorf("%s in %s says it with the key there", path, lang)
			}
		}
	}
	if !strings.Contains(w.get("GET", "/?lang=en").Body.String(), "data-submit") || !strings.Contains(w.get("GET", "/incidents/naver-2013?lang=en").Body.String(), offers[2]) {
		t.Error("with the key there, nothing is offered either")
	}
}

// TestExpiredPages: while the statement has expired, every page says in both languages that checks are not answered, and none
// offers one. Until then nothing of it is said.
func TestExpiredPages(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, nil, string(incident.ModelCase()), sitetest.Open)
	w.site.now = func() time.Time { return now }
	says := map[string]string{"ja": "有効期限が切れ、まだ更新されていません。", "en": "What is out of date says nothing of whether you are affected."}
	for _, path := range []string{"/", "/incidents", "/incidents/naver-2013", "/incidents/naver-2013/help", "/statement", "/how", "/nowhere"} {
		for lang, text := range says {
			for _, expired := range []bool{false, true} {
				now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
				if expired {
					now = time.Date(2026, 11, 24, 0, 0, 1, 0, time.UTC)
				}
				body := w.get("GET", path+"?lang="+lang).Body.String()
				if strings.Contains(body, text) != expired {
					t.Errorf("%s in %s, expired %t: says so: %t", path, lang, expired, !expired)
				}
				for _, offer := range []string{"data-submit", "自分が対象かどうかを確認する", "Check whether you are affected</a>", "can be checked</span>"} {
					if expired && strings.Contains(body, offer) {
						t.Errorf("%s in %s offers a check: %s", path, lang, offer)
					}
				}
			}
		}
	}
}

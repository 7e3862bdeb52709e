package document

import (
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// TestNoticeLinks: a report leads to each notice where its page is.
func TestNoticeLinks(t *testing.T) {
	w := &writer{lang: language.EN, zone: incident.Japan}
	w.URL = "https://notice.example"
	w.Notices = []incident.Notice{{Incident: "shop", Version: 2, Kind: incident.KindFirst, Time: time.Date(2026, 8, 20, 1, 0, 0, 0, time.UTC)}}
	if got := strings.Join(w.publication().lines, "\n"); !strings.HasSuffix(got, " https://notice.example/notices/shop-v2") {
		t.Errorf("%s", got)
	}
}

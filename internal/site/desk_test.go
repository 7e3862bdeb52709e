package site

import (
	"context"
	"strings"
	"testing"

	"shirase/internal/language"
	"shirase/internal/site/sitetest"
)

// TestDesk: a help page leads to where people ask, and answers what many ask; what a fact says in it is no markup.
func TestDesk(t *testing.T) {
	open, reset := "/enquiries/naver-2013", "/reset/naver-2013"
	w := newWorld(t, func(o *Options) {
		o.Reset = func(_ context.Context, id string) (string, error) { return reset, nil }
		o.Enquiries = func(context.Context, string) (Enquiries, error) {
			return Enquiries{Href: open, Asked: []Question{{Text: language.Both("自分は対象か<b>", "Am I affected?"), MD: language.Both("対象は**169万**です。<script>x</script>", "It is **1.69 million**.")}}}, nil
		}
	}, sitetest.Full()...)
	body := w.get("GET", "/incidents/naver-2013/help?lang=ja").Body.String()
	for _, want := range []string{`href="/reset/naver-2013?lang=ja">パスワードを再設定する`, `href="/enquiries/naver-2013?lang=ja"`, "よくあるご質問", "自分は対象か&lt;b&gt;", "<strong>169万</strong>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the help page does not say %q", want)
		}
	}
	if strings.Contains(body, "<script>x") {
		t.Error("an answer is markup")
	}
	open, reset = "", ""
	if body := w.get("GET", "/incidents/naver-2013/help?lang=en").Body.String(); strings.Contains(body, "/enquiries/") || strings.Contains(body, "/reset/") || !strings.Contains(body, "Am I affected?") {
		t.Error("a form that is closed is led to")
	}
}

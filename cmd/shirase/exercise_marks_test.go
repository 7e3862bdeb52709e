package main

import (
	"strings"
	"testing"
)

// TestMarked: whatever of an exercise is handed on says that it is one.
func TestMarked(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.at("1h")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"), "--regime", "jp-appi")
	x.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`, `{key: contained, value: "{+48m}"}`)
	for _, kind := range append(documentKinds(), "notice") {
		if out := x.do("case", "document", kind, "drill"); !strings.Contains(strings.SplitN(out, "\n", 2)[0], "EXERCISE") {
			t.Errorf("%s begins with %.80s", kind, out)
		}
	}
	x.do("publish", "drill")
	x.facts(`{key: action, id: reset, status: planned, promised: "{+9h51m}", value: {ja: 再設定の機能, en: The reset function}}`)
	for _, args := range [][]string{{"case", "document", "addendum", "drill"}, {"notice", "draft", "drill", "--kind", "addendum"}} {
		if out := x.do(args...); !strings.Contains(strings.SplitN(out, "\n", 2)[0], "EXERCISE") {
			t.Errorf("%v begins with %.80s", args, out)
		}
	}
}

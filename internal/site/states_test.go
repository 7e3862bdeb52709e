package site

import (
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/incident"
)

// TestStatesAndKeys: the pages of an incident say what a statement of version 2 says of it: that its scope is examined again,
// that it was a mistake, that its key may be known to others, and whom a check does not find.
func TestStatesAndKeys(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*check.Statement)
		ja, en   string // on the page of the incident and its help page; "": nothing of it
		jaNot    string
		checkNot bool // it cannot be checked
	}{
		"as before": {func(*check.Statement) {}, "", "", "外部に渡った", false},
		"compromised": {func(st *check.Statement) { st.Keys[0].State = check.KeyCompromised }, "索引を作った鍵が、外部に渡った可能性があります",
			"Somebody else may have the key that the index of this incident was made with.", "あらためて調査", false},
		"reopened": {func(st *check.Statement) { st.Incident("naver-2013").State = check.Reopened }, "対象の範囲を、あらためて調査しています。",
			"Who is affected is being established anew", "外部に渡った", false},
		"withdrawn": {func(st *check.Statement) { unseal(st, check.Withdrawn) }, "誤って登録し、公表したものでした。取り下げています。", "recorded and published by mistake, and is withdrawn", "鍵", true},
		"retired":   {func(st *check.Statement) { unseal(st, check.Retired) }, "確認の受け付けを終えました。", "It is no longer answered.", "鍵", true},
	} {
		w := fullWorld(t)
		st := w.Statement
		st.V, st.Keys[0].State = 2, check.KeyLive
		c.change(st)
		w.statement = st
		for _, path := range []string{"/incidents/naver-2013", "/incidents/naver-2013/help"} {
			ja, en := w.get("GET", path+"?lang=ja").Body.String(), w.get("GET", path+"?lang=en").Body.String()
			if !strings.Contains(ja, c.ja) || !strings.Contains(en, c.en) {
				t.Errorf("%s: %s does not say it", name, path)
			}
			if strings.Contains(ja, c.jaNot) {
				t.Errorf("%s: %s says %q", name, path, c.jaNot)
			}
			if strings.Contains(en, "This incident cannot be checked here.") != c.checkNot {
				t.Errorf("%s: %s: whether it can be checked is wrong", name, path)
			}
			if told := strings.Contains(en, "Change your password"); told != (name != "withdrawn") {
				t.Errorf("%s: %s: whether it gives advice is wrong", name, path)
			}
			if strings.Contains(en, "destroyed") {
				t.Errorf("%s: %s claims that something is destroyed", name, path)
			}
		}
	}
}

// unseal takes the incident out of the index.
func unseal(st *check.Statement, state check.State) {
	in := st.Incident("naver-2013")
	in.State, in.Counts, st.Layers = state, nil, nil
}

// TestUnreadableFigures: beside the counts stands, from the statement, whom a check does not find.
func TestUnreadableFigures(t *testing.T) {
	w := fullWorld(t)
	st := w.Statement
	st.V = 2
	st.Incident("naver-2013").Unreadable = map[string]int64{"email": 4321, "phone": 765, check.Rows: 98}
	w.statement = st
	page := w.get("GET", "/incidents/naver-2013?lang=en").Body.String()
	for _, want := range []string{"Affected accounts without a readable address", "4,321", "Affected accounts without a readable telephone number", "765", "Rows that could not be read", "98"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not there", want)
		}
	}
	if strings.Contains(page, "without a readable account id") {
		t.Error("a kind of which there is none is listed")
	}
	if page = w.get("GET", "/incidents/naver-2013?lang=ja").Body.String(); !strings.Contains(page, "読み取れるアドレスの登録がないアカウント") {
		t.Error("the Japanese page does not say it")
	}
	for _, state := range []string{incident.StateReopened, incident.StateWithdrawn} {
		if incident.Word("ja", state) == state || incident.Word("en", state) == state {
			t.Errorf("%s has no word", state)
		}
	}
}

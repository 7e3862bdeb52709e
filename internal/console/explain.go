package console

import (
	"errors"
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/page"
	"shirase/internal/proposal"
	"shirase/internal/response"
	"shirase/internal/response/document"
	"shirase/internal/staff"
)

// isInput reports whether an error is of what was entered, so that the form is shown again with it.
func isInput(err error) bool {
	return errors.Is(err, staff.ErrInput) || errors.Is(err, response.ErrEntry) || errors.Is(err, incident.ErrTime) || errors.Is(err, law.ErrUnknown)
}

var wantedWhat = regexp.MustCompile(`(an?|the|what|who|when|why|to|which|until) ?([a-z ]*?) (is|are) wanted`)

// wantedWords are what forms want, by how the rooms call it.
var wantedWords = map[string]string{
	"a title": "題名", "an organisation": "組織名", "a text": "内容", "a question": "問い", "a decision": "決めたこと", "a reason": "理由", "a source": "出典", "a name": "名前",
	"when it was known": "知った時点", "a time with its zone": "時刻（例：2026-08-20 10:09）", "who commands": "指揮する人", "to whom": "渡す相手", "what is promised": "約束の内容",
	"why an event": "変える理由", "at least one role": "役割", "which candidates": "候補",
}

// why says in the reader's language why something was not taken, as far as that is known here, and always in the room's words.
func why(lang language.Lang, err error) string {
	text := err.Error()
	if h := hint.Of(err); h != "" {
		text += " (" + h + ")"
	}
	if lang != language.JA {
		return "This cannot be taken: " + text
	}
	said := ""
	for phrase, word := range wantedWords {
		if strings.Contains(text, phrase+" is wanted") || strings.Contains(text, phrase+" is changed is wanted") || strings.Contains(text, phrase+" is wanted,") {
			said = word + "を入力してください。"
		}
	}
	switch {
	case said != "":
	case errors.Is(err, incident.ErrTime), wantedWhat.MatchString(text) && strings.Contains(text, "time"):
		said = "時刻を読めません。2026-08-20 10:09 や 2026-08-20 のように入力してください。"
	case strings.Contains(text, "has not come yet"):
		said = "まだ来ていない時刻です。"
	case errors.As(err, new(*response.SentError)):
		said = "同じ文書は、同じ宛先へ提出したと、もう記録されています。"
	case errors.Is(err, response.ErrStale):
		said = "読んだあとに、内容が変わりました。まだ何も記録していません。いまの内容を見て、もう一度お試しください。"
	case errors.Is(err, document.ErrDocument):
		said = "様式（.xlsx）か、当てはめ表を読めません。"
	case errors.Is(err, response.ErrChain):
		said = "取り込んだときのものと同じではありません。"
	case errors.Is(err, response.ErrTooLarge):
		said = "大きすぎます。"
	case strings.Contains(text, "a file is wanted"):
		said = "ファイルを選んでください。"
	case strings.Contains(text, "did not arrive whole"):
		said = "途中で切れました。何も残っていません。もう一度送ってください。"
	case strings.Contains(text, "is a number"):
		said = "人数は数字で入力してください。"
	default:
		said = "受け付けられませんでした。"
	}
	return said + "（" + text + "）"
}

var parts = map[string]language.Text{
	"own": language.Both("自社の事案", "our own"), "processor": language.Both("委託先として", "as a processor"), "client": language.Both("委託元として", "as a client of a processor"), "joint": language.Both("共同利用", "jointly"),
}

var reporters = []choiceText{
	{"customer", language.Both("顧客", "a customer")}, {"researcher", language.Both("研究者・発見者", "a researcher")}, {"partner", language.Both("取引先", "a partner")},
	{"police", language.Both("警察", "the police")}, {"other", language.Both("その他", "somebody else")},
}

type choiceText struct {
	ID   string
	Text language.Text
}

var taskStates = []choiceText{
	{"open", language.Both("未着手", "open")}, {"doing", language.Both("作業中", "under way")}, {"done", language.Both("完了", "done")}, {"dropped", language.Both("取りやめ", "dropped")},
}

var promiseStates = []choiceText{
	{"kept", language.Both("守った", "kept")}, {"withdrawn", language.Both("取り下げ", "withdrawn")}, {"decided", language.Both("決定済み", "decided")},
}

// fieldNames are what fields of forms are called; one that has no name here is not for people.
var fieldNames = map[string]language.Text{
	"title": language.Both("すること", "what"), "owner": language.Both("担当", "who"), "due": language.Both("期限", "due"), "state": language.Both("状態", "state"), "note": language.Both("メモ", "note"),
	"at": language.Both("起きたとき", "when"), "text": language.Both("内容", "what"), "source": language.Both("出典", "source"), "why": language.Both("理由", "why"),
	"question": language.Both("問い", "question"), "decision": language.Both("決めたこと", "decision"), "knowledge": language.Both("知った時点か", "moment of knowledge"),
	"trigger": language.Both("起きたこと", "what happened"), "word": language.Both("判明したこと", "what is known"), "is": language.Both("そうか", "is it so"), "id": language.Both("対象", "of what"),
	"name": language.Both("指揮する人", "who commands"), "refused": language.Both("適用", "applies"), "account": language.Both("だれ", "who"), "access": language.Both("権限", "access"),
}

var proposalStates = map[proposal.State]language.Text{
	proposal.Proposed: language.Both("承認待ち", "waits for approval"), proposal.Approved: language.Both("承認済み（実行前）", "approved, not carried out yet"), proposal.Started: language.Both("実行中", "being carried out"),
	proposal.Done: language.Both("実行済み", "done"), proposal.Void: language.Both("無効", "void"), proposal.Withdrawn: language.Both("取り下げ", "withdrawn"), proposal.Expired: language.Both("期限切れ", "expired"),
}

var isWords = map[bool]language.Text{true: language.Both("そうである", "it is so"), false: language.Both("そうではない", "it is not so")}

// origins are what a clock was started by.
var origins = map[string]language.Text{
	"declared": language.Both("宣言で記録した、知った時点", "the moment of knowledge, as declared"), "report": language.Both("外からの連絡（知った時点）", "a report from outside (the moment of knowledge)"),
	"started": language.Both("記録された起点", "as it was recorded"), "done": language.Both("前の期限を済ませたこと", "what comes before was done"), "promise": language.Both("この事案での約束", "a promise made in this case"),
	"notice": language.Both("公表したお知らせ", "a published notice"), "fact": language.Both("記録された事実", "a recorded fact"),
}

var clockStates = map[law.State]language.Text{
	law.Running: language.Both("進行中", "running"), law.Waiting: language.Both("まだ始まっていない", "not begun"), law.Overdue: language.Both("期限を過ぎた", "overdue"), law.Done: language.Both("済み", "done"),
	law.Suspended: language.Both("中断", "suspended"), law.Freed: language.Both("不要になった", "freed"), law.NotApplicable: language.Both("当てはまらない", "does not apply"),
}

// kinds are what an entry of the record is.
var kinds = map[string]language.Text{
	"declared": language.Both("宣言", "declared"), "commander": language.Both("指揮", "commander"), "regime": language.Both("適用する法令", "regime"), "started": language.Both("起算", "clock started"),
	"knows": language.Both("判明したこと", "known"), "clock": language.Both("期限", "clock"), "question": language.Both("問い", "question"), "decision": language.Both("判断", "decision"),
	"event": language.Both("できごと", "event"), "report": language.Both("外からの連絡", "report"), "triage": language.Both("知った時点の判断", "triage"), "pasted": language.Both("ログの貼り付け", "pasted lines"),
	"passed": language.Both("候補を見送り", "passed over"), "promise": language.Both("次の更新の約束", "promise"), "task": language.Both("タスク", "task"), "handed": language.Both("引き継ぎ", "handed over"),
	"note": language.Both("メモ", "note"), "evidence": language.Both("証拠", "evidence"), "custody": language.Both("証拠の取り扱い", "custody"), "seen": language.Both("閲覧", "looked at"),
	"exported": language.Both("書き出し", "taken out"), "proposal": language.Both("提案", "proposal"), "closed": language.Both("終了", "closed"),
	"stated": language.Both("当局向けの記載", "stated for authorities"), "sent": language.Both("文書の提出", "document handed in"),
}

// custodyWords are what was done with evidence.
var custodyWords = map[string]language.Text{
	"taken-in": language.Both("取り込んだ", "taken in"), "read": language.Both("見た", "read"), "verified": language.Both("同じであることを確かめた", "verified"), "exported": language.Both("取り出した", "taken out"),
	"handed-over": language.Both("渡した", "handed over"), "returned": language.Both("戻った", "returned"), "removed": language.Both("取り除いた", "removed"),
}

// caseFuncs are what templates of cases can say.
func caseFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{
		"moment": func(s string) template.HTML {
			m, err := incident.ParseMoment(s, zone)
			if err != nil {
				return template.HTML(template.HTMLEscapeString(s)) // more exact than a moment: as it is recorded
			}
			if m.Exact() {
				return when(lang, m.Time, time.Now())
			}
			return page.Timed(m.String(), m.In(lang))
		},
		"stamped": func(s string) template.HTML { // what a record has to the second
			t, err := time.Parse(time.RFC3339, s)
			if err != nil {
				return template.HTML(template.HTMLEscapeString(s))
			}
			return when(lang, t, time.Now())
		},
		"spoken":    func(s string) string { return spoken(lang, s) },
		"at":        func(m incident.Moment) template.HTML { return page.Timed(m.String(), m.In(lang)) },
		"part":      func(s string) string { return parts[s].In(lang) },
		"reporters": func() []choiceText { return reporters },
		"states":    func() []choiceText { return taskStates },
		"choose": func(list []choiceText, id string) string {
			for _, c := range list {
				if c.ID == id {
					return c.Text.In(lang)
				}
			}
			return id
		},
		"clockstate": func(s law.State) string { return clockStates[s].In(lang) },
		"clockat": func(m incident.Moment) template.HTML { // everybody reads the same zone, whatever law a clock is of
			if m.Exact() {
				return when(lang, m.Time, time.Now())
			}
			return page.Timed(m.String(), m.In(lang))
		},
		"left":      func(k clockRow, now time.Time) string { return k.Left(lang, now) },
		"origin":    func(o response.Origin) string { return origins[o.Kind].In(lang) },
		"pairrow":   func(row clockRow, view any) rowIn { return rowIn{row, view} },
		"custody":   func(s string) string { return custodyWords[s].In(lang) },
		"kind":      func(s string) string { return kinds[s].In(lang) },
		"waited":    func(r response.Told, now time.Time) string { return language.Duration(lang, r.Waited(now)) },
		"ago":       func(t, now time.Time) string { return language.Duration(lang, now.Sub(t)) },
		"candidate": func(id int64, i int) string { return fmt.Sprintf("%d.%d", id, i+1) },
		"factkey": func(f incident.Fact) string {
			if f.Item != "" {
				return f.Key + "/" + f.Item
			}
			return f.Key
		},
		"in":        func(t language.Text) string { return t.In(lang) },
		"fieldname": func(name string) string { return fieldNames[name].In(lang) },
		"fieldvalue": func(p pair) string {
			for _, list := range [][]choiceText{taskStates, promiseStates} {
				for _, c := range list {
					if p.Name == "state" && c.ID == p.Value {
						return c.Text.In(lang)
					}
				}
			}
			return spoken(lang, p.Value)
		},
		"pstate":   func(s proposal.State) string { return proposalStates[s].In(lang) },
		"standing": func(p response.Put) proposal.State { return proposal.State(p.State) },
		"open":     func(p response.Put) bool { return p.State == string(proposal.Proposed) },
		"next":     func(n response.Next) string { return n.Text.In(lang) },
		"fact":     func(f incident.Fact) string { return f.In(lang) },
		"reverse":  func(log []response.Entry) []response.Entry { return reversed(log) },
		"grants":   func() []actor.Access { return []actor.Access{actor.None, actor.Reads, actor.Contributes, actor.Full} },
		"anchor":   func(s string) string { return strings.ReplaceAll(s, " ", "-") },
		"split":    strings.Fields,
		"num64":    func(n int64) string { return language.Number(lang, n) },
	}
}

func reversed(log []response.Entry) []response.Entry {
	out := make([]response.Entry, 0, len(log))
	for i := len(log) - 1; i >= 0; i-- {
		out = append(out, log[i])
	}
	return out
}

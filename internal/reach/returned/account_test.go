package returned

import (
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/language"
	"shirase/internal/reach/bounce"
)

func TestItems(t *testing.T) {
	told := Told{Channel: language.Both("メール", "mail"), From: time.Date(2013, 7, 19, 9, 0, 0, 0, time.UTC), To: time.Date(2013, 7, 20, 9, 0, 0, 0, time.UTC),
		States:  map[string]int64{"accepted": 1_600_000, "handed-over": 7, "deferred": 20, "pending": 3, "unknown": 4, "bounced": 80_000, "refused": 2_000, "substitute": 10_000},
		Reasons: map[bounce.Reason]int64{bounce.UserUnknown: 70_000, bounce.HasMoved: 5_000, bounce.MailboxFull: 5_000, bounce.SpamDetected: 1_500, bounce.Blocked: 500},
		Instead: map[language.Text]int64{language.Both("郵便", "post"): 10_000}}
	var ids []string
	counts := map[string]int64{}
	for _, i := range told.Items() {
		ids = append(ids, i.ID)
		counts[i.ID] = i.Count
		if i.Text.JA == "" || i.Text.EN == "" || i.Count > 0 && (!strings.Contains(i.Text.EN, language.Digits(i.Count)) || !strings.Contains(i.Text.JA, language.Digits(i.Count))) {
			t.Errorf("%+v", i)
		}
		if strings.Contains(i.Text.EN, "deliver") {
			t.Errorf("nobody knows that: %s", i.Text.EN)
		}
	}
	if want := []string{"told", "when", "handed", "underway", "uncertain", "unreachable", "unreachable.hasmoved", "unreachable.mailboxfull", "unreachable.blocked", "instead", "instead.by"}; !slices.Equal(ids, want) {
		t.Errorf("%q", ids)
	}
	if counts["told"] != 1_600_000 || counts["unreachable"] != 82_000 || counts["unreachable.hasmoved"] != 75_000 || counts["underway"] != 23 || counts["unreachable.blocked"] != 2_000 {
		t.Errorf("%v", counts)
	}
	if when := told.Items()[1].Text; when.JA != "送信した期間: 2013-07-19 18:00 – 2013-07-20 18:00 日本時間" || when.EN != "sent from and until: 2013-07-19 18:00 – 2013-07-20 18:00 JST" {
		t.Errorf("%+v", when)
	}
	if at := told.Fact("c-1").Value.Time; at.String() != "2013-07-19T18:00+09:00" {
		t.Errorf("the fact says %s, in another zone than what else a notice says", at)
	}
	told.Shown = Shown{People: 900, Unreached: 40, First: told.From, Last: told.To}
	for _, i := range told.Items() {
		counts[i.ID] = i.Count
	}
	if counts["login"] != 900 || counts["login.unreachable"] != 40 || counts["unreachable"] != 82_000 {
		t.Errorf("%v", counts)
	}
	told.Shown = Shown{Shredded: true}
	if !slices.ContainsFunc(told.Items(), func(i Item) bool { return i.ID == "login.shredded" }) {
		t.Error("that nobody can say any more is not said")
	}
	if none := (Told{Channel: language.Both("メール", "mail")}).Items(); len(none) != 2 || none[0].Count != 0 {
		t.Errorf("%+v", none)
	}
}

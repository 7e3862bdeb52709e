package closing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/reset"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/response/document"
	"shirase/internal/roster"
)

// An Item is something that is still open when a case is to be closed.
type Item struct {
	Kind    string // unknown, promise, untold, refused, later, clock, undetermined, campaign, house, reset, gate, enquiries, asked, spread, proposal, task, question, report, export
	About   string // which: "promise 12", "clock jp-appi-kakuho", "campaign c-..."; "" where there is one
	Refuses bool   // the case is not closed while it is open, but with a reason
	Second  bool   // once there is staff, somebody else has to agree that the case is closed with it
	Text    language.Text
	Place   string // of the console, below the case: "documents", "clocks"
	Command string // that ends it, for the command line
	N       int64  // how many; 0 where it is one
}

// key names an item, as the record of a case that was closed all the same has it.
func (i Item) key() string { return i.Kind + " " + i.About }

// Checklist gives what is open in a case, in every room: first what keeps it from being closed. Errors: ErrNotFound, and
// response's of a case that was shredded.
func (c *Closing) Checklist(ctx context.Context, who actor.Actor, id string) (*response.Case, []Item, error) {
	k, clocks, err := c.Cases.Clocks(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	l := &list{id: id, now: c.Now()}
	for _, r := range reports {
		if err := c.reported(ctx, who, l, k, clocks, r); err != nil {
			return nil, nil, err
		}
	}
	l.promises(k, clocks)
	l.refused(clocks)
	l.takenBack(k, clocks)
	if err := c.later(ctx, l, k); err != nil {
		return nil, nil, err
	}
	l.parties(k)
	l.clocks(clocks)
	l.work(k)
	for _, room := range []func(context.Context, actor.Actor, *list) error{c.campaigns, c.contained, c.asked, c.waiting, c.proposals} {
		if err := room(ctx, who, l); err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(l.items, func(a, b Item) int {
		switch {
		case a.Refuses == b.Refuses:
			return 0
		case a.Refuses:
			return -1
		}
		return 1
	})
	return k, l.items, nil
}

// list gathers items.
type list struct {
	id    string
	now   time.Time
	items []Item
}

func (l *list) add(i Item, ja, en string) {
	i.Text = language.Text{JA: ja, EN: en}
	i.Command = strings.ReplaceAll(i.Command, "CASE", l.id)
	l.items = append(l.items, i)
}

// report is a report to an authority that is to be complete in the end.
type report struct {
	kind  string
	also  []string // kinds that complete it
	early string   // a kind that is one, where it is complete
	owed  bool     // it keeps a case open too while it may be owed: nobody has said what decides
	name  language.Text
}

// reports are those. 施行規則第8条第2項 wants all nine items of a 確報, and what was not known is to be completed (ガイドライン通則編3-5-3-4); what was not
// known when a supervisory authority was notified follows in phases (GDPR article 33(4)), and what was not determined when Form 8-K was
// filed by an amendment (Instruction 2 to Item 1.05).
var reports = []report{
	{kind: "ppc-kakuho", also: []string{"ppc-tsuikan"}, early: "ppc-sokuho", owed: true, name: language.Both("確報", "the final report")},
	{kind: "pmark", name: language.Both("プライバシーマークの事故報告", "the report to the PrivacyMark body")},
	{kind: "gdpr-33", name: language.Both("GDPR第33条の通知", "the notification under Article 33 GDPR")},
	{kind: "sec-8k", name: language.Both("Form 8-Kの報告", "the report on Form 8-K")},
}

// reported lists what of a report is not complete: it was handed in with an item that was not known, or was not handed in though a law
// wants it.
func (c *Closing) reported(ctx context.Context, who actor.Actor, l *list, k *response.Case, clocks *response.Clocks, r report) error {
	kind, err := document.Get(r.kind)
	if err != nil {
		return err
	}
	owed := slices.ContainsFunc(clocks.Clocks, func(x law.Clock) bool {
		return slices.Contains(kind.Clocks, x.ID) && (r.owed || !x.Doubt) && (x.State == law.Running || x.State == law.Overdue || x.State == law.Suspended)
	})
	last, sent := lastOf(k, append([]string{r.kind}, r.also...)...)
	early, was := lastOf(k, r.early)
	switch {
	case was && early.Complete && !sent, sent && last.Complete:
		return nil
	case !sent && !owed:
		return nil
	}
	_, d, err := c.Cases.Document(ctx, who, l.id, r.kind, kind.Lang)
	if err != nil {
		return err
	}
	place, open := "documents/"+r.kind, false
	for _, item := range d.Items {
		if item.State == document.Known {
			continue
		}
		open = true
		says := language.Text{JA: r.name.JA + "の「" + item.Name.JA + "」が、まだ書かれていません", EN: upper(r.name.EN) + " says nothing yet of \"" + item.Name.EN + "\""}
		if item.State == document.Unknown {
			says = language.Text{JA: r.name.JA + "の「" + item.Name.JA + "」が、未確認のままです", EN: "\"" + item.Name.EN + "\" in " + r.name.EN + " is still not known"}
		}
		about := "item " + item.Key
		if r.kind != "ppc-kakuho" {
			about = "item " + r.kind + " " + item.Key
		}
		l.add(Item{Kind: "unknown", About: about, Refuses: true, Place: place, Command: "shirase case state CASE " + item.Key + " ..."},
			says.JA, says.EN)
	}
	again := append(slices.Clone(r.also), r.kind)[0]
	switch {
	case !sent && owed:
		l.add(Item{Kind: "unknown", About: "report " + r.kind, Refuses: true, Place: place, Command: "shirase case sent CASE " + r.kind + " --to ..."}, r.name.JA+"をまだ出していません", upper(r.name.EN)+" has not been handed in yet")
	case !open:
		l.add(Item{Kind: "unknown", About: "report " + again, Refuses: true, Place: "documents/" + again, Command: "shirase case sent CASE " + again + " --to ..."},
			r.name.JA+"は、未確認の項目を残して提出しました。いまは判明していますが、まだ補っていません", upper(r.name.EN)+" was handed in with items that were not known then. They are known now, and it has not been completed")
	}
	return nil
}

// upper begins a sentence.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// refused are laws that somebody said do not apply, although they were said to, or the facts speak for them: what they ask for stands on
// no list any more.
func (l *list) refused(clocks *response.Clocks) {
	for _, w := range clocks.Withheld {
		was := language.Both("事実からはあてはまります", "the facts speak for it")
		if w.Applied {
			was = language.Both("いったん適用しました", "it had been said to apply")
		}
		l.add(Item{Kind: "refused", About: "regime " + w.ID, Second: true, Place: "clocks", Command: "shirase case regime CASE " + w.ID},
			"適用しないとした法令："+w.Name.JA+"（"+was.JA+"。理由："+w.Why+"）。その報告や期限は、ここに挙げていません", "Somebody decided that "+w.Name.EN+" does not apply ("+was.EN+"; reason: "+w.Why+"). Its reports and deadlines are not listed here")
	}
}

// takenBack are promises of the case that somebody withdrew, and parties that had a claim to be told, were told nothing, and are said to have none:
// as with a law that was refused, they stand on no list any more.
func (l *list) takenBack(k *response.Case, clocks *response.Clocks) {
	for _, p := range clocks.Withdrawn {
		ja, en := p.Due, p.Due
		if due, err := incident.ParseMoment(p.Due, nil); err == nil {
			ja, en = due.In(language.JA), due.In(language.EN)
		}
		l.add(Item{Kind: "refused", About: "promise " + strconv.FormatInt(p.ID, 10), Second: true, Place: "clocks", Command: "shirase case promise CASE --id " + strconv.FormatInt(p.ID, 10) + " --kept"},
			"取り下げた約束："+p.Text+"（"+ja+"。理由："+p.Why+"）", "A promise was withdrawn: "+p.Text+" ("+en+"; reason: "+p.Why+")")
	}
	for _, p := range k.Parties {
		if !p.Excused() {
			continue
		}
		is := language.Both("知らせる必要のない区分に変えました", "it was changed to a kind that need not be told")
		if p.Left {
			is = language.Both("この事案には関わらないとしました", "the case was said not to concern it")
		}
		l.add(Item{Kind: "refused", About: "party " + p.ID, Second: true, Place: "", Command: "shirase case party told CASE " + p.ID + " --what ..."},
			"知らせないまま外した関係者："+p.Name+"（"+is.JA+"）", p.Name+" was never told: "+is.EN)
	}
}

// later is a roster that was made when the case was closed: nobody in the case tells those whom it names.
func (c *Closing) later(ctx context.Context, l *list, k *response.Case) error {
	if c.Rosters == nil || !k.Closed {
		return nil
	}
	r, err := c.Rosters.Latest(ctx, l.id)
	if errors.Is(err, roster.ErrNone) {
		return nil
	}
	if err == nil && r.Created.After(k.ClosedAt) {
		l.add(Item{Kind: "later", About: "roster " + r.ID, Refuses: true, Place: "scope", Command: "shirase campaign new FILE"},
			"閉じたあとに、対象者名簿が新しく作られました（"+language.Digits(r.Counts.Affected)+"件）", "A new roster was made after the case was closed ("+language.Digits(r.Counts.Affected)+" accounts)")
	}
	return err
}

// lastOf gives the last document that was sent of some kinds.
func lastOf(k *response.Case, kinds ...string) (response.SentAt, bool) {
	for _, s := range slices.Backward(k.Documents) {
		if slices.Contains(kinds, s.Kind) {
			return s, true
		}
	}
	return response.SentAt{}, false
}

// promises that nobody has kept or taken back, in the case and in public. One that slipped and of which it was told is over; one that was made in
// public is over when a notice says so.
func (l *list) promises(k *response.Case, clocks *response.Clocks) {
	for _, x := range clocks.Clocks {
		if x.Promise == nil || x.State != law.Running && x.State != law.Overdue {
			continue
		}
		command, due := "shirase incident add --facts FILE", x.Due.In(language.JA)
		if id, ok := strings.CutPrefix(x.Promise.ID, "case-"); ok {
			command = "shirase case promise CASE --id " + id + " --kept"
		}
		item := Item{Kind: "promise", About: "clock " + x.ID, Refuses: true, Place: "clocks", Command: command}
		if x.Promise.Untold {
			item.Place, item.Command = "documents/notice", "shirase notice draft CASE"
			l.add(item, "公表した約束がどうなったかを、まだ公表していません："+x.Promise.What.JA+"（"+due+"）", "The public was not told yet what became of a promise: "+x.Promise.What.EN+" ("+x.Due.In(language.EN)+")")
			continue
		}
		l.add(item, "約束が残っています："+x.Promise.What.JA+"（"+due+"）", "A promise is still open: "+x.Promise.What.EN+" ("+x.Due.In(language.EN)+")")
	}
}

// parties that have a claim to be told and were told nothing.
func (l *list) parties(k *response.Case) {
	for _, p := range k.Parties {
		if p.Untold() {
			l.add(Item{Kind: "untold", About: "party " + p.ID, Refuses: true, Place: "", Command: "shirase case party told CASE " + p.ID + " --what ..."},
				"まだ知らせていない関係者がいます："+p.Name, p.Name+" has not been told anything yet")
		}
	}
}

// clocks of laws that run, are late, or depend on something that nobody knows.
func (l *list) clocks(clocks *response.Clocks) {
	for _, x := range clocks.Clocks {
		if x.Promise != nil {
			continue
		}
		switch {
		case x.State != law.Running && x.State != law.Overdue && x.State != law.Suspended:
		case x.Doubt:
			l.add(Item{Kind: "undetermined", About: "clock " + x.ID, Place: "clocks", Command: "shirase case know CASE WORD"}, "あてはまるかどうか決まっていない期限："+x.Rule.Name.JA, "Nobody has decided yet whether this deadline applies: "+x.Rule.Name.EN)
		default:
			l.add(Item{Kind: "clock", About: "clock " + x.ID, Place: "clocks", Command: "shirase case done CASE " + x.ID}, "終わっていない期限："+x.Rule.Name.JA, "Still to be done: "+x.Rule.Name.EN)
		}
	}
	for _, p := range clocks.Proposed {
		l.add(Item{Kind: "undetermined", About: "regime " + p.Regime.ID, Place: "clocks", Command: "shirase case regime CASE " + p.Regime.ID},
			"適用するかどうか答えていない法令："+p.Regime.Name.JA, "Nobody has said yet whether this law applies: "+p.Regime.Name.EN)
	}
}

// work of the case itself.
func (l *list) work(k *response.Case) {
	n := func(kind, place, command, ja, one, many string, n int) {
		if n > 0 {
			l.add(Item{Kind: kind, Place: place, Command: command, N: int64(n)}, fmt.Sprintf(ja, n), counted(int64(n), one, many))
		}
	}
	open := 0
	for _, t := range k.Tasks {
		if !t.Over() {
			open++
		}
	}
	n("task", "", "shirase case show CASE", "終わっていない作業が%d件あります。続くものは今後の対応へ移してください", "1 task is not finished. If it goes on, move it to prevention",
		"%s tasks are not finished. Move those that go on to prevention", open)
	open = 0
	for _, q := range k.Questions {
		if q.State == "open" {
			open++
		}
	}
	n("question", "", "shirase case show CASE", "決めていないことが%d件あります", "1 question has not been decided", "%s questions have not been decided", open)
	open = 0
	for _, r := range k.Reports {
		if r.Triaged == nil {
			open++
		}
	}
	n("report", "", "shirase case show CASE", "知った時点にあたるか答えていない通報が%d件あります", "For 1 report from outside, nobody has said whether it was when the organisation knew",
		"For %s reports from outside, nobody has said whether they were when the organisation knew", open)
	open = 0
	for _, p := range k.Evidence {
		if p.Use == response.UseAccounts && !p.Removed() {
			open++
		}
	}
	n("export", "scope", "shirase case show CASE", "アカウントの書き出しが%d件残っています", "1 export of accounts is still here", "%s exports of accounts are still here", open)
}

// counted says how many in English.
func counted(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, language.Digits(n))
}

func (c *Closing) campaigns(ctx context.Context, who actor.Actor, l *list) error {
	if c.Reach == nil {
		return nil
	}
	all, err := c.Reach.List(ctx, who, l.id)
	if err != nil {
		return err
	}
	for _, x := range all {
		if s := string(x.State); s == "approved" || s == "running" || s == "paused" {
			l.add(Item{Kind: "campaign", About: "campaign " + x.ID, Place: "reach", Command: "shirase campaign status " + x.ID}, "終わっていない配信があります（"+x.ID+"）", "The campaign "+x.ID+" has not ended")
		}
	}
	files, err := c.Reach.Exports(ctx, who, l.id)
	for _, x := range files {
		if x.State == reach.ExportHanded {
			l.add(Item{Kind: "house", About: "file " + x.ID, Place: "reach", Command: "shirase campaign destroyed " + x.ID}, x.House+"に渡したファイルの廃棄を、まだ確認していません", x.House+" still has a file of this case, and has not confirmed that it destroyed it")
		}
	}
	return err
}

func (c *Closing) contained(ctx context.Context, who actor.Actor, l *list) error {
	if c.Gate != nil {
		in, err := c.Gate.InForce(ctx, who, l.id)
		if err != nil {
			return err
		}
		if len(in) > 0 {
			l.add(Item{Kind: "gate", Place: "contain", Command: "shirase gate lift CASE --why ...", N: int64(len(in))}, "ログインの停止などが、まだ有効です", "Logins are still closed or held at the gate")
		}
	}
	if c.Resets == nil {
		return nil
	}
	s, err := c.Resets.At(ctx, l.id)
	if errors.Is(err, reset.ErrNotFound) {
		return nil
	}
	if err == nil && s.State != reset.Lifted {
		l.add(Item{Kind: "reset", Place: "reset", Command: "shirase reset status CASE"}, "パスワードの再設定が、まだ終わっていません", "The password reset has not ended")
	}
	return err
}

func (c *Closing) asked(ctx context.Context, who actor.Actor, l *list) error {
	if c.Desk != nil {
		s, err := c.Desk.Stats(ctx, who, l.id)
		if err != nil {
			return err
		}
		if s.Open > 0 {
			l.add(Item{Kind: "enquiries", Place: "enquiries", Command: "shirase enquiry list CASE", N: s.Open}, "答えていない問い合わせが"+language.Digits(s.Open)+"件あります",
				counted(s.Open, "1 enquiry has not been answered", "%s enquiries have not been answered"))
		}
	}
	if c.Spread == nil {
		return nil
	}
	n, err := c.Spread.Counts(ctx, l.id)
	if err == nil && n.Reported > 0 {
		l.add(Item{Kind: "spread", Place: "enquiries", Command: "shirase spread list CASE", N: n.Reported}, "データが出回っていると知らせのあった場所のうち、"+language.Digits(n.Reported)+"件をまだ確かめていません",
			counted(n.Reported, "1 place where the data is said to circulate has not been looked at", "%s places where the data is said to circulate have not been looked at"))
	}
	return err
}

// waiting are questions to which an answer was promised by mail: with the case's key they are let go, and whoever asked hears nothing. They do not
// keep a case open: any stranger asks.
func (c *Closing) waiting(ctx context.Context, _ actor.Actor, l *list) error {
	if c.Waiting == nil {
		return nil
	}
	n, err := c.Waiting(ctx, l.id)
	if err == nil && n > 0 {
		l.add(Item{Kind: "asked", Command: "shirase serve", N: n}, "メールで答えることになっている質問のうち"+language.Digits(n)+"件に、まだ答えていません。鍵を壊すと、答えられなくなります",
			"Questions that still wait for their answer by mail: "+language.Digits(n)+". Once the key is destroyed nobody answers them")
	}
	return err
}

func (c *Closing) proposals(ctx context.Context, who actor.Actor, l *list) error {
	if c.Proposals == nil {
		return nil
	}
	all, err := c.Proposals.List(ctx, who, false)
	for _, p := range all {
		if p.Incident == l.id && p.State != proposal.Done && p.Kind != KindClose {
			l.add(Item{Kind: "proposal", About: "proposal " + p.ID, Place: "/console/proposals/" + p.ID, Command: "shirase proposal show " + p.ID}, "承認を待っている提案があります："+p.Effect.Says.JA, "A proposal is waiting for approval: "+p.Effect.Says.EN)
		}
	}
	return err
}

// Refusing gives those that keep a case open.
func Refusing(items []Item) []Item {
	return slices.DeleteFunc(slices.Clone(items), func(i Item) bool { return !i.Refuses })
}

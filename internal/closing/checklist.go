package closing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/reset"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/response/document"
)

// An Item is something that is still open when a case is to be closed.
type Item struct {
	Kind    string // unknown, promise, untold, clock, undetermined, campaign, house, reset, gate, enquiries, spread, proposal, task, question, report, export
	About   string // which: "promise 12", "clock jp-appi-kakuho", "campaign c-..."; "" where there is one
	Refuses bool   // the case is not closed while it is open, but with a reason
	Text    language.Text
	Place   string // of the console, below the case: "documents", "clocks"
	Command string // that ends it, for the command line
	N       int64  // how many; 0 where it is one
}

// Checklist gives what is open in a case, in every room: first what keeps it from being closed. Errors: ErrNotFound, and
// response's of a case that was shredded.
func (c *Closing) Checklist(ctx context.Context, who actor.Actor, id string) (*response.Case, []Item, error) {
	k, clocks, err := c.Cases.Clocks(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	l := &list{id: id, now: c.Now()}
	if err := c.reports(ctx, who, l, k, clocks); err != nil {
		return nil, nil, err
	}
	l.promises(k, clocks)
	l.parties(k)
	l.clocks(clocks)
	l.work(k)
	for _, room := range []func(context.Context, actor.Actor, *list) error{c.campaigns, c.contained, c.asked, c.proposals} {
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

// reports are the 確報 that a law wants and that are not complete: one that was handed in with an item that was 未確認, or was not handed
// in. 施行規則第8条第2項 wants all nine items, and what was not known is to be completed (ガイドライン通則編3-5-3-4).
func (c *Closing) reports(ctx context.Context, who actor.Actor, l *list, k *response.Case, clocks *response.Clocks) error {
	kind, err := document.Get("ppc-kakuho")
	if err != nil {
		return err
	}
	owed := slices.ContainsFunc(clocks.Clocks, func(x law.Clock) bool {
		return slices.Contains(kind.Clocks, x.ID) && (x.State == law.Running || x.State == law.Overdue || x.State == law.Suspended)
	})
	last, sent := lastOf(k, "ppc-kakuho", "ppc-tsuikan")
	early, was := lastOf(k, "ppc-sokuho") // a complete 速報 is a 確報
	switch {
	case was && early.Complete && !sent, sent && last.Complete:
		return nil
	case !sent && !owed:
		return nil
	}
	_, d, err := c.Cases.Document(ctx, who, l.id, "ppc-kakuho", language.JA)
	if err != nil {
		return err
	}
	open := false
	for _, item := range d.Items {
		if item.State == document.Known {
			continue
		}
		open = true
		what := map[document.State]language.Text{document.Unknown: language.Both("未確認です", "is not known"), document.Missing: language.Both("まだ何も書かれていません", "has nothing said of it")}[item.State]
		l.add(Item{Kind: "unknown", About: "item " + item.Key, Refuses: true, Place: "documents/ppc-kakuho", Command: "shirase case state CASE " + item.Key + " ..."},
			"確報の「"+item.Name.JA+"」が"+what.JA, "Of the final report, \""+item.Name.EN+"\" "+what.EN)
	}
	switch {
	case !sent && owed:
		l.add(Item{Kind: "unknown", About: "report ppc-kakuho", Refuses: true, Place: "documents/ppc-kakuho", Command: "shirase case sent CASE ppc-kakuho --to ..."}, "確報をまだ出していません", "The final report has not been handed in")
	case !open:
		l.add(Item{Kind: "unknown", About: "report ppc-tsuikan", Refuses: true, Place: "documents/ppc-tsuikan", Command: "shirase case sent CASE ppc-tsuikan --to ..."},
			"出した確報には未確認の項目があり、今は分かっていますが、追完していません", "The final report as it was handed in had items that were not known; they are now, and it was not completed")
	}
	return nil
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

// promises that nobody has kept or taken back, in the case and in public. One that slipped and of which it was told is over.
func (l *list) promises(k *response.Case, clocks *response.Clocks) {
	for _, x := range clocks.Clocks {
		if x.Promise == nil || x.State != law.Running && x.State != law.Overdue {
			continue
		}
		command := "shirase incident add --facts FILE"
		if id, ok := strings.CutPrefix(x.Promise.ID, "case-"); ok {
			command = "shirase case promise CASE --id " + id + " --kept"
		}
		l.add(Item{Kind: "promise", About: "clock " + x.ID, Refuses: true, Place: "clocks", Command: command},
			"約束が残っています："+x.Promise.What.JA+"（"+x.Due.In(language.JA)+"）", "A promise is open: "+x.Promise.What.EN+" ("+x.Due.In(language.EN)+")")
	}
}

// parties that have a claim to be told and were told nothing.
func (l *list) parties(k *response.Case) {
	for _, p := range k.Parties {
		if p.Untold() {
			l.add(Item{Kind: "untold", About: "party " + p.ID, Refuses: true, Place: "", Command: "shirase case party told CASE " + p.ID + " --what ..."},
				"まだ知らせていない関係者がいます："+p.Name, "A party was told nothing yet: "+p.Name)
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
			l.add(Item{Kind: "undetermined", About: "clock " + x.ID, Place: "clocks", Command: "shirase case know CASE WORD"}, "あてはまるかどうか決まっていない期限："+x.Rule.Name.JA, "It is not determined whether this applies: "+x.Rule.Name.EN)
		default:
			l.add(Item{Kind: "clock", About: "clock " + x.ID, Place: "clocks", Command: "shirase case done CASE " + x.ID}, "終わっていない期限："+x.Rule.Name.JA, "Not done: "+x.Rule.Name.EN)
		}
	}
	for _, p := range clocks.Proposed {
		l.add(Item{Kind: "undetermined", About: "regime " + p.Regime.ID, Place: "clocks", Command: "shirase case regime CASE " + p.Regime.ID},
			"適用するかどうか答えていない法令："+p.Regime.Name.JA, "Nobody has said whether this applies: "+p.Regime.Name.EN)
	}
}

// work of the case itself.
func (l *list) work(k *response.Case) {
	n := func(kind, place, command, ja, en string, n int) {
		if n > 0 {
			l.add(Item{Kind: kind, Place: place, Command: command, N: int64(n)}, fmt.Sprintf(ja, n), fmt.Sprintf(en, n))
		}
	}
	open := 0
	for _, t := range k.Tasks {
		if !t.Over() {
			open++
		}
	}
	n("task", "", "shirase case show CASE", "終わっていない作業が%d件あります。続くものは今後の対応へ移してください", "%d tasks are not over; what goes on belongs among what is to prevent a repetition", open)
	open = 0
	for _, q := range k.Questions {
		if q.State == "open" {
			open++
		}
	}
	n("question", "", "shirase case show CASE", "決めていないことが%d件あります", "%d questions are not decided", open)
	open = 0
	for _, r := range k.Reports {
		if r.Triaged == nil {
			open++
		}
	}
	n("report", "", "shirase case show CASE", "知った時点にあたるか答えていない通報が%d件あります", "Of %d reports nobody has said whether they were the moment of knowledge", open)
	open = 0
	for _, p := range k.Evidence {
		if p.Use == response.UseAccounts && !p.Removed() {
			open++
		}
	}
	n("export", "scope", "shirase case show CASE", "アカウントの書き出しが%d件残っています", "%d exports of accounts are still here", open)
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
			l.add(Item{Kind: "campaign", About: "campaign " + x.ID, Place: "reach", Command: "shirase campaign status " + x.ID}, "終わっていない配信があります（"+x.ID+"）", "A campaign has not ended ("+x.ID+")")
		}
	}
	files, err := c.Reach.Exports(ctx, who, l.id)
	for _, x := range files {
		if x.State == reach.ExportHanded {
			l.add(Item{Kind: "house", About: "file " + x.ID, Place: "reach", Command: "shirase campaign destroyed " + x.ID}, "廃棄の確認がないファイルを"+x.House+"が持っています", x.House+" has a file, and has not confirmed that it was destroyed")
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
			l.add(Item{Kind: "gate", Place: "contain", Command: "shirase gate lift CASE --why ...", N: int64(len(in))}, "ログインの停止などが、まだ有効です", "Something is still in force at the gate")
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
		l.add(Item{Kind: "reset", Place: "reset", Command: "shirase reset status CASE"}, "パスワードの再設定が、まだ終わっていません", "The reset of passwords is not lifted")
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
			l.add(Item{Kind: "enquiries", Place: "enquiries", Command: "shirase enquiry list CASE", N: s.Open}, "答えていない問い合わせが"+language.Digits(s.Open)+"件あります", language.Digits(s.Open)+" enquiries are not answered")
		}
	}
	if c.Spread == nil {
		return nil
	}
	n, err := c.Spread.Counts(ctx, l.id)
	if err == nil && n.Reported > 0 {
		l.add(Item{Kind: "spread", Place: "enquiries", Command: "shirase spread list CASE", N: n.Reported}, "流通していると知らせのあった場所のうち"+language.Digits(n.Reported)+"件を、まだ見ていません", language.Digits(n.Reported)+" places where the data is said to circulate were not looked at")
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
			l.add(Item{Kind: "proposal", About: "proposal " + p.ID, Place: "/console/proposals/" + p.ID, Command: "shirase proposal show " + p.ID}, "承認を待っている提案があります："+p.Effect.Says.JA, "A proposal waits: "+p.Effect.Says.EN)
		}
	}
	return err
}

// Refusing gives those that keep a case open.
func Refusing(items []Item) []Item {
	return slices.DeleteFunc(slices.Clone(items), func(i Item) bool { return !i.Refuses })
}

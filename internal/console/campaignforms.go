package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/returned"
	"shirase/internal/roster"
	"shirase/internal/web"
)

// campaignForm is something that can be done with a campaign.
type campaignForm struct {
	name      string
	onPreview bool // it stands on the page of its preview
	do        func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error)
}

func (c *Console) campaignForms() []campaignForm {
	room := c.Reaching.Campaigns
	turn := func(to reach.Life, said language.Text) func(context.Context, actor.Actor, *reach.Campaign, field) (language.Text, error) {
		return func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error) {
			return said, room.Change(ctx, who, k.ID, reach.Change{Version: f.version(), To: to, Why: f.text("why")})
		}
	}
	return []campaignForm{
		{"pause", false, turn(reach.Paused, language.Both("一時停止しました。引き渡しの途中だったものは、渡ることがあります。", "It is paused. What was being handed over may still be."))},
		{"resume", false, turn(reach.Running, language.Both("再開しました。", "It goes on."))},
		{"cancel", false, turn(reach.Cancelled, language.Both("取りやめました。送ったものは、送ったままです。", "It is cancelled. Who has been told stays told."))},
		{"rates", false, func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error) {
			rates, err := ratesOf(f)
			if err == nil {
				err = room.Change(ctx, who, k.ID, reach.Change{Version: f.version(), Rates: &rates})
			}
			return language.Both("速さを変えました。数秒のうちに従います。", "The rates are changed. Whoever sends follows within seconds."), err
		}},
		{"schedule", true, func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error) {
			var at time.Time
			err := f.instant("start", &at)
			if err == nil {
				err = room.Change(ctx, who, k.ID, reach.Change{Version: f.version(), Start: &at})
			}
			return language.Both("始める時刻を決めました。", "When it begins is set."), err
		}},
		{"test", true, func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error) {
			return language.Both("試しのメールを、送信サーバーが受け取りました。", "The mail server has taken the test."), room.Test(ctx, who, k.ID, f.lines("to"))
		}},
		{"seed", true, func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error) {
			if err := who.May(actor.Propose, k.Incident); err != nil {
				return language.Text{}, err
			}
			address, err := c.Reaching.Returned.NewSeed(ctx, who)
			if err == nil {
				err = room.Test(ctx, who, k.ID, []string{address})
			}
			return language.Both("戻ってくるはずのメールを送りました。戻ると、下の点検に出ます。", "A mail that has to come back has left. When it has, the checks below say so."), err
		}},
		{"resend", false, func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (language.Text, error) {
			done, err := room.Resolve(ctx, who, k.ID, reach.Resend, nil)
			return resolvedWords(done), err
		}},
	}
}

func resolvedWords(d reach.Resolved) language.Text {
	n := language.Digits
	return language.Both(fmt.Sprintf("記録により、引き渡し済み%s件、受け取り済み%s件、拒否%s件。もう一度送る%s件、そのまま待つ%s件。", n(d.HandedOver), n(d.Accepted), n(d.Refused), n(d.Resent), n(d.Held)),
		fmt.Sprintf("By the log %s are handed over, %s accepted, %s refused; %s are sent to again, %s are held.", n(d.HandedOver), n(d.Accepted), n(d.Refused), n(d.Resent), n(d.Held)))
}

// suppressionForms are what can be done with who is not written to.
func (c *Console) suppressionForms() []form {
	room := c.Reaching.Returned
	days := func(f field) (time.Time, error) {
		n, err := strconv.Atoi(f.text("days"))
		if err != nil || n < 1 || n > 3650 {
			return time.Time{}, fmt.Errorf("%w: days are 1 to 3,650", returned.ErrInput)
		}
		return time.Now().AddDate(0, 0, n), nil // by the machine's clock, as campaigns send and suppressions hold
	}
	return []form{
		{"suppress", "", language.Both("この事案では、そのアドレスへ送りません。", "The address is not written to in this case."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			until, err := days(f)
			if err == nil {
				err = room.Suppress(ctx, who, id, f.text("address"), f.text("note"), until)
			}
			return err
		}},
		{"until", "", language.Both("期限を変えました。", "Its end is changed."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			until, err := days(f)
			if err == nil {
				err = room.SetUntil(ctx, who, id, f.text("suppression"), until)
			}
			return err
		}},
		{"lift", "", language.Both("解除しました。そのアドレスへ、また送ります。", "It is lifted: the address is written to again."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			return room.Lift(ctx, who, id, f.text("suppression"))
		}},
	}
}

// newCampaign makes a draft of what was entered.
func (c *Console) newCampaign(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Propose, id); err != nil {
		return err
	}
	s := reach.Spec{Incident: id, Channel: reach.Channel(f.text("channel")), Part: f.text("part"), Classes: r.PostForm["class"], Only: r.PostForm["only"], Needs: r.PostForm["needs"], Unreached: f.text("unreached"), Active: f.text("active"),
		Locales: strings.FieldsFunc(f.text("locales"), func(r rune) bool { return r == ' ' || r == ',' || r == '、' || r == '\n' }),
		From:    reach.Sender{Name: language.Both(f.text("from.ja"), f.text("from.en")), Address: f.text("from")}, ReplyTo: f.text("replyTo"),
		Subject: language.Both(f.text("subject.ja"), f.text("subject.en")), Text: language.Both(f.text("text.ja"), f.text("text.en")), Language: language.Lang(f.text("language")), Link: f.text("link")}
	rates, err := ratesOf(f)
	var start time.Time
	if err == nil {
		err = f.instant("start", &start)
	}
	if err != nil {
		return c.refusedHere(w, r, v, asInput(err), c.showReach)
	}
	k, err := c.Reaching.Campaigns.Create(r.Context(), v.who, s, rates, start)
	if err != nil {
		return c.refusedHere(w, r, v, err, c.showReach)
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("下書きを作りました。まだ何も送っていません。", "The draft is made. Nothing is sent."), at2(id)+"/"+k.ID+"/preview")
}

// asInput has what was entered wrongly be shown beside it.
func asInput(err error) error {
	if isInput(err) {
		return fmt.Errorf("%w: %w", reach.ErrInput, err)
	}
	return err
}

// ratesOf reads how quickly a campaign goes.
func ratesOf(f field) (reach.Rates, error) {
	var out reach.Rates
	number := func(s string) (float64, error) {
		if s == "" {
			return 0, nil
		}
		n, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64)
		if err != nil {
			return 0, fmt.Errorf("%w: a rate is a number a second", reach.ErrInput)
		}
		return n, nil
	}
	var err error
	if out.PerSecond, err = number(f.text("perSecond")); err != nil {
		return out, err
	}
	minutes, err := number(f.text("rampUp"))
	if err != nil || minutes < 0 || minutes > 7*24*60 {
		return out, fmt.Errorf("%w: it comes up within minutes, 10,080 at most", reach.ErrInput)
	}
	out.RampUp = reach.Span(minutes * float64(time.Minute))
	for _, line := range f.lines("perDomain") {
		domain, rate, ok := strings.Cut(line, "=")
		n, err := number(strings.TrimSpace(rate))
		if domain = strings.ToLower(strings.TrimSpace(domain)); err != nil || !ok || domain == "" {
			return out, hint.Add(fmt.Errorf("%w: a receiving domain and its rate stand on a line", reach.ErrInput), "gmail.com=20")
		}
		if out.PerDomain == nil {
			out.PerDomain = map[string]float64{}
		}
		out.PerDomain[domain] = n
	}
	return out, nil
}

// proposeCampaign proposes to send exactly what the preview shows.
func (c *Console) proposeCampaign(w http.ResponseWriter, r *http.Request, v *visit) error {
	k, err := c.campaign(r, v)
	if err != nil {
		return err
	}
	f := field{r.PostForm}
	if version := f.version(); version != k.Version && v.who.May(actor.Propose, k.Incident) == nil {
		return c.showPreview(w, r, v, http.StatusConflict, reach.ErrStale)
	}
	p, err := c.Proposals.Propose(r.Context(), v.who, reach.KindMail, k.Incident, reach.Asked{Campaign: k.ID, Despite: f.text("despite")})
	if err != nil {
		return c.refusedHere(w, r, v, err, c.showPreview)
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("提案しました。まだ何も送っていません。別の人が承認すると、送信が始まります。", "It is proposed. Nothing is sent before somebody else approves it."), "/console/proposals/"+p.ID)
}

// maxLog bounds a relay's log, in bytes.
const maxLog = 1 << 30

// relayLog asks the relay's log about those who were in flight.
func (c *Console) relayLog(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.uploaded(w, r, v, actor.Propose, maxLog, func(ctx context.Context, k *reach.Campaign, said field, file io.Reader) (language.Text, string, error) {
		way := reach.ByLog
		if said.text("whole") != "" {
			way = reach.Absent
		}
		done, err := c.Reaching.Campaigns.Resolve(ctx, v.who, k.ID, way, file)
		return resolvedWords(done), "", err
	})
}

// uploaded takes a file about a campaign from whoever may, and shows the campaign with what was made of it. The file is read as it comes, and not
// kept. The place that read gives is one of the campaign's page.
func (c *Console) uploaded(w http.ResponseWriter, r *http.Request, v *visit, may actor.Permission, most int64, read func(ctx context.Context, k *reach.Campaign, said field, file io.Reader) (language.Text, string, error)) error {
	k, err := c.campaign(r, v)
	if err != nil {
		return err
	}
	if err := v.who.May(may, k.Incident); err != nil {
		return err
	}
	body := web.Upload(w, r, most)
	said, file, err := fileOf(r)
	var words language.Text
	var place string
	if err == nil {
		words, place, err = read(r.Context(), k, said, file)
	}
	if err != nil {
		io.Copy(io.Discard, io.LimitReader(body, drained))
		return c.refusedHere(w, r, v, asInput(err), c.showCampaign)
	}
	c.live.poke()
	return c.done(w, r, words.In(v.lang), at2(k.Incident)+"/"+k.ID+place)
}

// reachWhy says in the reader's language why something of a campaign was not done.
func reachWhy(lang language.Lang, err error) string {
	text := err.Error()
	if h := hint.Of(err); h != "" {
		text += " (" + h + ")"
	}
	for _, w := range []struct {
		err    error
		ja, en string
	}{
		{reach.ErrStale, "ほかの方が先に変更しました。まだ変えていません。いまの内容と、あなたの入力を見比べて、もう一度送ってください。", "Somebody else was faster. Nothing is changed: compare how it stands with what you entered, and send it again."},
		{reach.ErrState, "いまの状態では、できません。", "It cannot be done as the campaign stands."},
		{reach.ErrNotReady, "点検に通っていないものがあります。直すか、それでも送る理由を書いてください。", "A check has failed: mend it, or say why it is sent all the same."},
		{reach.ErrNoRelay, "メールを送るサーバーが決まっていません（campaign.relays）。", "No mail server is set (campaign.relays)."},
		{reach.ErrRelay, "送信サーバーが受け取りませんでした。", "The mail server did not take it."},
		{roster.ErrNone, "名簿がまだありません。先に対象範囲を確定してください。", "There is no roster yet: fix the scope first."},
		{returned.ErrNoAddress, "戻り先のアドレスが決まっていません（returns.address）。", "No address is set that mail comes back to (returns.address)."},
		{returned.ErrInput, "受け付けられません。", "It cannot be taken."},
		{reach.ErrInput, "受け付けられません。", "It cannot be taken."},
		{reach.ErrResults, "結果を受け付けられません。何も変えていません。", "The results are refused, and nothing is changed."},
	} {
		if errors.Is(err, reach.ErrStale) { // there is nothing more to say
			return lang.Pick(w.ja, w.en)
		}
		if errors.Is(err, w.err) {
			return lang.Pick(w.ja+"（"+text+"）", w.en+" ("+text+")")
		}
	}
	return why(lang, err)
}

var lifeWords = map[reach.Life]language.Text{reach.Draft: language.Both("下書き", "draft"), reach.Approved: language.Both("承認済み、開始待ち", "approved, not begun"), reach.Running: language.Both("送信中", "running"),
	reach.Paused: language.Both("一時停止", "paused"), reach.Cancelled: language.Both("取りやめ", "cancelled"), reach.Done: language.Both("終了", "done")}

var stateWords = map[string]language.Text{"pending": language.Both("送信前", "to be sent"), "intended": language.Both("引き渡し直前", "about to be handed over"), "handed-over": language.Both("送信サーバーに渡した", "taken by the mail server that sends"),
	"accepted": language.Both("相手のサーバーが受け取った", "accepted by the recipient's server"), "deferred": language.Both("再送を待つ", "deferred, and tried again"), "refused": language.Both("拒否された", "refused"), "bounced": language.Both("戻ってきた", "came back"),
	"unknown": language.Both("途中で途切れた（不明）", "uncertain: in flight when something broke"), "substitute": language.Both("送らず、ほかの方法で知らせる", "not written to: to be told in another way")}

var eventWords = map[string]language.Text{"created": language.Both("下書きを作った", "made the draft"), "rates": language.Both("速さを変えた", "changed the rates"), "scheduled": language.Both("始める時刻を変えた", "changed when it begins"), "approved": language.Both("承認された", "approved"),
	"running": language.Both("始まった、再開した", "began, or went on"), "paused": language.Both("一時停止した", "paused it"), "cancelled": language.Both("取りやめた", "cancelled it"), "done": language.Both("終わった", "it is done"),
	"tested": language.Both("試しに送った（アドレスの数）", "sent a test, to so many addresses"), "overruled": language.Both("点検の結果を、理由を示して越えた", "overruled the checks"), "decided": language.Both("不明のものを決めた", "decided on the uncertain ones"),
	"export": language.Both("封じたファイルが承認された", "a sealed file was approved"), "made": language.Both("封じたファイルを作った", "made a sealed file"), "handed": language.Both("ファイルを業者に渡した", "handed a file over"), "handed-again": language.Both("ファイルをもう一度取り出した", "took a file out again"),
	"withdrawn": language.Both("ファイルを取り下げた", "withdrew a file"), "destroyed": language.Both("廃棄の確認を記録した", "confirmed that a file is destroyed"), "results": language.Both("業者の結果を読んだ", "read a house's results"), "substituted": language.Both("代替措置を記録した", "wrote down what was done instead")}

var fileWords = map[reach.ExportState]language.Text{reach.ExportApproved: language.Both("承認済み、作成待ち", "approved, to be made"), reach.ExportMade: language.Both("作成済み、渡す前", "made, not handed over"), reach.ExportHanded: language.Both("渡した", "handed over"),
	reach.ExportDestroyed: language.Both("廃棄済み", "destroyed"), reach.ExportWithdrawn: language.Both("取り下げ", "withdrawn")}

// toldRow is whom a channel has told, in one of two ways.
type toldRow struct {
	Words       language.Text
	Taken       language.Text // what it has told them, as far as anybody knows
	Accepted    bool
	N           int64
	First, Last time.Time
}

func tolds(s *reach.Summary) (out []toldRow) {
	for _, c := range reach.Channels {
		b := s.Told[c]
		if b.Accepted > 0 {
			out = append(out, toldRow{c.Words(), c.Taken(), true, b.Accepted, b.First, b.Last})
		}
		if b.Handed > 0 {
			out = append(out, toldRow{c.Words(), c.Taken(), false, b.Handed, b.First, b.Last})
		}
	}
	return out
}

var onlyWords = map[string]language.Text{"not-reset": language.Both("まだ再設定していない人だけ", "only who has not reset yet"), "reset": language.Both("再設定の受付が開いている間だけ送る", "send only while the reset is open")}

// reachFields are what forms of a campaign call what is entered.
var reachFields = map[string]language.Text{"perSecond": language.Both("全体で毎秒", "A second in all"), "perDomain": language.Both("ドメインごと", "By domain"), "rampUp": language.Both("その速さになるまでの分", "Minutes in which it comes up"),
	"start": language.Both("始める時刻", "When it begins"), "why": language.Both("理由", "Why"), "despite": language.Both("それでも送る理由", "Why it is sent all the same")}

var levelWords = map[string]language.Text{preflight.Well: language.Both("よい", "well"), preflight.Note: language.Both("参考", "note"), preflight.Warning: language.Both("注意", "warning"), preflight.Error: language.Both("通らない", "fails")}

// reachFuncs are what templates of campaigns can say.
func reachFuncs(lang language.Lang) map[string]any {
	word := func(words map[string]language.Text, s string) string {
		if w, ok := words[s]; ok {
			return w.In(lang)
		}
		return s
	}
	return map[string]any{
		"reachfield": func(name string) string { return word(reachFields, name) },
		"of":         func(view, it any) map[string]any { return map[string]any{"View": view, "It": it} },
		"life":       func(l reach.Life) string { return lifeWords[l].In(lang) }, "sendstate": func(s string) string { return word(stateWords, s) }, "done2": func(what string) string { return word(eventWords, what) },
		"onlyword": func(s string) string { return word(onlyWords, s) }, "level": func(s string) string { return word(levelWords, s) }, "domains": domainLines,
		"mailStates": func(n reach.Counts) (out []stateCount) {
			names := n.Names()
			for s := reach.Pending; s <= reach.Substitute; s++ {
				if v := names[s.String()]; v > 0 {
					out = append(out, stateCount{s.String(), v})
				}
			}
			return out
		},
		"told":    func(n reach.Counts) int64 { return n[reach.Accepted] + n[reach.HandedOver] },
		"missed":  func(n reach.Counts) int64 { return n[reach.Refused] + n[reach.Bounced] + n[reach.Substitute] },
		"unsure":  func(n reach.Counts) int64 { return n[reach.Unknown] },
		"perrate": func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) },
		"minutes": func(s reach.Span) string { return strconv.FormatFloat(time.Duration(s).Minutes(), 'f', -1, 64) },
		"entertime": func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.In(zone).Format("2006-01-02 15:04")
		},
		"filestate": func(s reach.ExportState) string { return fileWords[s].In(lang) }, "overdue": func(x *reach.Export) bool { return x.Overdue(time.Now()) }, "tolds": tolds,
		"commas": func(list []string) string { return strings.Join(list, ", ") },
		"holds":  func(s returned.Suppression) bool { return s.Holds(time.Now()) },
		"byhand": func(s returned.Suppression) bool { return s.Reason == returned.ByHand },
	}
}

// stateCount is how many are in a state.
type stateCount struct {
	State string
	N     int64
}

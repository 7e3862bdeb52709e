package returned

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
)

// Told is what a campaign came to, as its states count it. States are the campaign's: pending, intended, handed-over, accepted,
// deferred, refused, bounced, unknown, substitute, the last being who is to be told otherwise, whether or not they were.
type Told struct {
	Channel  language.Text // such as mail
	From, To time.Time     // the first and the last was sent; zero: none was
	States   map[string]int64
	Reasons  map[bounce.Reason]int64 // of those that were refused or came back
	Instead  map[language.Text]int64 // those who were told otherwise (代替措置), by how
	Shown    Shown                   // those who were told at their login
	Place    *time.Location          // times are shown in; nil is Japan's, as in all that the console shows
}

// Shown is how many of a campaign's people were shown the notice at their login, and said that they have read it.
type Shown struct {
	People      int64
	Unreached   int64 // of them, those whom the mail did not reach
	First, Last time.Time
	Shredded    bool // nobody can say any more: the case's key is gone
}

// An Item is a line of a report to a regulator, or of a document: what, how many, and where it is not a number, which.
type Item struct {
	ID    string // such as told, unreachable or unreachable.userunknown
	Count int64
	Text  language.Text
}

// Why says of a reason what a reader who is no postmaster has of it.
func Why(r bounce.Reason) language.Text {
	switch {
	case r == bounce.UserUnknown || r == bounce.HasMoved:
		return language.Both("宛先のメールアドレスがない", "there is no such address any more")
	case r == bounce.HostUnknown || r == bounce.NotAccept:
		return language.Both("宛先のドメインがないか、メールを受け付けていない", "the domain is gone, or takes no mail")
	case r == bounce.Suspend:
		return language.Both("宛先の利用が停止されている", "the mailbox is closed")
	case r == bounce.MailboxFull:
		return language.Both("宛先の受信容量を超えている", "the mailbox is full")
	case r == bounce.Filtered:
		return language.Both("受信者の設定で拒否された", "refused by the person's own settings")
	case r.Refusal():
		return language.Both("受信側の事業者に拒否された", "refused by the receiver's rules")
	}
	return language.Both("配送できなかった(その他)", "could not be brought there, for other reasons")
}

// Items gives the lines of a report: how many were told, when and how; how many could not be reached, and why; what was done instead.
// Nothing says that a mail was read, or that it is in somebody's inbox: a server that took it is the last that is known.
func (t Told) Items() []Item {
	s := t.States
	var out []Item
	add := func(id string, n int64, ja, en string) {
		out = append(out, Item{id, n, language.Both(fmt.Sprintf(ja, language.Digits(n)), fmt.Sprintf(en, language.Digits(n)))})
	}
	add("told", s["accepted"], t.Channel.JA+"で送り、受信側のサーバーが受け取った数: %s", "sent by "+t.Channel.EN+", and accepted by the recipient's server: %s")
	if !t.From.IsZero() {
		span := t.span(t.From, t.To)
		out = append(out, Item{"when", 0, language.Both("送信した期間: "+span.JA, "sent from and until: "+span.EN)})
	}
	if n := s["handed-over"]; n > 0 {
		add("handed", n, "送信サーバーに渡し、その後の知らせがない数: %s", "handed to the mail server that sends, of which nothing came back: %s")
	}
	if n := s["pending"] + s["intended"] + s["deferred"]; n > 0 {
		add("underway", n, "まだ送っていないか、再送中の数: %s", "not sent yet, or still tried: %s")
	}
	if n := s["unknown"]; n > 0 {
		add("uncertain", n, "届いたかどうか分からない数: %s", "it is not known whether they arrived: %s")
	}
	add("unreachable", s["refused"]+s["bounced"], "届けられなかった数: %s", "could not be reached: %s")
	sums := map[language.Text]int64{}
	first := map[language.Text]bounce.Reason{}
	for r, n := range t.Reasons {
		text := Why(r)
		sums[text] += n
		if old, ok := first[text]; !ok || r < old {
			first[text] = r
		}
	}
	for _, text := range slices.SortedFunc(maps.Keys(sums), func(a, b language.Text) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a.EN, b.EN))
	}) {
		add("unreachable."+string(first[text]), sums[text], "うち、"+text.JA+": %s", "of these, "+text.EN+": %s")
	}
	if n := t.Shown.People; n > 0 {
		span := t.span(t.Shown.First, t.Shown.Last)
		add("login", n, "ログイン時にお知らせを表示し、本人が「読みました」を押した数（"+span.JA+"）: %s", "shown the notice at their login ("+span.EN+"), and said that they have read it: %s")
		add("login.unreachable", t.Shown.Unreached, "うち、"+t.Channel.JA+"では届けられなかった数: %s", "of these, whom the "+t.Channel.EN+" did not reach: %s")
	}
	if t.Shown.Shredded {
		out = append(out, Item{"login.shredded", 0, language.Both("ログイン時のお知らせを読んだ方がいましたが、事案の鍵を破棄したため、この配信の何人にあたるかは数えられません", "some have read the notice at their login; as the case's key was destroyed, nobody can say how many of these people they were")})
	}
	if n := s["substitute"]; n > 0 || len(t.Instead) > 0 {
		add("instead", n, "ほかの方法で知らせる必要がある数(代替措置): %s", "not written to, and to be told in another way instead: %s")
	}
	for _, how := range slices.SortedFunc(maps.Keys(t.Instead), func(a, b language.Text) int { return cmp.Compare(a.EN, b.EN) }) {
		add("instead.by", t.Instead[how], "うち、"+how.JA+": %s", "of these, by "+how.EN+": %s")
	}
	return out
}

// span is from when until when, with its zone said once.
func (t Told) span(from, to time.Time) language.Text {
	const minute = "2006-01-02 15:04"
	from, to = from.In(t.place()), to.In(t.place())
	text := from.Format(minute) + " – " + to.Format(minute)
	return language.Both(text+" "+language.Zone(language.JA, to), text+" "+language.Zone(language.EN, to))
}

func (t Told) place() *time.Location { return cmp.Or(t.Place, incident.Japan) }

// Fact is what a campaign came to as a fact of its case, which documents state: an action, whose item is the campaign's. It is the same where
// the figures are.
func (t Told) Fact(campaign string) incident.Fact {
	var ja, en []string
	for _, x := range t.Items() {
		if x.ID != "when" && !strings.Contains(x.ID, ".") { // when is the fact's own; the reasons are the report's
			ja, en = append(ja, x.Text.JA), append(en, x.Text.EN)
		}
	}
	f := incident.Fact{Key: "action", Item: "told-" + campaign, Certainty: incident.Confirmed, Value: incident.Value{Status: "taken",
		Text: language.Both("本人への通知（"+strings.Join(ja, "、")+"）", "people told ("+strings.Join(en, "; ")+")")}}
	if !t.From.IsZero() {
		f.Value.Time = incident.Moment{Time: t.From.In(t.place()).Truncate(time.Minute), Precision: incident.Minute}
	}
	return f
}

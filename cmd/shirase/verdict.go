package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/language"
)

// reasons say why an incident could not be checked.
var reasons = map[string]language.Text{
	check.WhyInvestigating:  language.Both("対象範囲を調査しているところです", "its scope is still under investigation"),
	check.WhyKindNotIndexed: language.Both("この種類の識別子では確かめられません", "it holds no identities of this kind"),
	check.WhyByMail:         language.Both("慎重な扱いが必要なため、郵便だけで答えています", "it is sensitive, and answered by mail only"),
	check.WhyRetired:        language.Both("確認の受け付けを終えたため、もう答えません", "its checks have ended, and it is answered no more"),
	check.WhyWithdrawn:      language.Both("誤って公表されたものでした", "it was published by mistake"),
	check.WhyReopened:       language.Both("対象範囲をあらためて調査しています。これまでの範囲には含まれていません", "its scope is examined again, and you are not in what was sealed so far"),
	check.WhyLayerMissing:   language.Both("サーバーが該当する部分を渡せませんでした", "the server could not give its part of the index"),
}

// kinds name what was asked by.
var kinds = map[string]language.Text{
	string(identity.KindEmail):   language.Both("メールアドレス", "e-mail address"),
	string(identity.KindPhone):   language.Both("電話番号", "telephone number"),
	string(identity.KindAccount): language.Both("アカウントID", "account id"),
}

// teller writes sentences in one language.
type teller struct {
	w io.Writer
	l language.Lang
}

// say writes a line: the Japanese or the English format, each with its own order of the same arguments.
func (t teller) say(ja, en string, args ...any) {
	fmt.Fprintf(t.w, t.l.Pick(ja, en)+"\n", args...)
}

// verdict says what an answer to a question by a kind of identity says.
func (t teller) verdict(v *check.Verdict, kind string) {
	asOf, seq := language.DateTime(t.l, v.AsOf.Time), language.Digits(v.Seq)
	switch v.Result {
	case check.Affected:
		t.say("対象に含まれています（%s 現在、ステートメント %s）。", "Affected, as of %s (statement %s).", asOf, seq)
		for _, f := range v.Incidents {
			fmt.Fprintf(t.w, "  %s: %s\n", f.ID, strings.Join(f.Classes, ", "))
		}
	case check.NotInScope:
		t.say("照合した %[1]s の公表の対象に含まれていません（%[3]s 現在、ステートメント %[4]s）。", "Not in the published scope of %[2]s, as of %[3]s (statement %[4]s).",
			t.incidents(len(v.Checked)), compared(len(v.Checked)), asOf, seq)
	case check.Incomplete:
		t.say("不完全です（%s 現在、ステートメント %s）。答えに必要なものの一部を、サーバーが渡しませんでした。これは「含まれていない」という答えではありません。",
			"Incomplete, as of %s (statement %s): the server did not give everything that belongs to an answer. This is no \"no\".", asOf, seq)
	default:
		t.say("まだ何も確かめられません（%s 現在、ステートメント %s）。", "Nothing could be checked yet, as of %s (statement %s).", asOf, seq)
	}
	for _, d := range v.Dropped {
		t.say("%[2]s の第 %[1]s 版の対象に含まれていて、いまの版では除かれています: %[3]s。公表した組織が、あとから対象範囲を変えました。",
			"In revision %s of %s, and not in its current one: %s. Whoever published it left you out later.", d.Revision, d.ID, strings.Join(d.Classes, ", "))
	}
	if v.Result != check.Incomplete && len(v.Checked) > 0 && v.Missing() {
		t.say("一部しか照合できていません。この答えは、照合した公表だけについてのものです。",
			"Incomplete: parts of the index were not given, so this speaks of the incidents checked and of no other.")
	}
	t.say("照合した公表: %s。", "Checked: %s.", t.incidents(len(v.Checked)))
	for _, u := range v.Unreadable {
		t.say("%[2]s のうち %[1]s は、%[3]sが読み取れなかったため、この方法では確かめられません。", "%s of %s cannot be found by %s, because none could be read.", t.accounts(u.N), u.ID, t.kind(kind))
	}
	t.uncertain(v)
	for _, id := range v.Compromised {
		t.say("%s の鍵が、ほかの人の手に渡ったおそれがあります。その人は、知っているアドレスを試すことができます。",
			"Compromised: the key of %s may be in other hands. Who has it can test addresses that they know.", id)
	}
	for _, n := range v.NotCovered {
		t.say("照合していない公表: %s（%s）。", "Not covered: %s: %s.", n.ID, reasons[n.Why].In(t.l))
	}
}

// uncertain says what keeps an answer from being complete although everything was given that was wanted.
func (t teller) uncertain(v *check.Verdict) {
	for _, e := range v.Ended {
		t.say("もう確かめられません: %[2]s の第 %[1]s 版は、すでに終了した鍵で封じられていました。その版に含まれていたかどうかは、だれにも分かりません。",
			"Cannot be asked any more: revision %s of %s was sealed under a key that has ended. Whether you were in it nobody can tell now.", e.Revision, e.ID)
	}
	for _, k := range v.Unlisted {
		t.say("もう確かめられません: 鍵 %s は終了し、何がその鍵で封じられていたかを、ステートメントは述べていません。",
			"Cannot be asked any more: key %s has ended, and the statement does not say what was sealed under it.", k)
	}
	if n := len(v.Sampled); n > 0 {
		t.say("確かめずに信じたもの: まとめた索引にある %s（%s）は、元の索引と比べていません。--audit をつけると、すべて比べます。",
			"Taken at its word: %s (%s) in a joint layer that was not compared with their own. --audit compares all.", t.incidents(n), strings.Join(v.Sampled, ", "))
	}
}

func (t teller) kind(kind string) string {
	if text, ok := kinds[kind]; ok {
		return text.In(t.l)
	}
	return kind
}

// vouched says who stands behind an answer.
func (t teller) vouched(v check.Vouched) {
	remembered := ""
	if v.PinnedSince != nil {
		since := language.DateTime(t.l, v.PinnedSince.Time)
		switch {
		case v.Host == "":
			remembered = fmt.Sprintf(t.l.Pick("、%s から記憶", ", remembered since %s"), since)
		default:
			remembered = fmt.Sprintf(t.l.Pick("、%[2]s で %[1]s から記憶", ", remembered since %s from %s"), since, v.Host)
		}
	}
	witnesses := t.l.Pick("なし", "none")
	if len(v.Witnesses) > 0 {
		witnesses = strings.Join(v.Witnesses, ", ")
	}
	if v.WitnessesChanged != nil {
		witnesses += fmt.Sprintf(t.l.Pick("（%s から、それまでの立会人に代わって）", ", in the place of others since %s"), language.DateTime(t.l, v.WitnessesChanged.Time))
	}
	t.say("裏づけ: 台帳 %s（鍵 %s%s）。立会人: %s。", "Vouched for by the ledger %s (key %s%s). Witnesses: %s.", v.Origin, v.Key, remembered, witnesses)
	if v.Organisation != "" {
		t.say("公表した組織: %s。", "Published by %s.", v.Organisation)
	}
}

// compared says what an English "no" speaks of.
func compared(n int) string {
	if n == 1 {
		return "the one incident that was compared"
	}
	return "any of the " + language.Digits(int64(n)) + " incidents that were compared"
}

func (t teller) incidents(n int) string {
	if t.l == language.EN && n == 1 {
		return "1 incident"
	}
	return language.Digits(int64(n)) + t.l.Pick(" 件", " incidents")
}

func (t teller) accounts(n int64) string {
	if t.l == language.EN && n == 1 {
		return "1 account"
	}
	return language.Digits(n) + t.l.Pick(" 件のアカウント", " accounts")
}

// langFlag adds --lang to a command whose sentences people read: where it is not given, the terminal's.
func langFlag(f interface {
	StringVar(p *string, name, value, usage string)
}, lang *string) {
	f.StringVar(lang, "lang", "", "language of the sentences: ja or en (default: that of the terminal)")
}

// readLang reads what --lang says.
func readLang(lang string, getenv func(string) string) (language.Lang, error) {
	if lang == "" {
		return terminalLanguage(getenv), nil
	}
	l, ok := language.Parse(lang)
	if !ok || !slices.Contains([]string{"ja", "en"}, lang) {
		return l, usagef("--lang is ja or en")
	}
	return l, nil
}

package watchers

import (
	"fmt"
	"html"
	"strings"

	"shirase/internal/language"
)

// part is what one mail tells of an incident.
type part struct {
	About
	incident string
	kinds    map[string]bool
}

// confirmation is the mail to confirm. It is the same for an address that is there already.
func (w *Watchers) confirmation(lang language.Lang, link string) (subject, text string) {
	return lang.Pick("お知らせの登録の確認", "Please confirm that you want to be told"), lang.Pick(fmt.Sprintf(`%s
このアドレスについて、お知らせの登録の申し込みがありました。登録すると、今後公表する事案の対象にこのアドレスが含まれるときに、メールでお知らせします。

登録する、または登録の内容を変えるには、3日以内に次のページを開き、ボタンを押してください。

%s

お心当たりがない場合は、何もしないでください。登録されません。
このメールが、パスワードやカード番号をお尋ねすることはありません。
`, w.Name.JA, link), fmt.Sprintf(`%s
Somebody asked that this address be told of incidents: when one that we publish later includes it, a mail says so.

To sign up, or to change what you signed up for, open this page within three days and press the button:

%s

If it was not you, do nothing: nobody is signed up.
We never ask for a password or a card number by mail.
`, w.Name.EN, link))
}

// told is the mail of what has become public. It says of nobody that they are not affected; of what is sensitive it says where to ask, and
// nothing else, whatever it is.
func (w *Watchers) told(lang language.Lang, parts []part, own, off string) (subject, text string) {
	var b strings.Builder
	b.WriteString(w.Name.In(lang) + "\n" + lang.Pick("ご登録のアドレスについて、お知らせします。", "You asked to be told about this address.") + "\n")
	for _, p := range parts {
		if p.ByMail { // once, however many there are of one incident
			fmt.Fprintf(&b, "\n%s\n\n%s/incidents/%s/ask\n", lang.Pick("内容に配慮が必要な公表について、お知らせがあります。このメールには内容を書きません。次のページでこのアドレスを入力すると、お答えをメールで受け取れます。",
				"There is news of something sensitive that was published. This mail does not say what. Enter this address on the page below, and the answer is mailed to it."), w.URL, p.incident)
			continue
		}
		title := lang.Pick("「"+p.Title.JA+"」", `"`+p.Title.EN+`"`)
		if org := p.Organisation.In(lang); org != "" {
			title += lang.Pick("（"+org+"）", " ("+org+")")
		}
		at := p.AsOf.In(japan)
		when := language.Date(lang, at) + lang.Pick(" ", ", ") + language.Clock(lang, at)
		b.WriteString("\n")
		if p.kinds[in] {
			b.WriteString(lang.Pick(fmt.Sprintf("%s\nこのアドレスは、%s（日本時間）現在の対象範囲に含まれています。流出した可能性のある情報と、していただきたいことは、次のページをご覧ください。\n", title, when),
				fmt.Sprintf("%s\nThis address is in the scope as of %s (JST). What may have been exposed, and what to do, is on this page:\n", title, when)))
			fmt.Fprintf(&b, "\n%s/incidents/%s/help\n", w.URL, p.incident)
			continue
		}
		if p.kinds[final] {
			b.WriteString(lang.Pick(title+"\n調査が終わり、対象範囲が確定しました。ご自身のアドレスが含まれるかどうかは、次のページで確認できます。\n",
				title+"\nThe examination has ended, and the scope is settled. Whether an address is in it can be looked up on this page:\n"))
			fmt.Fprintf(&b, "\n%s/\n", w.URL)
		}
		if p.kinds[addendum] {
			b.WriteString(lang.Pick(title+"\n続報または訂正を公表しました。いまの状況は、次のページをご覧ください。\n", title+"\nAn addendum or a correction was published. Where things stand is on this page:\n"))
			fmt.Fprintf(&b, "\n%s/incidents/%s/help\n", w.URL, p.incident)
		}
	}
	fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n%s\n\n%s\n", lang.Pick("受け取り方を変える：", "Change how you are told:"), own, lang.Pick("登録をやめる：", "Stop being told:"), off,
		lang.Pick("このメールが、パスワードやカード番号をお尋ねすることはありません。", "We never ask for a password or a card number by mail."))
	return lang.Pick("ご登録のアドレスへのお知らせ", "News for the address that you signed up"), b.String()
}

// paragraphs is a text as HTML: its lines as they are, and addresses as links.
func paragraphs(text string) string {
	var b strings.Builder
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		b.WriteString("<p>")
		for i, line := range strings.Split(p, "\n") {
			if i > 0 {
				b.WriteString("<br>\n")
			}
			escaped := html.EscapeString(line)
			if strings.HasPrefix(line, "https://") || strings.HasPrefix(line, "http://") {
				escaped = `<a href="` + escaped + `">` + escaped + `</a>`
			}
			b.WriteString(escaped)
		}
		b.WriteString("</p>\n")
	}
	return b.String()
}

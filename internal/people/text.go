package people

import (
	"fmt"
	"strings"
	"time"

	"shirase/internal/language"
)

// japan is the zone that times are written in, as on the pages.
var japan = time.FixedZone("JST", 9*60*60)

// compose writes an answer. Both are of the same number of bytes: the shorter one has spaces at its end.
func compose(lang language.Lang, about About, affected bool) (subject, text string) {
	yes, no := body(lang, about, true), body(lang, about, false)
	most := max(len(yes), len(no))
	text = no
	if affected {
		text = yes
	}
	subject = lang.Pick("お問い合わせへのお返事", "Our answer to a question about this address")
	return subject, text + strings.Repeat(" ", most-len(text)) + "\n"
}

func body(lang language.Lang, about About, affected bool) string {
	at := about.AsOf.In(japan)
	when := language.Date(lang, at) + lang.Pick(" ", ", ") + language.Clock(lang, at)
	result := lang.Pick(fmt.Sprintf("このアドレスは、%s（日本時間）現在の対象範囲に、含まれていません。\nこのアドレスについてのお答えです。ほかのアドレスで登録されている場合は、そのアドレスでお尋ねください。安全だという意味ではありません。", when),
		fmt.Sprintf("This address is not in the scope as of %s (JST).\nThat is an answer about this address alone: if you signed up with another one, ask about that. It does not mean that you are safe.", when))
	if affected {
		result = lang.Pick(fmt.Sprintf("このアドレスは、%s（日本時間）現在の対象範囲に、含まれています。\n流出した可能性のある情報と、していただきたいことは、下のページをご覧ください。", when),
			fmt.Sprintf("This address is in the scope as of %s (JST).\nWhat may have been exposed, and what to do, is on the page below.", when))
	}
	return lang.Pick(fmt.Sprintf(`%s
「%s」について、このアドレスが対象に含まれるかどうかのお尋ねがありました。

%s

%s

お尋ねになった覚えがない場合は、どなたかがこのアドレスを入力しました。結果は、このメールのほか、どこにも示していません。何もしていただく必要はありません。
このメールが、パスワードやカード番号をお尋ねすることはありません。
`, about.Organisation.JA, about.Title.JA, result, about.Page),
		fmt.Sprintf(`%s
Somebody asked whether this address is affected by "%s".

%s

%s

If it was not you, somebody else entered this address. The result is shown nowhere but in this mail, and there is nothing you have to do.
We never ask for a password or a card number by mail.
`, about.Organisation.EN, about.Title.EN, result, about.Page))
}

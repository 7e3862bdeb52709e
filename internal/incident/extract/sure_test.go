package extract

import (
	"slices"
	"testing"
)

// TestTwoPlaces holds that an organisation, a number and a cause are sure where the text says whose they are or says them in
// two places, and are not where it only names them.
func TestTwoPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, fact string
		sure       bool
	}{
		{"2024年6月26日\n株式会社霞堂\n個人情報の漏えいについて\nお申込みいただいた48名分の氏名が漏えいしました。お詫び申し上げます。", "affected.count 48 persons exact", true},
		{"2024年6月26日\n株式会社霞堂\n48件のメールアドレスの漏えいについて\n弊社から48件のメールアドレスが漏えいしました。お詫び申し上げます。", "affected.count 48 records exact", true},
		{"2024年6月26日\n株式会社霞堂\n個人情報の漏えいについて\n弊社からお客様48名、取引先12名の氏名が漏えいしました。お詫び申し上げます。", "affected.count 48 persons exact", false},
		{"2024年6月26日\n株式会社霞堂\n個人情報の漏えいについて\n弊社からお客様の氏名が漏えいしました。お詫び申し上げます。", "organisation 株式会社霞堂", true},
		{"株式会社霞堂(以下「当社」)は、2024年6月26日、お客様の氏名が漏えいしたことを確認しました。お詫び申し上げます。", "organisation 株式会社霞堂", true},
		{"このたび、株式会社霞堂において個人情報が漏えいしました。氏名が含まれます。お詫び申し上げます。", "organisation 株式会社霞堂", false},
		{"2024年6月26日\n株式会社霞堂\n個人情報の漏えいについて\n6月24日 案内を誤って送信した。\n6月25日 申込者からの連絡で判明した。\n氏名が漏えいしました。お詫び申し上げます。", "window.start 2024-06-24", true},
	} {
		res, err := Notice([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range res.Proposals {
			if labelOf(p.Entry()) == c.fact && p.Sure != c.sure {
				t.Errorf("%q: %s is sure %v by %s (%.3f)", c.text, c.fact, p.Sure, p.Rule, p.Confidence)
			}
		}
		if c.sure && !slices.ContainsFunc(res.Proposals, func(p Proposal) bool { return labelOf(p.Entry()) == c.fact }) {
			t.Errorf("%q: %s is not proposed", c.text, c.fact)
		}
	}
}

// TestNothing holds that what discloses nothing of its author's gives nothing.
func TestNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"霞岡県の出先の事務所で、世帯の名簿を紛失したことがわかり、きょう県から発表されました。県によりますと、名簿には42世帯の氏名が書かれていて、県では全世帯に謝罪を行ったということです。",
		"霞岡市の市立学校で、教諭が生徒31人の成績表を紛失しました。市の教育委員会によりますと、教諭は7月3日に紛失に気づき、警察に届け出たということです。",
		"株式会社[会社名]\n個人情報漏えいに関するお詫び\n[日付]、弊社の名簿が漏えいしました。[顧客名]様の氏名が含まれます。深くお詫び申し上げます。",
		"Harrow Vale Clinic began notifying 4,120 patients that it was hit by a phishing attack on June 3, 2021, according to a July 9 news release. Exposed data may include names, dates of birth and Social Security numbers.",
		"Pinehaven District has submitted a breach notice to the state. The breach was discovered on May 4, 2015, when a library computer was accessed by an unauthorized individual. Names and addresses were in the database.",
		"We have learned of an incident that occurred on (specific or approximate date). The breach involved (provide a general description). The information contained (names, addresses, Social Security numbers, etc.). We are notifying you so that you can take action.",
		"The company apologized for the attack, in which an unauthorized party got names, e-mail addresses and telephone numbers of its customers. The company also warned customers about false messages.",
	} {
		res, err := Notice([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range res.Proposals {
			t.Errorf("%q: %s by %s", text, labelOf(p.Entry()), p.Rule)
		}
	}
}

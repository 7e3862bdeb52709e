package extract

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/incident"
)

// sharedData is where the data of others lies that tests read and the project does not keep.
func sharedData(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("SHIRASE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("the data of others is not here: %v", err)
	}
	return b
}

// modelFacts are the facts of the model notice, each with the words of the notice it is read from.
var modelFacts = []struct{ key, value, more, from string }{
	{"organisation", "LINE株式会社", "", "LINE株式会社"},
	{"title", "【NAVER】NAVER会員情報への不正アクセスに関するお知らせとパスワード変更のお願い", "", "【NAVER】NAVER会員情報への不正アクセスに関するお知らせとパスワード変更のお願い"},
	{"disclosed", "2013-07-19", "", "2013年07月19日"},
	{"window.start", "2013-07-17T20:51+09:00", "", "7月17日20時51分"},
	{"window.end", "2013-07-18T10:57+09:00", "", "18日10時57分"},
	{"discovered", "2013-07-18T10:09+09:00", "", "7月18日10時09分"},
	{"contained", "2013-07-18T10:57+09:00", "", "同日10時57分"},
	{"login-blocked", "2013-07-18T20:00+09:00", "", "20時"},
	{"affected.count", "1692496", "accounts exact", "169万2,496件"},
	{"excluded", "LINEの会員情報・トーク履歴・アドレス帳の情報など", "", "LINEの会員情報・トーク履歴・アドレス帳の情報など"},
	{"excluded", "日本以外で提供しているNAVERサービスのアカウント", "", "日本以外で提供しているNAVERサービスのアカウント"},
	{"excluded", "Twitter・Facebook・livedoorアカウント等でログインするOpen ID認証システムにより生成されたアカウント", "", "Twitter・Facebook・livedoorアカウント等でログインするOpen ID認証システムにより生成されたアカウント"},
	{"data-class", "email", "possible", "Eメールアドレス"},
	{"data-class", "password:hashed", "possible", "ハッシュ化されたパスワード"},
	{"data-class", "nickname", "possible", "アカウント名(ニックネーム)"},
	{"cause", "intrusion", "", "不正アクセス"},
	{"secondary-damage", "enquiry", "none-confirmed 2013-07-19T16:00+09:00", "お客様からのお問い合わせ、および不正ログインによるアクセス、および個人情報や保存されたコンテンツ等の改ざんは確認されておりません"},
	{"secondary-damage", "login", "none-confirmed 2013-07-19T16:00+09:00", "不正ログインによるアクセス、および個人情報や保存されたコンテンツ等の改ざんは確認されておりません"},
	{"secondary-damage", "tampering", "none-confirmed 2013-07-19T16:00+09:00", "個人情報や保存されたコンテンツ等の改ざんは確認されておりません"},
	{"service", "NAVERまとめ", "affected", "NAVERまとめ"},
	{"service", "Nドライブ", "affected", "Nドライブ"},
	{"service", "NAVER Photo Album", "affected", "NAVER Photo Album"},
	{"service", "pick", "affected", "pick"},
	{"service", "cafe", "affected", "cafe"},
	{"service", "LINE", "unrelated", "LINE"},
	{"service", "livedoor", "unrelated", "livedoor"},
	{"action", "新しいパスワード設定機能を設置しました。", "taken 2013-07-19T21:09+09:00", "新しいパスワード設定機能を設置しました。"},
	{"action", "新しいパスワード設定機能を設置しました。", "taken 2013-07-20T19:20+09:00", "新しいパスワード設定機能を設置しました。"},
	{"action", "本日18時より新しいパスワードの設定機能を設置し、サービスを再開いたしますので、お客様には、パスワードを再設定していただくようお願い申し上げます。", "planned 2013-07-19T18:00+09:00",
		"本日18時より新しいパスワードの設定機能を設置し、サービスを再開いたしますので、お客様には、パスワードを再設定していただくようお願い申し上げます。"},
	{"action", "新しいパスワード設定機能は本日21時を目処に設置する予定となりました。", "planned about 2013-07-19T21:00+09:00", "新しいパスワード設定機能は本日21時を目処に設置する予定となりました。"},
	{"action", "メンテナンスは7/20(土)中に終了予定です。", "planned 2013-07-20", "メンテナンスは7/20(土)中に終了予定です。"},
	{"addendum", "新しいパスワード設定機能は本日21時を目処に設置する予定となりました。", "2013-07-19T18:30+09:00", "新しいパスワード設定機能は本日21時を目処に設置する予定となりました。(7/19 18:30追記)"},
	{"addendum", "新しいパスワード設定機能を設置しました。", "2013-07-19T21:09+09:00", "新しいパスワード設定機能を設置しました。(7/19 21:09追記)"},
	{"addendum", "新しいパスワード設定機能のメンテナンスを実施しています。メンテナンスは7/20(土)中に終了予定です。", "2013-07-20T01:00+09:00", "新しいパスワード設定機能のメンテナンスを実施しています。メンテナンスは7/20(土)中に終了予定です。(7/20 1:00追記)"},
	{"addendum", "新しいパスワード設定機能を設置しました。", "2013-07-20T19:20+09:00", "新しいパスワード設定機能を設置しました。(7/20 19:20追記)"},
	{"contact", "", "", "http://help.naver.jp/faq?itemNo=1287"},
	{"source", "http://linecorp.com/press/2013/0719581", "", "http://linecorp.com/press/2013/0719581"},
}

// TestModelNotice holds that every fact of the model notice is proposed, with its place, and nothing besides.
func TestModelNotice(t *testing.T) {
	text := sharedData(t, "notice-naver-2013-07-19.txt")
	res, err := Notice(text)
	if err != nil {
		t.Fatal(err)
	}
	if res.ID != "line-2013-07-19" {
		t.Errorf("id %s", res.ID)
	}
	for i, e := range res.Entries() {
		if i >= len(modelFacts) {
			t.Errorf("besides: %+v", e)
			continue
		}
		want := modelFacts[i]
		value := valueOf(e)
		if e.Key == "contact" {
			value = ""
		}
		if from := string(text[e.Span[0]:e.Span[1]]); e.Key != want.key || value != want.value || from != want.from {
			t.Errorf("%s %q from %q, want %s %q from %q", e.Key, value, from, want.key, want.value, want.from)
		}
		said := strings.Join([]string{e.Unit, e.Qualifier, e.Status, e.At, e.Promised, e.Certainty, e.AsOf}, " ")
		for _, word := range strings.Fields(want.more) {
			if !strings.Contains(" "+said+" ", " "+word+" ") {
				t.Errorf("%s %s: %q lacks %s", e.Key, value, said, word)
			}
		}
		if e.Doubt != "" {
			t.Errorf("%s: %s", e.Key, e.Doubt)
		}
	}
	if n := len(res.Proposals); n < len(modelFacts) {
		t.Errorf("%d facts, want %d", n, len(modelFacts))
	}
	if _, err := incident.ParseFactsFile("model", FactsFile(res.ID, res.Zone, res.Entries())); err != nil {
		t.Error(err)
	}
}

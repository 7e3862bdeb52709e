package password

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"

	"shirase/internal/hint"
)

// entries writes what an export has: line, title, user, readings; or line and problem.
func entries(t *testing.T, text, column string) string {
	t.Helper()
	x, err := ReadExport(strings.NewReader(text), column, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var b strings.Builder
	for e := range x.Entries() {
		if e.Problem != "" {
			fmt.Fprintf(&b, "%d !%s\n", e.Line, e.Problem)
			continue
		}
		fmt.Fprintf(&b, "%d %s|%s|%s\n", e.Line, e.Title, e.User, strings.Join(e.Passwords, " or "))
	}
	return b.String()
}

func TestExport(t *testing.T) {
	sjis, err := japanese.ShiftJIS.NewEncoder().String("サイト名,ID,パスワード,メモ\nショップ,花子,能表ソ1,\n銀行,花子,abc,長い\n")
	if err != nil {
		t.Fatal(err)
	}
	var gz bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write([]byte("name,password\nShop,abc\n"))
	g.Close()
	for _, c := range []struct{ name, text, column, want string }{
		{"a browser's", "name,url,username,password,note\nShop,https://shop.example.com,hanako,\"a\"\"b,c\",\nBank,,hanako,x,\"two\nlines\"\nNone,,hanako,,\nLast,,h,y,", "",
			"2 Shop|hanako|a\"b,c\n3 Bank|hanako|x\n6 Last|h|y\n"},
		{"KeePass 1: backslashes", `"Account","Login Name","Password","Web Site","Comments"` + "\n" + `"Shop","hanako","a\"b\\c","","x"` + "\n" + `"Bank","hanako","d\\e",""` + "\n", "",
			"2 Shop|hanako|a\"b\\c\n3 Bank|hanako|d\\e\n"},
		{"backslashes that escape nothing", `"title","password"` + "\n" + `"a","C:\temp\"` + "\n" + `"b","x\\y"` + "\n", "",
			"2 a||C:\\temp\\\n3 b||x\\\\y or x\\y\n"},
		{"one bad row among good ones", "title,password\na,\"x\ny\"z\nb,\"open\nc,good\nd,\"fine\"\n", "", // the closing mark of "open is d's
			"2 !" + rowQuote + "\n3 !" + rowFew + "\n4 !" + rowQuote + "\n5 c||good\n6 d||fine\n"},
		{"a bare quotation mark", "title,password\na,x\"y\nb,\"\"\"\"\n", "", "2 a||x\"y\n3 b||\"\n"},
		{"never closed", "title,password\na,\"x\nb,y\n", "", "2 !" + rowOpen + "\n3 b||y\n"},
		{"too many fields", "title,password,note\na,x,y,z\nb,p,,,\nc,q\nd\n", "", "2 !" + rowMany + "\n3 b||p\n4 c||q\n5 !" + rowFew + "\n"},
		{"a byte order mark before a quotation mark", "\ufeff\"パスワード\",\"タイトル\"\n\"x\",\"a\"\n", "", "2 a||x\n"},
		{"half width", "ﾀｲﾄﾙ,ﾊﾟｽﾜｰﾄﾞ\na,x\n", "", "2 a||x\n"},
		{"decomposed", norm.NFD.String("タイトル,パスワード,ユーザー名\na,x,花子\n"), "", "2 a|花子|x\n"},
		{"with spaces and signs", " Title , \"Login Password:\" ,User Name\na,x,h\n", "", "2 a|h|x\n"},
		{"German", "Titel;Benutzername;Passwort\na;h;x\n", "", "2 a|h|x\n"},
		{"Korean, tabs", "이름\t비밀번호\na\tx\n", "", "2 ||x\n"},
		{"sep=", "sep=;\r\nname;password\r\na;x,y\r\n", "", "3 a||x,y\n"},
		{"Shift_JIS", sjis, "", "2 ショップ|花子|能表ソ1\n3 銀行|花子|abc\n"},
		{"UTF-16", utf16le("\ufeffname,password\na,ひみつ\n"), "", "2 a||ひみつ\n"},
		{"gzip", gz.String(), "", "2 Shop||abc\n"},
		{"a password column among others like it", "name,password hint,パスワード（必須）,passwordChanged\na,cat,x,2020\n", "", "2 a||x\n"},
		{"two columns of passwords", "name,password,password 2,old password\na,x,y,z\n", "", "2 a||x or y\n"},
		{"as for the web", "url,username,password\nhttps://a,h,a&amp;b&lt;\n", "", "2 https://a|h|a&amp;b&lt; or a&b<\n"},
		{"said by name", "name,geheim,password\na,x,y\n", "Geheim", "2 a||x\n"},
		{"said by number", "Folder,Shop,hanako,x\nFolder,Bank,hanako,y\n", "4", "1 ||x\n2 ||y\n"},
		{"said by number, with a header", "name,geheim,password\na,x,y\n", "3", "2 a||y\n"},
		{"bytes that are no text", "name,password\nひみつ,x\nb,\"\xff\xfey\"\nc,z\n", "", "2 ひみつ||x\n3 !" + rowText + "\n4 c||z\n"},
	} {
		if got := entries(t, c.text, c.column); got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.name, got, c.want)
		}
	}
	for name, text := range map[string]string{
		"no column": "name,url\na,x\n", "empty": "", "JSON": `{"items":[]}`, "XML": "<KeePassFile/>", "a database of KeePass": "\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x00", "a spreadsheet": "PK\x03\x04...",
		"only a hint": "name,password hint\na,x\n",
	} {
		if _, err := ReadExport(strings.NewReader(text), "", ""); !errors.Is(err, ErrExport) || hint.Of(err) == "" {
			t.Errorf("%s: %v; %s", name, err, hint.Of(err))
		}
	}
	if _, err := ReadExport(strings.NewReader("name,password\n"), "secret", ""); !errors.Is(err, ErrExport) {
		t.Error("a column that is not there:", err)
	}
}

// FuzzExport holds that every row is an entry, a problem or empty, and that nothing reads forever.
func FuzzExport(f *testing.F) {
	f.Add([]byte("name,password\na,\"x\\\"y\"\n"), "")
	f.Add([]byte("sep=;\n\"password\";b\n\"\n"), "1")
	f.Add([]byte("\xff\xfea\x00,\x00"), "")
	f.Fuzz(func(t *testing.T, b []byte, column string) {
		x, err := ReadExport(bytes.NewReader(b), column, "")
		if err != nil {
			return
		}
		last := 0
		for e := range x.Entries() {
			if e.Line <= last || (e.Problem == "") == (len(e.Passwords) == 0) {
				t.Fatalf("%+v after line %d", e, last)
			}
			last = e.Line
		}
	})
}

package password

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"shirase/internal/charset"

	"shirase/internal/hint"
)

// ErrExport says that a file cannot be read as the export of a password manager.
var ErrExport = errors.New("not an export of passwords that can be read")

// maxExport bounds an export, in bytes: it is read at once, for how it escapes may show in its last row.
const maxExport = 64 << 20

// An Entry is one row of an export.
type Entry struct {
	Line        int // on which it begins
	Title, User string
	// Passwords are what the entry's may be: the first as the file has it, others where
	// the program that wrote it may have escaped something. None: it has none.
	Passwords []string
	// Problem is why the row cannot be read, "" where it can. It never repeats what is in it.
	Problem string
}

// An Export is an export of a password manager or a browser (CSV), read and understood.
type Export struct {
	text    string
	line    int // of the text's first
	format  rowFormat
	columns int
	pass    []int // columns of passwords
	title   int   // -1: none
	user    int
}

// rowFormat is how rows are written.
type rowFormat struct {
	comma   byte
	escaped bool // quotation marks within quotes have a backslash before them, not another one
}

// ReadExport reads an export: CSV with commas, semicolons or tabs, in any of the
// encodings of package charset ("" finds it out), plain, gzip or zstd. Its first line names the
// columns; column names that of the passwords, or gives its number from 1, where it is
// not found by itself.
func ReadExport(r io.Reader, column string, enc charset.Encoding) (*Export, error) {
	text, err := exportText(r, enc)
	if err != nil {
		return nil, err
	}
	x := &Export{text: text, line: 1}
	comma := byte(0)
	if first, rest, _ := strings.Cut(x.text, "\n"); strings.HasPrefix(strings.ToLower(first), "sep=") && len(strings.TrimSpace(first)) <= 5 {
		if first = strings.TrimRight(first[4:], "\r"); first != "" {
			comma = first[0]
		}
		x.text, x.line = rest, 2
	}
	for _, c := range []byte{comma, ',', '\t', ';', '|'} {
		if c != 0 && x.header(c, column) {
			x.format.escaped = x.escapes()
			return x, nil
		}
	}
	return nil, hint.Add(fmt.Errorf("%w: no column of passwords", ErrExport),
		"its first line must name the columns, one of them password; or say which one it is: --column NAME, or --column 3")
}

// exportText reads all of an export as UTF-8.
func exportText(r io.Reader, enc charset.Encoding) (string, error) {
	plain, close, err := decompress(r)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrExport, err)
	}
	defer close()
	all, err := io.ReadAll(io.LimitReader(plain, maxExport+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrExport, err)
	case len(all) > maxExport:
		return "", hint.Add(fmt.Errorf("%w: it is larger than %d MiB", ErrExport, maxExport>>20), "is it the right file? Split it, each part with the line that names the columns")
	}
	if err := contained(all); err != nil {
		return "", exportFailure(err)
	}
	if first := bytes.TrimSpace(all); len(first) > 0 && bytes.IndexByte([]byte("<{["), first[0]) >= 0 {
		return "", hint.Add(fmt.Errorf("%w: it is JSON, HTML or XML", ErrExport), "export it as CSV")
	}
	var d charset.Decoder
	text, mark, err := d.Begin(bytes.NewReader(all), all[:min(len(all), 4096)], enc)
	if err != nil {
		return "", exportFailure(err)
	}
	if all, err = io.ReadAll(text); err != nil {
		return "", exportFailure(err)
	}
	all = all[mark:]
	var out strings.Builder
	for at := 0; at < len(all); {
		line := all[at:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if d.Undecided(line) {
			if err := decideText(&d, all[at:min(len(all), at+sampleBytes)], int64(at)); err != nil {
				return "", exportFailure(err)
			}
		}
		fields := [][]byte{line}
		if d.Decode(line, fields) {
			out.Write(fields[0])
		} else {
			out.WriteString(strings.ToValidUTF8(string(line), "\ufffd"))
		}
		at += len(line)
	}
	return out.String(), nil
}

// exportFailure is an ErrExport with the remedy of its cause.
func exportFailure(err error) error {
	return fmt.Errorf("%w: %w", ErrExport, err) // the cause brings its remedy along
}

// header reads the first row with a delimiter, and says whether it has a column of passwords.
func (x *Export) header(comma byte, column string) bool {
	x.format = rowFormat{comma: comma}
	names, n, problem := x.format.row(x.text)
	if problem != "" {
		return false
	}
	x.columns = len(names)
	x.pass, x.title, x.user = nil, -1, -1
	for i, f := range names {
		name := columnName(f.text)
		switch {
		case column != "" && name == columnName(column):
			x.pass = append(x.pass, i)
		case column == "" && (slices.Contains(passNames, name) || likePassword(name)):
			x.pass = append(x.pass, i)
		case slices.Contains(titleNames, name) && x.title < 0:
			x.title = i
		case slices.Contains(userNames, name) && x.user < 0:
			x.user = i
		}
	}
	if number, err := strconv.Atoi(column); len(x.pass) == 0 && err == nil && number >= 1 && number <= len(names) && len(names) > 1 {
		x.pass = []int{number - 1}
		if name := columnName(names[number-1].text); !slices.Contains(passNames, name) && !likePassword(name) {
			n = 0 // there is no header: the first row is an entry
		}
	}
	if len(x.pass) == 0 {
		return false
	}
	x.line += strings.Count(x.text[:n], "\n")
	x.text = x.text[n:]
	return true
}

// What KeePass, browsers and other managers call their columns, as columnName writes it.
var (
	passNames = []string{"password", "passwd", "passphrase", "pass", "pwd", "pw", "loginpassword", "userpassword", "passwordvalue", "secret", "パスワード", "ログインパスワード",
		"暗証番号", "合言葉", "passwort", "kennwort", "motdepasse", "contraseña", "clave", "senha", "wachtwoord", "lösenord", "heslo", "hasło", "parola", "пароль",
		"密码", "密碼", "口令", "비밀번호", "암호"}
	titleNames = []string{"title", "name", "account", "url", "website", "loginuri", "site", "service", "hostname", "origin", "タイトル", "名前", "名称", "サイト", "サイト名",
		"サービス", "サービス名", "ウェブサイト", "項目名", "titel", "titre", "título"}
	userNames = []string{"username", "user", "userid", "login", "loginname", "loginusername", "loginid", "email", "mail", "id", "ユーザー名", "ユーザ名", "ユーザーid", "ユーザid",
		"ログインid", "ログイン名", "アカウント", "アカウント名", "メールアドレス", "benutzername", "utilisateur", "usuario"}
)

// likePassword reports a column that must be one of passwords, such as "Password (1)".
func likePassword(name string) bool {
	for _, other := range []string{"hint", "ヒント", "name", "strength", "強度", "date", "日", "changed", "変更", "更新", "updated", "created", "age", "reset", "url", "history", "履歴",
		"type", "種類", "length", "policy", "note", "メモ", "totp", "otp", "old", "previous", "旧", "以前"} {
		if strings.Contains(name, other) {
			return false
		}
	}
	return strings.Contains(name, "password") || strings.Contains(name, "パスワード") || strings.Contains(name, "passwort")
}

// columnName is a name without what differs between programs: width, case, spaces and signs.
func columnName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == 'ー' {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFKC.String(s))
}

// escapes finds out whether backslashes escape: whether the rows make more sense so.
// Where nothing tells, they do not.
func (x *Export) escapes() bool {
	var bad [2]int
	for i, escaped := range []bool{false, true} {
		try := *x
		try.format.escaped = escaped
		for e := range try.Entries() {
			if e.Problem != "" {
				bad[i]++
			}
		}
	}
	return bad[1] < bad[0]
}

// Entries yields the entries in the order of the file, those that cannot be read with
// what is wrong with them. A row that is not closed is given up at its first line.
func (x *Export) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		text, line := x.text, x.line
		for text != "" {
			fields, n, problem := x.format.row(text)
			if problem != "" {
				n = len(text)
				if i := strings.IndexByte(text, '\n'); i >= 0 {
					n = i + 1
				}
			}
			e := Entry{Line: line, Problem: problem}
			if problem == "" {
				x.entry(&e, fields)
			}
			line += strings.Count(text[:n], "\n")
			text = text[n:]
			if (e.Problem != "" || len(e.Passwords) > 0) && !yield(e) {
				return
			}
		}
	}
}

// Problems of a row.
const (
	rowQuote = "something stands behind a closing quotation mark"
	rowOpen  = "a quotation mark is not closed"
	rowLong  = "it is longer than 1 MiB"
	rowMany  = "it has more fields than there are columns"
	rowFew   = "it has too few fields to have a password"
	rowText  = "it has bytes that are not text"
)

// entry takes an entry out of a row.
func (x *Export) entry(e *Entry, fields []cell) {
	blank := true
	for i, f := range fields {
		blank = blank && f.text == ""
		if i >= x.columns && f.text != "" {
			e.Problem = rowMany
		}
	}
	at := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return fields[i].text
	}
	e.Title, e.User = at(x.title), at(x.user)
	if blank || e.Problem != "" {
		return
	}
	for _, i := range x.pass {
		if i >= len(fields) {
			e.Problem = rowFew
			return
		}
		if strings.Contains(fields[i].text, "\ufffd") {
			e.Problem = rowText
			return
		}
		e.Passwords = fields[i].readings(e.Passwords)
	}
}

// A cell is a field of a row.
type cell struct {
	text   string
	quoted bool
}

// readings appends what a password in a field may be.
func (f cell) readings(to []string) []string {
	add := func(s string) {
		if s != "" && !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	add(f.text)
	if f.quoted && strings.Contains(f.text, `\`) {
		add(strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\,`, `,`).Replace(f.text))
	}
	if strings.Contains(f.text, "&") { // some write as for the web
		add(html.UnescapeString(f.text))
	}
	return to
}

// row reads the row at the beginning of text, and returns how long it is with its line end.
func (o rowFormat) row(text string) (fields []cell, n int, problem string) {
	for {
		f, length, problem := o.field(text[n:])
		if problem != "" {
			return nil, 0, problem
		}
		fields = append(fields, f)
		n += length
		switch {
		case n > maxLine:
			return nil, 0, rowLong
		case n == len(text):
			return fields, n, ""
		case text[n] == '\n':
			return fields, n + 1, ""
		}
		n++ // the delimiter
	}
}

// field reads the field at the beginning of text, up to its delimiter or line end. A
// quotation mark within a field that does not begin with one is an ordinary character.
func (o rowFormat) field(text string) (f cell, n int, problem string) {
	if text == "" || text[0] != '"' {
		if n = strings.IndexAny(text, string([]byte{o.comma, '\n'})); n < 0 {
			n = len(text)
		}
		f.text = text[:n]
		if n == len(text) || text[n] == '\n' {
			f.text = strings.TrimSuffix(f.text, "\r")
		}
		return f, n, ""
	}
	var b strings.Builder
	for n = 1; n < len(text) && n <= maxLine; n++ {
		switch c := text[n]; {
		case c == '\\' && o.escaped && n+1 < len(text) && (text[n+1] == '"' || text[n+1] == '\\'):
			n++
			b.WriteByte(text[n])
		case c != '"':
			b.WriteByte(c)
		case n+1 < len(text) && text[n+1] == '"':
			n++
			b.WriteByte('"')
		default:
			rest := strings.TrimPrefix(text[n+1:], "\r")
			if rest != "" && rest[0] != '\n' {
				rest = text[n+1:]
			}
			if n = len(text) - len(rest); rest != "" && rest[0] != '\n' && rest[0] != o.comma {
				return f, 0, rowQuote
			}
			return cell{b.String(), true}, n, ""
		}
	}
	return f, 0, rowOpen
}

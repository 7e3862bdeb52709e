package password

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"

	"shirase/internal/charset"
	"shirase/internal/hint"
)

// hexes are n hashes of a size in hex, each with what is put around it.
func hexes(n, size int, around string) string {
	r := rand.New(rand.NewPCG(uint64(n), uint64(size)))
	var b strings.Builder
	for range n {
		h := make([]byte, size)
		for i := range h {
			h[i] = byte(r.Uint32())
		}
		fmt.Fprintf(&b, around+"\n", h)
	}
	return b.String()
}

// ofCommon lists the commonest passwords as a hash has them.
func ofCommon(hash func([]byte) []byte) string {
	var b strings.Builder
	for _, p := range commonest {
		fmt.Fprintf(&b, "%x:5\n", hash([]byte(p)))
	}
	return b.String()
}

func utf16le(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// plainList is a list of passwords that nobody can take for anything else.
const plainList = "123456\npassword\nletmein\ntrombone\nlagoon7\nhorse-battery\n"

// TestImportRefused: what is no list is named, with what to do, and nothing of it is taken.
func TestImportRefused(t *testing.T) {
	var zipped, tarred, gz bytes.Buffer
	z := zip.NewWriter(&zipped)
	f, _ := z.Create("xl/workbook.xml")
	f.Write([]byte("<x/>"))
	z.Close()
	tw := tar.NewWriter(&tarred)
	tw.WriteHeader(&tar.Header{Name: "list.txt", Size: int64(len(plainList)), Mode: 0o600})
	tw.Write([]byte(plainList))
	tw.Close()
	g := gzip.NewWriter(&gz)
	g.Write(zipped.Bytes())
	g.Close()
	csv := "番号,氏名,メール,電話\n" + strings.Repeat("17,山田 花子,hanako@example.com,090-1234-5678\n", 30)
	latin, err := charmap.ISO8859_1.NewEncoder().String(strings.Repeat("contraseña\nmañana\nniño\n", 20))
	if err != nil {
		t.Fatal(err)
	}
	type refused struct {
		file   string
		mode   Mode
		format Format
		want   string
		remedy string
	}
	cases := map[string]refused{
		"an NTLM list without --hash":            {hexes(50, 16, "%X:3"), SHA1, FormatAuto, "32 digits", "--hash ntlm"},
		"an NTLM list without --hash, no counts": {hexes(50, 16, "%x"), SHA1, FormatAuto, "32 digits", "--hash ntlm"},
		"an NTLM list as plain":                  {hexes(50, 16, "%x"), SHA1, FormatPlain, "32 digits", "--hash ntlm"},
		"an NTLM list said to be ordered":        {hexes(50, 16, "%x:1"), SHA1, FormatOrdered, "32 digits", "--hash ntlm"},
		"a SHA-1 list with --hash ntlm":          {hexes(50, 20, "%X:3"), NTLM, FormatAuto, "40 digits", "--hash sha1"},
		"a SHA-1 list as plain":                  {hexes(50, 20, "%X:3"), SHA1, FormatPlain, "hashes, not passwords", "--format"},
		"SHA-256":                                {hexes(50, 32, "%x"), SHA1, FormatAuto, "64 digits", "only SHA-1 and NTLM"},
		"bcrypt":                                 {strings.Repeat("$2b$12$KIXWx1v0Qq0Z5b8n1hYb5e9bq0QkQ0lX6XxQkQ0lX6XxQkQ0lX6Xx\n", 9), SHA1, FormatPlain, "salted hashes", ""},
		"hash and password":                      {hexes(50, 20, "%x:letmein"), SHA1, FormatAuto, "something beside it", "HASH:COUNT"},
		"count before hash":                      {hexes(50, 20, "17 %x"), SHA1, FormatAuto, "something beside it", "HASH:COUNT"},
		"user and hash":                          {hexes(50, 16, "hanako:1001:%x:::"), NTLM, FormatAuto, "something beside it", "HASH:COUNT"},
		"quoted hashes":                          {hexes(50, 20, `"%x","3"`), SHA1, FormatPlain, "something beside it", "HASH:COUNT"},
		"MD5 said to be NTLM":                    {ofCommon(func(p []byte) []byte { h := md5.Sum(p); return h[:] }), NTLM, FormatHashes, "MD5", "only SHA-1 and NTLM"},
		"MySQL said to be SHA-1":                 {ofCommon(func(p []byte) []byte { h := sha1.Sum(p); h = sha1.Sum(h[:]); return h[:] }), SHA1, FormatHashes, "MySQL", "only SHA-1 and NTLM"},
		"customers":                              {csv, SHA1, FormatAuto, "address and something else", "--format plain"},
		"customers, as plain":                    {csv, SHA1, FormatPlain, "address and something else", "--format plain"},
		"a table without addresses":              {strings.Repeat("17;Suzuki;Tokyo\n18;Sato;Osaka\n", 9), SHA1, FormatPlain, "3 fields", "--format plain"},
		"a table with tabs":                      {strings.Repeat("17\tSuzuki\n18\tSato\n", 9), SHA1, FormatAuto, "2 fields", "--format plain"},
		"addresses and passwords":                {strings.Repeat("hanako@example.com:letmein\n", 9), SHA1, FormatPlain, "address and something else", "cut the passwords out"},
		"names":                                  {strings.Repeat("Suzuki\nSato\nTanaka\n", 30), SHA1, FormatAuto, "not beyond doubt passwords", "--format plain"},
		"one line":                               {"trombone\n", SHA1, FormatAuto, "not beyond doubt passwords", "--format plain"},
		"prose":                                  {strings.Repeat("These are the passwords that we found in it.\n", 9), SHA1, FormatAuto, "not beyond doubt", "--format plain"},
		"JSON":                                   {`{"passwords":["letmein","123456"]}`, SHA1, FormatPlain, "JSON", "--format plain"},
		"JSON lines":                             {strings.Repeat(`{"password":"letmein"}`+"\n", 9), SHA1, FormatAuto, "JSON", "--format plain"},
		"an xlsx":                                {zipped.String(), SHA1, FormatPlain, "zip archive or a spreadsheet", "unpack it"},
		"an xlsx in gzip":                        {gz.String(), SHA1, FormatAuto, "zip archive or a spreadsheet", "unpack it"},
		"an xls":                                 {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600), SHA1, FormatPlain, "Excel", "save"},
		"a tar":                                  {tarred.String(), SHA1, FormatPlain, "tar archive", "unpack it"},
		"a 7z":                                   {"7z\xbc\xaf\x27\x1c\x00\x04", SHA1, FormatPlain, "7z archive", "unpack it"},
		"bzip2":                                  {"BZh91AY&SY", SHA1, FormatPlain, "bzip2", "gzip or zstd"},
		"a PDF":                                  {"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", SHA1, FormatPlain, "PDF", "text file"},
		"an SQLite database":                     {"SQLite format 3\x00\x10\x00", SHA1, FormatPlain, "SQLite", "text file"},
		"nothing":                                {"", SHA1, FormatAuto, "it is empty", "to its end"},
		"nothing, plain":                         {"", SHA1, FormatPlain, "it is empty", "to its end"},
		"nothing, ordered":                       {"", SHA1, FormatOrdered, "it is empty", "to its end"},
		"line ends":                              {"\r\n\r\n", SHA1, FormatPlain, "it is empty", "to its end"},
		"a byte order mark":                      {"\ufeff", SHA1, FormatPlain, "it is empty", "to its end"},
		"a byte order mark of UTF-16":            {"\xff\xfe", SHA1, FormatPlain, "it is empty", "to its end"},
		"UTF-16 without a mark":                  {utf16le(plainList), SHA1, FormatPlain, "UTF-16 without a byte order mark", "--encoding utf-16le"},
		"bytes":                                  {"\x01\x00\x02\x80" + strings.Repeat("\x00\x7f", 99), SHA1, FormatPlain, "it is not text", ""},
		"JIS":                                    {"letmein\n\x1b$B;3ED\x1b(B\n", SHA1, FormatPlain, "ISO-2022-JP", "iconv"},
		"Latin-1":                                {latin, SHA1, FormatPlain, "no text in UTF-8, Shift_JIS or EUC-JP", "iconv"},
		"carriage returns alone":                 {strings.ReplaceAll(plainList, "\n", "\r"), SHA1, FormatPlain, "carriage returns alone", "tr "},
		"a segment of a corpus":                  {segmentMagic + "\x01\x08", SHA1, FormatPlain, "segment of a corpus", "copy"},
		"most lines are hashes, after a long head": {strings.Repeat("# a list\n", 20) + hexes(50, 16, "%X"), SHA1, FormatAuto, "32 digits", "--hash ntlm"},
	}
	for name, r := range cases {
		c := open(t, t.TempDir(), 0)
		out, err := c.Import(t.Context(), strings.NewReader(r.file), 0, ImportOptions{Mode: r.mode, Format: r.format, Fold: ByFormat, MaxRejects: 0.01})
		if !errors.Is(err, ErrList) {
			t.Errorf("%s: %+v, %v", name, out, err)
			continue
		}
		if !strings.Contains(err.Error(), r.want) || !strings.Contains(hint.Of(err), r.remedy) {
			t.Errorf("%s: %v; %s", name, err, hint.Of(err))
		}
		if strings.Contains(err.Error()+hint.Of(err), "hanako") || strings.Contains(err.Error(), "letmein") {
			t.Errorf("%s: the error tells what is in the file: %v", name, err)
		}
		if i := c.Corpus(r.mode).Info(); i.Records != 0 || len(c.Corpus(r.mode).Imports()) != 0 {
			t.Errorf("%s: something of it is in the corpus: %+v", name, i)
		}
	}
}

// TestImportTaken reads lists as they come, and finds what is in them.
func TestImportTaken(t *testing.T) {
	const list = "123456\npassword\nletmein\nパスワード\n桜吹雪2026\nさくら咲く\nひまわり娘\n"
	sjis, err := japanese.ShiftJIS.NewEncoder().String(list)
	if err != nil {
		t.Fatal(err)
	}
	euc, err := japanese.EUCJP.NewEncoder().String(list)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"123456", "password", "letmein", "パスワード", "桜吹雪2026", "さくら咲く", "ひまわり娘"}
	hashed := func(m Mode, line string) string {
		var rows []string
		for _, p := range all {
			h, err := m.Hash(p)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, fmt.Sprintf(line, h))
		}
		slices.Sort(rows)
		return strings.Join(rows, "\n") + "\n"
	}
	marked := "\ufeff" + strings.ReplaceAll(hashed(SHA1, "%X:1"), "\n", "\r\n\ufeff") // as a downloader puts it before each range
	for name, c := range map[string]struct {
		file    string
		mode    Mode
		format  Format
		want    Format
		rejects int64
	}{
		"plain beyond doubt":                   {list, SHA1, FormatAuto, FormatPlain, 0},
		"plain beyond doubt, NTLM":             {list, NTLM, FormatAuto, FormatPlain, 0},
		"a byte order mark":                    {"\ufeff" + list, SHA1, FormatAuto, FormatPlain, 0},
		"UTF-16":                               {utf16le("\ufeff" + list), SHA1, FormatAuto, FormatPlain, 0},
		"UTF-16 with CR":                       {utf16le("\ufeff" + strings.ReplaceAll(list, "\n", "\r\n")), NTLM, FormatPlain, FormatPlain, 0},
		"Shift_JIS":                            {sjis, SHA1, FormatAuto, FormatPlain, 0},
		"Shift_JIS, NTLM":                      {sjis, NTLM, FormatPlain, FormatPlain, 0},
		"EUC-JP":                               {euc, SHA1, FormatAuto, FormatPlain, 0},
		"UTF-8 with Latin-1 in it":             {list + "ma\xf1ana\n", SHA1, FormatPlain, FormatPlain, 1},
		"hashes with a header":                 {"hash:count\n" + hashed(SHA1, "%X:1"), SHA1, FormatAuto, FormatOrdered, 0},
		"hashes with a header, SHA-1 stated":   {"SHA1\n" + hashed(SHA1, "%X"), SHA1, FormatHashes, FormatHashes, 0},
		"hashes with a mark":                   {"\ufeff" + hashed(NTLM, "%x:1"), NTLM, FormatAuto, FormatOrdered, 0},
		"hashes with a mark before every line": {strings.TrimSuffix(marked, "\ufeff"), SHA1, FormatAuto, FormatOrdered, 0},
		"hashes in UTF-16":                     {utf16le("\ufeff" + strings.ReplaceAll(hashed(NTLM, "%X:1"), "\n", "\r\n")), NTLM, FormatAuto, FormatOrdered, 0},
		"hashes without counts":                {hashed(SHA1, "%x"), SHA1, FormatAuto, FormatHashes, 0},
		"passwords of hex digits":              {list + "00112233445566778899001122334455\n" + strings.Repeat("ab", 20) + "\n", SHA1, FormatPlain, FormatPlain, 0},
		"a hash among passwords":               {list + "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8\n", SHA1, FormatPlain, FormatPlain, 1},
		"a hash that is a password":            {list + "$HEX[" + hex.EncodeToString([]byte("5baa61e4c9b93f3f0682250b6cf8331b")) + "]\n", SHA1, FormatPlain, FormatPlain, 0},
	} {
		corpora := open(t, t.TempDir(), 0)
		out, err := corpora.Import(t.Context(), strings.NewReader(c.file), 0, ImportOptions{Mode: c.mode, Format: c.format, Fold: ByFormat, MaxRejects: 0.2})
		if err != nil || out.Format != c.want || out.Rejected != c.rejects || out.ID == 0 {
			t.Errorf("%s: %+v, %v; %s", name, out, err, hint.Of(err))
			continue
		}
		for _, p := range all {
			h, _ := c.mode.Hash(p)
			if n, err := corpora.Corpus(c.mode).Count(h); n != 1 || err != nil {
				t.Errorf("%s: %s: %d, %v", name, p, n, err)
			}
		}
		if extra := out.Records - int64(len(all)); extra != 0 && !strings.Contains(name, "hex digits") && !strings.Contains(name, "is a password") {
			t.Errorf("%s: %d passwords that are not in it", name, extra)
		}
	}
	// What was said is not doubted.
	c := open(t, t.TempDir(), 0)
	if out, err := c.Import(t.Context(), strings.NewReader("trombone\n"), 0, ImportOptions{Mode: SHA1, Format: FormatPlain, Fold: ByFormat}); err != nil || out.Added != 1 {
		t.Error(out, err)
	}
	if out, err := c.Import(t.Context(), strings.NewReader(euc), 0, ImportOptions{Mode: SHA1, Format: FormatPlain, Fold: ByFormat, Encoding: charset.EUCJP}); err != nil || out.Added != 7 || out.Encoding != charset.EUCJP {
		t.Error(out, err)
	}
}

// TestGenuine takes lists in which the commonest passwords are as they must be, whatever else is in them.
func TestGenuine(t *testing.T) {
	c := open(t, t.TempDir(), 0)
	both := ofCommon(func(p []byte) []byte { h, _ := NTLM.Hash(string(p)); return h }) + ofCommon(func(p []byte) []byte { h := md5.Sum(p); return h[:] })
	if out, err := c.Import(t.Context(), strings.NewReader(both), 0, ImportOptions{Mode: NTLM, Format: FormatHashes}); err != nil || out.Added != int64(2*len(commonest)) {
		t.Fatal(out, err)
	}
	others := ofCommon(func(p []byte) []byte { h := sha256.Sum256(p); return h[:16] }) // 32 digits of anything
	if out, err := c.Import(t.Context(), strings.NewReader(others), 0, ImportOptions{Mode: NTLM, Format: FormatHashes}); err != nil || out.Added == 0 {
		t.Fatal(out, err)
	}
}

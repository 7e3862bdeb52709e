package password

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"

	"shirase/internal/charset"
	"shirase/internal/hint"
)

// ErrList says that a file is not taken for a list of hashes or of passwords, and why.
var ErrList = errors.New("this is not taken for a list")

func refuse(remedy, format string, args ...any) error {
	return hint.Add(fmt.Errorf("%w: %s", ErrList, fmt.Sprintf(format, args...)), remedy)
}

// noText is an ErrList that is no text; its cause brings its remedy along.
func noText(err error) error { return fmt.Errorf("%w: %w", ErrList, err) }

// containers are files that are something else than text, by how they begin.
var containers = []struct{ magic, what, hint string }{
	{"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it first, and import the list that is in it"},
	{"\xd0\xcf\x11\xe0", "an Excel workbook", "save the column of passwords alone as text, a password a line"},
	{"BZh", "compressed with bzip2", "decompress it first, or compress it with gzip or zstd"},
	{"\xfd7zXZ\x00", "compressed with xz", "decompress it first, or compress it with gzip or zstd"},
	{"\x04\x22\x4d\x18", "compressed with lz4", "decompress it first, or compress it with gzip or zstd"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first, and import the list that is in it"},
	{"Rar!\x1a\x07", "a RAR archive", "unpack it first, and import the list that is in it"},
	{"%PDF-", "a PDF", "copy the passwords into a text file, a password a line"},
	{"SQLite format 3\x00", "an SQLite database", "write the column of passwords into a text file"},
	{"\x7fELF", "a program", ""},
	{"\x89PNG\r\n", "a picture", ""},
	{segmentMagic[:14], "a segment of a corpus of Shirase", "copy the whole folder of the corpus instead"},
	{filterMagic[:14], "a filter of Shirase", "it holds no hashes; import what it was built from"},
}

// contained refuses what is no text.
func contained(head []byte) error {
	for _, c := range containers {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return refuse(c.hint, "it is %s", c.what)
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return refuse("unpack it first, and import the list that is in it", "it is a tar archive")
	}
	return nil
}

// looks counts what the lines of a sample look like.
type looks struct {
	lines  int         // that are not empty
	hashes map[int]int // hex digits of a hash's length, and perhaps a count: by the number of digits
	first  bool        // the first line is one of them

	crypts   int // $2b$... and the like
	attached int // a hash with something before or behind it that is no count
	pairs    int // something with an @ and then something else
	markup   int // JSON, HTML, XML
	spaces   int // more than two words
	long     int // more than 40 characters
	commas   map[string]int
	common   int // of the most common passwords of all
}

// hashDigits are the lengths that hashes have in hex: MD5 and NTLM, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
var hashDigits = []int{32, 40, 56, 64, 96, 128}

// commonest are passwords that hardly any list lacks.
var commonest = []string{"123456", "password", "123456789", "12345678", "12345", "qwerty", "abc123", "111111", "1234567", "iloveyou", "letmein",
	"dragon", "monkey", "123123", "1234567890", "000000", "qwerty123", "password1", "1q2w3e4r", "sunshine"}

// look counts one line; it is not empty.
func (l *looks) look(line []byte) {
	if l.lines++; l.hashes == nil {
		l.hashes, l.commas = map[int]int{}, map[string]int{}
	}
	n, counted := hashAt(line)
	switch {
	case counted:
		l.hashes[n]++
		l.first = l.first || l.lines == 1
	case n > 0 || attached(line):
		l.attached++
	}
	if isCrypt(line) {
		l.crypts++
	}
	if at := bytes.IndexByte(line, '@'); at > 0 {
		domain := line[at+1:]
		if i := bytes.IndexAny(domain, ":;,|\t "); i > 2 && i < len(domain)-1 && bytes.IndexByte(domain[:i], '.') > 0 {
			l.pairs++
		}
	}
	if bytes.ContainsAny(line[:1], "{[<") && bytes.ContainsAny(line[len(line)-1:], "}],>") {
		l.markup++
	}
	if len(bytes.Fields(line)) > 2 {
		l.spaces++
	}
	if utf8.RuneCount(line) > 40 {
		l.long++
	}
	for _, sep := range []string{",", ";", "\t", ":", "|"} {
		if n := bytes.Count(line, []byte(sep)); n > 0 {
			l.commas[fmt.Sprint(sep, n)]++
		}
	}
	if slices.Contains(commonest, string(line)) {
		l.common++
	}
}

// hashAt is how many digits the hash has with which the text begins, 0 being none, and
// whether nothing but a count follows. A password may be made of hex digits: a hash
// has many different ones, letters among them.
func hashAt(text []byte) (n int, counted bool) {
	seen := 0
	for n < len(text) && nibbles[text[n]] <= 15 {
		seen |= 1 << nibbles[text[n]]
		n++
	}
	if !slices.Contains(hashDigits, n) || bits.OnesCount(uint(seen)) < 8 || seen < 1<<10 || n < len(text) && isWord(text[n]) {
		return 0, false
	}
	rest := text[n:]
	return n, len(rest) == 0 || rest[0] == ':' && digits(rest[1:])
}

// attached reports that a hash stands behind something else: user:hash, "hash", count hash.
func attached(line []byte) bool {
	for i := 1; i < len(line); i++ {
		if isWord(line[i-1]) {
			continue
		}
		if n, _ := hashAt(line[i:]); n > 0 {
			return true
		}
	}
	return false
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= utf8.RuneSelf
}

func digits(b []byte) bool {
	return len(b) > 0 && !bytes.ContainsFunc(b, func(r rune) bool { return r < '0' || r > '9' })
}

// isCrypt reports what systems store of a password, with its salt.
func isCrypt(line []byte) bool {
	if len(line) < 24 || bytes.IndexByte([]byte("${*pbs"), line[0]) < 0 {
		return false
	}
	if line[0] == '*' { // MySQL
		n, _ := hashAt(line[1:])
		return n == 40
	}
	for _, start := range []string{"$1$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "$y$", "$7$", "$argon2", "$scrypt$", "$pbkdf2", "$P$", "$H$", "$S$",
		"{SHA", "{SSHA", "{CRYPT}", "{MD5}", "pbkdf2", "bcrypt", "sha1$", "scrypt:"} {
		if bytes.HasPrefix(line, []byte(start)) {
			return true
		}
	}
	return false
}

// most reports more than half of the lines.
func (l *looks) most(n int) bool { return 2*n > l.lines }

// hashed is the number of digits that the hashes have of which most lines are; 0: they are none.
func (l *looks) hashed() int {
	for n, count := range l.hashes {
		if l.most(count) {
			return n
		}
	}
	return 0
}

// wrongHashes refuses hashes that are not of the mode.
func wrongHashes(digits int, m Mode) error {
	switch {
	case digits == 2*m.Size():
		return nil
	case digits == 2*NTLM.Size():
		return refuse("of NTLM hashes say --hash ntlm; MD5 hashes cannot be used", "its lines are hashes of 32 digits, and SHA-1 has 40")
	case digits == 2*SHA1.Size():
		return refuse("say --hash sha1", "its lines are hashes of 40 digits, which is SHA-1, and NTLM has 32")
	}
	return refuse("only SHA-1 and NTLM hashes can be used, and passwords themselves", "its lines are hashes of %d digits, which is neither SHA-1 nor NTLM", digits)
}

// noPasswords refuses, as a list of passwords, what most lines say is none.
func (l *looks) noPasswords(m Mode) error {
	const plain = "cut the passwords out, a password a line, and import them with --format plain"
	switch n := l.hashed(); {
	case n == 2*m.Size():
		return refuse("--format hashes, or leave --format away", "most of its lines are hashes, not passwords")
	case n > 0:
		return wrongHashes(n, m)
	case l.most(l.attached):
		return refuse("make it HASH:COUNT or HASH a line, such as with cut or sed", "most of its lines have a hash and something beside it")
	case l.most(l.crypts):
		return refuse("only passwords themselves, or their SHA-1 or NTLM hashes, can be used", "most of its lines are salted hashes, such as of bcrypt")
	case l.most(l.pairs):
		return refuse(plain, "most of its lines are an address and something else, not a password")
	case l.most(l.markup):
		return refuse(plain, "most of its lines are JSON, HTML or XML")
	}
	if l.lines < 5 {
		return nil
	}
	for key, n := range l.commas {
		if 10*n >= 9*l.lines && n > 4 {
			return refuse(plain, "nearly all of its lines have %s fields, parted by %q, as in a table (CSV)", fields(key), key[:1])
		}
	}
	return nil
}

// fields says how many fields a key of commas stands for.
func fields(key string) string {
	n := 0
	fmt.Sscan(key[1:], &n)
	return fmt.Sprint(n + 1)
}

// plain reports that the sample is a list of passwords beyond doubt: some of the
// commonest are in it, and nothing else that lines could be.
func (l *looks) plain() bool {
	odd := l.attached + l.crypts + l.pairs + l.markup + l.spaces + l.long
	for _, n := range l.hashes {
		odd += n
	}
	for _, n := range l.commas {
		odd += n
	}
	return l.common >= 2 && 50*odd <= l.lines
}

// typed reports that a password is made of characters that somebody may type: none that
// steer, and none of those of private use that text of another encoding is full of when it
// is read in a wrong one.
func typed(text []byte) bool {
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return !bytes.ContainsFunc(text[i:], func(r rune) bool { return unicode.Is(unicode.Co, r) || unicode.IsControl(r) && r != '\t' })
		}
		if c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}

// decideText decides in which encoding a list is, by a sample that begins with its first
// line that is not ASCII, at a position in the text. Lists are put together of many:
// where most such lines are UTF-8 the list is, whatever else the others could be.
func decideText(d *charset.Decoder, sample []byte, at int64) error {
	var lines [][]byte // that are not ASCII
	valid := 0
	for line := range bytes.Lines(sample) {
		if bytes.ContainsFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) {
			lines = append(lines, bytes.TrimRight(line, "\r\n"))
			if utf8.Valid(line) {
				valid++
			}
		}
	}
	if 2*valid >= len(lines) {
		d.Begin(nil, nil, charset.UTF8) // as if it had been stated, which cannot fail
		return nil
	}
	if d.Decide(sample, at); d.Err() != nil {
		return noText(d.Err())
	}
	strange := 0
	for _, line := range lines {
		fields := [][]byte{line}
		if !d.Decode(line, fields) || !typed(fields[0]) {
			strange++
		}
	}
	if 2*strange > len(lines) {
		return refuse("convert it to UTF-8 (iconv -f ENCODING -t UTF-8), or state the encoding with --encoding",
			"what of it is not ASCII is no text in UTF-8, Shift_JIS or EUC-JP, from byte %d on", at)
	}
	return nil
}

// commonHashes are those of the commonest passwords.
func commonHashes(m Mode) [][]byte {
	return hashesOf(func(p []byte) []byte {
		h, _ := m.Hash(string(p)) // of ASCII there is one
		return h
	})
}

// otherHashes are what the commonest passwords are in lists of hashes of another kind,
// but as long: whoever takes one for the mode's gets a corpus that never finds anything.
func otherHashes(m Mode) [][]byte {
	return hashesOf(func(p []byte) []byte {
		if m == NTLM {
			h := md5.Sum(p)
			return h[:]
		}
		h := sha1.Sum(p)
		h = sha1.Sum(h[:])
		return h[:]
	})
}

func hashesOf(hash func([]byte) []byte) (out [][]byte) {
	for _, p := range commonest {
		out = append(out, hash([]byte(p)))
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

// A spotter finds some hashes among many that come in ascending order.
type spotter struct {
	wanted [][]byte
	next   uint64 // the leading 64 bits of the first that may still come
	found  int
}

func newSpotter(wanted [][]byte) spotter { return spotter{wanted: wanted, next: top(wanted[0])} }

// see looks at one that is not before next.
func (s *spotter) see(hash []byte, h uint64) {
	for len(s.wanted) > 0 && top(s.wanted[0]) < h {
		s.wanted = s.wanted[1:]
	}
	if len(s.wanted) > 0 && bytes.Equal(s.wanted[0], hash) {
		s.found++
	}
	if s.next = math.MaxUint64; len(s.wanted) > 0 {
		s.next = top(s.wanted[0])
	}
}

package message

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"shirase/internal/reach/smtp"
)

var keys = sync.OnceValue(func() (out [2]crypto.Signer) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, e, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	return [2]crypto.Signer{r, e}
})

func signers(t testing.TB) (out []*Signer, dns map[string]string) {
	t.Helper()
	dns = map[string]string{}
	for i, name := range []string{"rsa", "ed"} {
		s, err := NewSigner("us.example", name, keys()[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
		if dns[name+"._domainkey.us.example"], err = Record(keys()[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out, dns
}

const text = "■ 何が起きたか\n7月17日から18日にかけて、…。\r\n\n.dot\n"

func compose(t testing.TB, to string, signers ...*Signer) []byte {
	t.Helper()
	return composed(t, NewBody("ja", text, Page("ja", "お知らせ <1>", "<p>"+strings.Repeat("お知らせ", 300)+"</p>\n")), to, signers...)
}

// plain has all that signing by the relaxed form and writing as quoted-printable have to do with.
const plain = "* What happened\r\n\r\n  two  spaces, and a tab\tbehind  \nFrom here on = there\n.dot\n" + "a long line that does not end, a long line that does not end, a long line that does not end, a long line\n\n\n"

// english is a mail that is ASCII.
func english(t testing.TB, to string, signers ...*Signer) []byte {
	t.Helper()
	return composed(t, NewBody("en", plain, Page("en", "Notice <1>", "<p>"+strings.Repeat("notice ", 300)+"</p>\n")), to, signers...)
}

func composed(t testing.TB, b *Body, to string, signers ...*Signer) []byte {
	t.Helper()
	c, err := New(Address{"株式会社例示　お知らせ事務局（個人情報のお問い合わせ窓口）", "notice@us.example"}, Address{"Desk, \"the\"", "desk@us.example"},
		"【重要】お客様の個人情報が外部に漏えいしたことについてのお詫びとお知らせ（お知らせ番号 例-2013-1）", "us.example", signers...)
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.Mail(nil, to, "m.abc234", time.Date(2026, 11, 30, 9, 0, 0, 0, time.FixedZone("", 9*3600)), b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join(Data(head, b), nil)
}

func TestMail(t *testing.T) {
	raw := compose(t, "a..b@docomo.example")
	for _, l := range strings.Split(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		if len(l) > 78 || strings.ContainsAny(l, "\r\n") || strings.TrimRight(l, " \t") != l || strings.ContainsFunc(l, func(c rune) bool { return c > 0x7e }) {
			t.Errorf("line %q", l)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || from[0].Name != "株式会社例示　お知らせ事務局（個人情報のお問い合わせ窓口）" || from[0].Address != "notice@us.example" {
		t.Error(from, err)
	}
	reply, err := m.Header.AddressList("Reply-To")
	if err != nil || reply[0].Name != `Desk, "the"` {
		t.Error(reply, err)
	}
	to, err := mail.ParseAddress(m.Header.Get("To"))
	if err != nil || to.Address != `"a..b"@docomo.example` && to.Address != "a..b@docomo.example" {
		t.Error(to, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "【重要】お客様の個人情報が外部に漏えいしたことについてのお詫びとお知らせ（お知らせ番号 例-2013-1）" {
		t.Error(subject, err)
	}
	if m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("List-Unsubscribe") != "" || m.Header.Get("Message-Id") != "<m.abc234@us.example>" || m.Header.Get("Date") != "Mon, 30 Nov 2026 09:00:00 +0900" {
		t.Error(m.Header)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain; charset=utf-8", "text/html; charset=utf-8"} {
		p, err := parts.NextPart()
		if err != nil || p.Header.Get("Content-Type") != want || p.Header.Get("Content-Language") != "ja" {
			t.Fatal(p, err)
		}
		b, err := io.ReadAll(base64Reader(p))
		if err != nil || strings.HasPrefix(want, "text/plain") && string(b) != strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n") {
			t.Errorf("%q, %v", b, err)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Error(err)
	}
}

// What is ASCII is written nearly as it is, in lines that every server takes, and comes out as it went in.
func TestPlain(t *testing.T) {
	raw := english(t, "taro@a.example")
	if bytes.Contains(raw, []byte("base64")) || bytes.Count(raw, []byte("quoted-printable")) != 2 {
		t.Errorf("%s", raw)
	}
	for l := range strings.SplitSeq(strings.TrimSuffix(string(raw), "\r\n"), "\r\n") {
		if len(l) > 78 || strings.ContainsAny(l, "\r\n") || strings.TrimRight(l, " \t") != l {
			t.Errorf("line %q", l)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := multipart.NewReader(m.Body, params["boundary"]).NextPart() // it decodes
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(p)
	if want := strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(plain, "\r\n", "\n"), "\n", "\r\n"), "\r\n"); err != nil || string(b) != want { // the last end of a line is the boundary's
		t.Errorf("%q, want %q, %v", b, want, err)
	}
	for _, c := range []string{"\x00", "\x1b", "\u00e9"} {
		if b := NewBody("en", "x"+c, "x"); !bytes.Contains(b.data, []byte("base64")) {
			t.Errorf("%q is written as it is", c)
		}
	}
}

// A line cannot be added by a name, a subject, an address or an id.
func TestInjection(t *testing.T) {
	ok := Address{"a", "a@us.example"}
	for name, c := range map[string]struct {
		from, reply Address
		subject     string
	}{
		"name": {Address{"a\r\nBcc: x@y.example", "a@us.example"}, ok, "s"}, "address": {Address{"a", "a@us.example>\r\nBcc: <x@y.example"}, ok, "s"},
		"reply": {ok, Address{"a\nb", "a@us.example"}, "s"}, "subject": {ok, ok, "s\r\n\r\nbody"}, "separator": {ok, ok, "s\u2028x"}, "direction": {ok, ok, "s\u202ex"}, "empty": {ok, ok, " "}, "bytes": {ok, ok, "\xff"},
	} {
		if _, err := New(c.from, c.reply, c.subject, "us.example"); !errors.Is(err, ErrHeader) && !errors.Is(err, smtp.ErrAddress) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := New(ok, Address{}, "looks =?utf-8?b?like?= it", "us.example")
	if err != nil {
		t.Fatal(err)
	}
	b := NewBody("en", "x", "x")
	for _, to := range []string{"a@x.example\r\nBcc: b@x.example", "a@x.example>", "a\x00@x.example"} {
		if _, err := c.Mail(nil, to, "m", time.Now(), b); !errors.Is(err, smtp.ErrAddress) {
			t.Errorf("%q: %v", to, err)
		}
	}
	if _, err := c.Mail(nil, "a@x.example", "m>\r\nx", time.Now(), b); !errors.Is(err, ErrHeader) {
		t.Error(err)
	}
}

// Both signatures hold, by a library that others wrote; and no more after any change.
func TestSigned(t *testing.T) {
	s, dns := signers(t)
	for _, raw := range [][]byte{compose(t, "taro@a.example", s...), compose(t, "a..b@a.example", s...), english(t, "taro@a.example", s...)} {
		lookup := &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return []string{dns[name]}, nil }}
		got, err := dkim.VerifyWithOptions(bytes.NewReader(raw), lookup)
		if err != nil || len(got) != 2 || got[0].Err != nil || got[1].Err != nil {
			t.Fatalf("%+v, %v\n%s", got, err, raw)
		}
		for name, changed := range map[string][]byte{
			"subject": bytes.Replace(raw, []byte("Subject: =?utf-8?b?"), []byte("Subject: =?utf-8?b?QUFB?=\r\n =?utf-8?b?"), 1),
			"to":      bytes.Replace(raw, []byte("a.example"), []byte("b.example"), 1), "second from": append([]byte("From: x@y.example\r\n"), raw...),
			"body": bytes.Replace(raw, []byte("\r\n\r\n--"), []byte("\r\n\r\nAAAA\r\n--"), 1),
		} {
			got, err := dkim.VerifyWithOptions(bytes.NewReader(changed), lookup)
			for _, v := range got {
				if v.Err == nil {
					t.Errorf("%s changed, and %s holds: %v", name, v.Domain, err)
				}
			}
		}
	}
}

// So they do by Debian's python3-dkim, which many receivers' filters are made with.
func TestSignedForPython(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's own, whatever else is on PATH
	if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
		t.Skip("python3-dkim is not installed: run ./test")
	}
	s, dns := signers(t)
	for _, raw := range [][]byte{compose(t, "a..b@a.example", s...), english(t, "taro@a.example", s...)} {
		verifiedByPython(t, python, raw, dns)
	}
}

func verifiedByPython(t *testing.T, python string, raw []byte, dns map[string]string) {
	t.Helper()
	script := `
import sys, dkim
dns = {` + quote(dns) + `}
look = lambda name, timeout=5: dns[(name.decode() if isinstance(name, bytes) else name).rstrip('.')].encode()
m = sys.stdin.buffer.read()
d = dkim.DKIM(m)
print(d.verify(idx=0, dnsfunc=look), d.verify(idx=1, dnsfunc=look), d.verify(idx=0, dnsfunc=look) and dkim.DKIM(m.replace(b'Message-ID: <m', b'Message-ID: <n')).verify(idx=0, dnsfunc=look))
`
	c := exec.Command(python, "-c", script)
	c.Stdin = bytes.NewReader(raw)
	var errw bytes.Buffer
	c.Stderr = &errw
	out, err := c.Output()
	if err != nil || strings.TrimSpace(string(out)) != "True True False" {
		t.Errorf("%s %v\n%s", out, err, &errw)
	}
}

func quote(dns map[string]string) string {
	var b strings.Builder
	for k, v := range dns {
		b.WriteString("'" + k + "': '" + v + "', ")
	}
	return b.String()
}

func TestKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err == nil {
		if _, err := NewSigner("us.example", "s", small); !errors.Is(err, ErrKey) {
			t.Error(err)
		}
	}
	for _, bad := range [][2]string{{"us.example;", "s"}, {"us.example", "s\r\n"}, {"", "s"}} {
		if _, err := NewSigner(bad[0], bad[1], keys()[1]); !errors.Is(err, ErrKey) {
			t.Error(bad, err)
		}
	}
	for _, k := range keys() {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		if err != nil || !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(k.Public()) {
			t.Error(err)
		}
	}
	if _, err := ParseKey([]byte("secret")); !errors.Is(err, ErrKey) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("お知らせ", 9)
	f.Add("a\r\nb", 0)
	f.Fuzz(func(t *testing.T, s string, used int) {
		if used < 0 || used > 20 {
			return
		}
		out, err := words(s, used)
		if err != nil {
			return
		}
		for i, l := range strings.Split(out, "\r\n") {
			if strings.ContainsAny(l, "\r\n\x00") || i > 0 && l[0] != ' ' || len(l) > 76 {
				t.Fatalf("%q", out)
			}
		}
		got, err := new(mime.WordDecoder).DecodeHeader(strings.ReplaceAll(out, "\r\n", ""))
		if err != nil || got != s {
			t.Fatalf("%q becomes %q, %v", s, got, err)
		}
	})
}

func BenchmarkMail(b *testing.B) {
	s, _ := signers(b)
	for name, of := range map[string][]*Signer{"unsigned": nil, "ed25519": s[1:], "both": s} {
		b.Run(name, func(b *testing.B) {
			c, err := New(Address{"お知らせ事務局", "notice@us.example"}, Address{}, "お知らせ", "us.example", of...)
			if err != nil {
				b.Fatal(err)
			}
			body := NewBody("ja", strings.Repeat(text, 20), Page("ja", "x", strings.Repeat(text, 20)))
			var buf []byte
			for b.Loop() {
				if buf, err = c.Mail(buf[:0], "taro@a.example", "m.abc", time.Now(), body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func base64Reader(r io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, r) }

// What ends by one click says so in two headers, which both signatures cover (RFC 8058, section 4); an address that is none is refused.
func TestListed(t *testing.T) {
	s, dns := signers(t)
	c, err := New(Address{Addr: "notice@us.example"}, Address{}, "お知らせ", "us.example", s...)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBody("ja", "本文", "<p>本文</p>")
	for _, off := range []string{"", "mailto:a@us.example", "https://us.example/x>\r\nBcc: b@x.example", "https://us.example/a b", "https://us.example/" + strings.Repeat("a", 1000)} {
		if _, err := c.Listed(nil, "taro@a.example", "m1", time.Now(), b, off); !errors.Is(err, ErrHeader) {
			t.Errorf("%.40q: %v", off, err)
		}
	}
	head, err := c.Listed(nil, "taro@a.example", "m1", time.Now(), b, "https://us.example/watch/off/abc")
	if err != nil {
		t.Fatal(err)
	}
	raw := append(head, Data(nil, b)[1]...)
	if !bytes.Contains(raw, []byte("\r\nList-Unsubscribe: <https://us.example/watch/off/abc>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")) {
		t.Errorf("%s", head)
	}
	lookup := &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return []string{dns[name]}, nil }}
	for name, changed := range map[string][]byte{"as it is": raw, "another address": bytes.Replace(raw, []byte("off/abc"), []byte("off/abd"), 1), "no post": bytes.Replace(raw, []byte("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), nil, 1)} {
		got, err := dkim.VerifyWithOptions(bytes.NewReader(changed), lookup)
		if len(got) != 2 {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		for _, v := range got {
			if (v.Err == nil) != (name == "as it is") {
				t.Errorf("%s: %v", name, v.Err)
			}
		}
	}
}

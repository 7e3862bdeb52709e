// Package message writes the mails of a campaign: a text and a restrained page that say the same, in base64 or, where all
// of it is ASCII, nearly as it is, with headers that hold Japanese and nothing that was smuggled in, and signed so that receivers know whose they are.
package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"shirase/internal/reach/smtp"
)

// ErrHeader says that a text cannot stand in a header. It does not repeat it.
var ErrHeader = errors.New("the text cannot stand in a header")

// Address is a mailbox with the name that readers see.
type Address struct{ Name, Addr string }

// Body is the content of a mail, which is the same for many recipients: it is encoded and hashed once.
type Body struct {
	contentType string
	data        []byte
	hash        [sha256.Size]byte // of what relaxedBody makes of data
}

// Size is how many bytes of the mail are its body.
func (b *Body) Size() int { return len(b.data) }

// boundary occurs in no base64 and in nothing quoted-printable (RFC 2045, section 6.7): no text is written otherwise.
const boundary = "=_shirase_1"

// NewBody makes a body of a text and of a page, which say the same (RFC 2046, section 5.1.4). lang is BCP 47.
func NewBody(lang, text, page string) *Body {
	var b bytes.Buffer
	b.WriteString("--" + boundary + "\r\n")
	part(&b, "plain", lang, text)
	b.WriteString("--" + boundary + "\r\n")
	part(&b, "html", lang, page)
	b.WriteString("--" + boundary + "--\r\n")
	return &Body{contentType: `multipart/alternative; boundary="` + boundary + `"`, data: b.Bytes(), hash: sha256.Sum256(relaxedBody(b.Bytes()))}
}

// part writes one. What is all ASCII goes as it is, but for its long lines: filters take base64 without a reason for something to hide.
func part(b *bytes.Buffer, kind, lang, text string) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n") // RFC 2045, section 6.8: canonical before it is encoded
	encoding := "base64"
	if !strings.ContainsFunc(text, func(c rune) bool { return c >= 0x7f || c < 0x20 && c != '\t' && c != '\r' && c != '\n' }) {
		encoding = "quoted-printable"
	}
	fmt.Fprintf(b, "Content-Type: text/%s; charset=utf-8\r\nContent-Language: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", kind, lang, encoding)
	if encoding == "quoted-printable" {
		w := quotedprintable.NewWriter(b) // a buffer has no errors
		io.WriteString(w, text)
		w.Close()
		if !strings.HasSuffix(text, "\r\n") {
			b.WriteString("\r\n")
		}
		return
	}
	encoded := make([]byte, base64.StdEncoding.EncodedLen(len(text)))
	base64.StdEncoding.Encode(encoded, []byte(text))
	for len(encoded) > 76 {
		b.Write(encoded[:76])
		b.WriteString("\r\n")
		encoded = encoded[76:]
	}
	b.Write(encoded)
	b.WriteString("\r\n")
}

// relaxedBody is the form of a body that is signed (RFC 6376, section 3.4.4). Base64 is in it already.
func relaxedBody(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		space := false
		for _, c := range line {
			if c == ' ' || c == '\t' {
				space = true
				continue
			}
			if space {
				out = append(out, ' ')
			}
			space = false
			out = append(out, c)
		}
		out = append(out, "\r\n"...)
	}
	for bytes.HasSuffix(out, []byte("\r\n\r\n")) { // of what ends in a line there is an empty one behind the last
		out = out[:len(out)-2]
	}
	return out
}

// Page puts what a text says, as HTML, into a page that reads well anywhere: one column, the reader's own fonts and colours, a language, a
// title, and nothing that is fetched.
func Page(lang, title, content string) string {
	return `<!DOCTYPE html>
<html lang="` + html.EscapeString(lang) + `">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>` + html.EscapeString(title) + `</title>
<style>
body{margin:0 auto;padding:1.25em;max-width:40em;font:1em/1.75 "Hiragino Sans","Yu Gothic Medium","Noto Sans CJK JP",system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.35em;line-height:1.4}h2{font-size:1.15em;line-height:1.4;margin-top:1.75em}h3{font-size:1em}
ul,ol{padding-left:1.5em}li{margin:.35em 0}blockquote{margin:1em 0;padding-left:1em;border-left:.25em solid #888}
</style></head>
<body>
` + content + `</body>
</html>
`
}

// Composer writes the mails that go out from one sender with one subject.
type Composer struct {
	fixed  []byte // headers that are the same in each, from From on
	domain string // of Message-IDs
	signed []*Signer
	// the same headers as they are signed
	from, subject, rest string
	names               string
}

// New makes a composer. replyTo may be empty. Errors: ErrHeader.
func New(from, replyTo Address, subject, domain string, signers ...*Signer) (*Composer, error) {
	c := &Composer{domain: domain, signed: signers}
	f, err := mailbox(from)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	s, err := words(subject, len("Subject: "))
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	var b bytes.Buffer
	b.WriteString("From: " + f + "\r\n")
	names := "from:from:to:to:subject:subject:date:date:message-id:message-id:mime-version:content-type"
	canon := relaxed("mime-version", "1.0")
	if replyTo.Addr != "" {
		r, err := mailbox(replyTo)
		if err != nil {
			return nil, fmt.Errorf("reply to: %w", err)
		}
		b.WriteString("Reply-To: " + r + "\r\n")
		names += ":reply-to:reply-to"
		canon += "\x00" + relaxed("reply-to", r)
	} else {
		canon += "\x00"
	}
	b.WriteString("Subject: " + s + "\r\n")
	// RFC 3834, section 5: nobody's holiday notice answers it. Exchange goes by a header of its own.
	b.WriteString("MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n")
	names += ":auto-submitted"
	c.fixed = b.Bytes()
	c.from, c.subject, c.names, c.rest = relaxed("from", f), relaxed("subject", s), names, canon
	return c, nil
}

// Mail writes a mail to an address. id is the part of its Message-ID before the @, which stays the same when it is written again. dst is
// grown and given back: head is in it, and the body follows as it is. Errors: smtp.ErrAddress, ErrHeader.
func (c *Composer) Mail(dst []byte, to, id string, at time.Time, b *Body) (head []byte, err error) {
	return c.mail(dst, to, id, at, b, "", "")
}

// Listed is Mail for what somebody asked for and ends by one click (RFC 8058): off is the https address that their program posts to. Both
// headers are signed, as section 4 asks for. Errors also: ErrHeader, where off is no such address.
func (c *Composer) Listed(dst []byte, to, id string, at time.Time, b *Body, off string) (head []byte, err error) {
	if !isLink(off) {
		return dst, fmt.Errorf("list-unsubscribe: %w", ErrHeader)
	}
	return c.mail(dst, to, id, at, b, "<"+off+">", oneClick)
}

// oneClick is the value of List-Unsubscribe-Post, and what is posted (RFC 8058, section 3.1).
const oneClick = "List-Unsubscribe=One-Click"

// isLink: an address that stands between < and > on one line of a header (RFC 2369, section 2), http for tests on this machine only.
func isLink(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && len(s) <= 900 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' || r == '"' })
}

func (c *Composer) mail(dst []byte, to, id string, at time.Time, b *Body, off, click string) (head []byte, err error) {
	path, err := smtp.Path(to)
	if err != nil {
		return dst, err
	}
	if !isID(id) {
		return dst, fmt.Errorf("message-id: %w", ErrHeader)
	}
	date := at.Format("Mon, 02 Jan 2006 15:04:05 -0700")
	messageID := "<" + id + "@" + c.domain + ">"
	if len(c.signed) > 0 {
		canon, names := c.canonical(path, date, messageID, b), c.names
		if off != "" {
			canon += relaxed("list-unsubscribe", off) + relaxed("list-unsubscribe-post", click)
			names += ":list-unsubscribe:list-unsubscribe-post"
		}
		for _, s := range c.signed {
			if dst, err = s.sign(dst, names, canon, b.hash[:], at); err != nil {
				return dst, err
			}
		}
	}
	dst = append(dst, c.fixed...)
	if off != "" {
		dst = append(append(append(dst, "List-Unsubscribe: "...), off...), "\r\n"...)
		dst = append(append(append(dst, "List-Unsubscribe-Post: "...), click...), "\r\n"...)
	}
	for _, h := range [...][2]string{{"To", path}, {"Date", date}, {"Message-ID", messageID}, {"Content-Type", b.contentType}} {
		dst = append(append(append(append(dst, h[0]...), ": "...), h[1]...), "\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}

// Data is a mail in parts, for [smtp.Mail].
func Data(head []byte, b *Body) [][]byte { return [][]byte{head, b.data} }

// canonical gives the signed headers in the order of names (RFC 6376, section 3.4.2). Those that are named twice and stand once are signed
// as not there, so that nobody adds a second one (section 5.4).
func (c *Composer) canonical(to, date, id string, b *Body) string {
	mime, reply, _ := strings.Cut(c.rest, "\x00")
	return c.from + relaxed("to", to) + c.subject + relaxed("date", date) + relaxed("message-id", id) + mime + relaxed("content-type", b.contentType) + reply + "auto-submitted:auto-generated\r\n"
}

// isID: dot-atom-text of RFC 5322, section 3.2.3.
func isID(s string) bool {
	return s != "" && len(s) <= 100 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && s[0] != '.' && s[len(s)-1] != '.'
}

// mailbox writes a mailbox (RFC 5322, section 3.4).
func mailbox(a Address) (string, error) {
	path, err := smtp.Path(a.Addr)
	if err != nil || a.Name == "" {
		return path, err
	}
	name, err := words(a.Name, len("Reply-To: "))
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(name, "=?") {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	sep := " "
	if strings.Contains(name, "\r\n") || len(name)+len(path) > 60 {
		sep = "\r\n "
	}
	return name + sep + "<" + path + ">", nil
}

// words writes a text in a header: as it is where it is short and ASCII, else as encoded words on lines of at most 76 characters (RFC 2047,
// section 2). used is what stands on the first line already. Nothing in it can end the header.
func words(s string, used int) (string, error) {
	if !utf8.ValidString(s) || strings.TrimSpace(s) == "" || utf8.RuneCountInString(s) > 200 {
		return "", fmt.Errorf("%w: it is empty, too long or not UTF-8", ErrHeader)
	}
	ascii := true
	for _, c := range s {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || unicode.Is(unicode.Bidi_Control, c) {
			return "", fmt.Errorf("%w: it has an invisible character, %U", ErrHeader, c)
		}
		ascii = ascii && c < 0x80
	}
	if ascii && len(s)+used <= 76 && !strings.Contains(s, "=?") {
		return s, nil
	}
	const room = 45 // bytes whose base64 fits a word of 75 characters beside =?utf-8?b? and ?=
	var out []string
	for first := room - used*3/4; s != ""; first = room {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > max(first, 4) {
				break
			}
			n += size
		}
		out = append(out, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(out, "\r\n "), nil
}

// relaxed is a header as RFC 6376, section 3.4.2 has it.
func relaxed(name, value string) string {
	return name + ":" + strings.Join(strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }), " ") + "\r\n"
}

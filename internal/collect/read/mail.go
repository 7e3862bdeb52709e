package read

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"

	ours "shirase/internal/charset"
)

// Bounds of a mail.
const (
	maxParts  = 100
	maxNested = 8
)

// mailOf reads a mail (RFC 5322, RFC 2045): its subject, its day, and the plain text of it, or what its HTML says where there is none.
func mailOf(data []byte) (*Document, error) {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	w := mailReader{}
	w.part(textproto.MIMEHeader(m.Header), m.Body, 0)
	text := w.plain.String()
	if strings.TrimSpace(text) == "" && w.html != nil {
		inner, err := page(w.html, w.label, "")
		if err != nil {
			return nil, err
		}
		text = inner.Text
	}
	doc := &Document{Title: word(m.Header.Get("Subject"))}
	head := doc.Title + "\n"
	if at, err := m.Header.Date(); err == nil {
		head += at.Format("2006-01-02") + "\n"
	}
	doc.Text = head + "\n" + text
	return doc, nil
}

// word reads the words of a header (RFC 2047), also those in a character set that is stated wrongly.
func word(s string) string {
	d := mime.WordDecoder{CharsetReader: func(label string, in io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(io.LimitReader(in, 4<<10))
		return strings.NewReader(ours.Mail(b, label)), err
	}}
	out, err := d.DecodeHeader(s)
	if err != nil {
		return ours.Mail([]byte(s), "")
	}
	return out
}

type mailReader struct {
	plain strings.Builder
	html  []byte
	label string // of html
	parts int
}

func (w *mailReader) part(h textproto.MIMEHeader, body io.Reader, depth int) {
	if w.parts++; w.parts > maxParts || depth > maxNested {
		return
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		mr := multipart.NewReader(body, params["boundary"])
		for {
			p, err := mr.NextRawPart()
			if err != nil {
				return
			}
			w.part(p.Header, p, depth+1)
			if w.parts > maxParts {
				return
			}
		}
	}
	if disposition, _, _ := mime.ParseMediaType(h.Get("Content-Disposition")); disposition == "attachment" || kind != "text/plain" && kind != "text/html" {
		return
	}
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	b, _ := io.ReadAll(io.LimitReader(body, MaxPage)) // what can be read of a broken part counts
	if kind == "text/html" {
		if w.html == nil {
			w.html, w.label = b, params["charset"]
		}
		return
	}
	if w.plain.Len() < maxText {
		w.plain.WriteString(ours.Mail(b, params["charset"]))
		w.plain.WriteByte('\n')
	}
}

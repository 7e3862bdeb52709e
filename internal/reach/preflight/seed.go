package preflight

import (
	"bytes"
	"context"
	"errors"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"shirase/internal/language"
)

const (
	seedAge       = 7 * 24 * time.Hour // of the mail that came back
	maxSignatures = 5                  // of one mail, that are verified
	maxLookup     = 20 * time.Second   // for the keys of all of them
)

// Seed is what became of mail that was to come back.
type Seed struct {
	Sent, Back time.Time // last; zero: never
	Signed     *Signed   // how the one that came back last was signed; nil: nobody has looked
}

// Signed is how a mail was signed, as it came back: by our own look at it, and by nothing that somebody on the way says of it.
type Signed struct {
	From       string      `json:"from"` // domain of the address in From; "": there is none
	Signatures []Signature `json:"signatures"`
}

// Signature is one DKIM signature of a mail (RFC 6376; Ed25519: RFC 8463).
type Signature struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`        // rsa-sha256 or ed25519-sha256
	Problem   string `json:"problem,omitzero"` // why it does not hold; "": it does
	Unasked   bool   `json:"unasked,omitzero"` // nobody answered for its key
}

// Verify looks how a mail is signed: each signature over the mail as it is, with the keys that DNS has now. resolver is host and port of a
// DNS server; "": the system's. What cannot be read as a mail has no signature.
func Verify(ctx context.Context, resolver string, m []byte) Signed {
	ctx, cancel := context.WithTimeout(ctx, maxLookup)
	defer cancel()
	dns := resolverAt(resolver)
	m = lines(m)
	out := Signed{Signatures: []Signature{}}
	read, err := mail.ReadMessage(bytes.NewReader(m))
	if err != nil {
		return out
	}
	if from, err := read.Header.AddressList("From"); err == nil && len(from) == 1 {
		_, out.From, _ = strings.Cut(strings.ToLower(from[0].Address), "@")
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(m), &dkim.VerifyOptions{MaxVerifications: maxSignatures, LookupTXT: func(name string) ([]string, error) {
		return dns.LookupTXT(ctx, full(name))
	}})
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return out
	}
	headers := read.Header["Dkim-Signature"]
	for i, v := range found {
		s := Signature{Domain: strings.ToLower(v.Domain)}
		if i < len(headers) { // they are verified in the order in which they stand
			t := tags(headers[i])
			s.Selector, s.Algorithm, s.Domain = t["s"], t["a"], strings.ToLower(t["d"])
		}
		if v.Err != nil {
			s.Problem, s.Unasked = strings.TrimPrefix(v.Err.Error(), "dkim: "), dkim.IsTempFail(v.Err)
		}
		out.Signatures = append(out.Signatures, s)
	}
	return out
}

// lines gives a mail the ends of lines that it had on its way, and takes off what a mailbox wrote before it.
func lines(m []byte) []byte {
	if bytes.HasPrefix(m, []byte("From ")) {
		if _, rest, ok := bytes.Cut(m, []byte("\n")); ok {
			m = rest
		}
	}
	m = bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(m, []byte("\n"), []byte("\r\n"))
}

// lookSeed looks whether a mail that was sent to come back did, and how it was signed then.
func (l *look) lookSeed(ctx context.Context) {
	if l.Seed == nil {
		return
	}
	seed, err := l.Seed(ctx)
	switch {
	case err != nil:
		l.find("seed", Error, "seed-unread", err)
		return
	case seed.Sent.IsZero():
		l.find("seed", Error, "seed-never")
		return
	case seed.Back.IsZero():
		l.find("seed", Error, "seed-out", seed.Sent.UTC().Format(time.RFC3339))
		return
	case l.Now().Sub(seed.Back) > seedAge:
		l.find("seed", Warning, "seed-old", int(l.Now().Sub(seed.Back).Hours()/24))
	default:
		l.find("seed", Well, "seed-well", seed.Back.UTC().Format(time.RFC3339))
	}
	l.lookSigned(seed.Signed)
}

// lookSigned looks whether what signs the mail that came back stands for the address that campaigns are from.
func (l *look) lookSigned(s *Signed) {
	const id = "seed-dkim"
	switch {
	case s == nil:
		l.find(id, Error, "seed-unverified")
		return
	case !strings.EqualFold(s.From, l.from):
		from := language.Same(s.From)
		if s.From == "" {
			from = say("不明", "nobody")
		}
		l.find(id, Error, "seed-other", from, l.from)
		return
	case len(s.Signatures) == 0:
		l.find(id, Error, "seed-unsigned")
		return
	}
	var stands, others []string
	rsa := false
	for _, x := range s.Signatures {
		switch {
		case x.Problem == "" && l.aligned(x.Domain, l.adkim):
			stands = append(stands, x.Algorithm+" d="+x.Domain+" s="+x.Selector)
			rsa = rsa || strings.HasPrefix(x.Algorithm, "rsa-")
		case x.Problem == "":
			others = append(others, x.Domain)
		}
	}
	for _, x := range s.Signatures {
		level := Error // with nothing that stands, all of it is in the way
		if rsa {
			level = Warning
		}
		switch {
		case x.Unasked:
			l.find(id, level, "seed-unasked", x.Domain, x.Selector)
		case x.Problem != "":
			l.find(id, level, "seed-broken", x.Domain, x.Selector, x.Algorithm, x.Problem)
		}
	}
	switch {
	case rsa:
		l.find(id, Well, "seed-signed", l.from, strings.Join(stands, "; "))
	case len(stands) > 0:
		l.find(id, Error, "seed-ed25519")
	case len(others) > 0:
		l.find(id, Error, "seed-unaligned", strings.Join(others, ", "), l.from)
	}
}

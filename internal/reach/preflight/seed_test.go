package preflight

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/foxcpp/go-mockdns"
)

const plainMail = "From: Notices <notice@example.jp>\r\nTo: back+seed-x@bounce.example.jp\r\nSubject: a try\r\nMessage-ID: <m.1@example.jp>\r\n\r\nThis is it.\r\n"

// signedMail is a mail as a relay would send it, signed by keys of a domain.
func signedMail(t *testing.T, m, domain string, keys map[string]crypto.Signer) string {
	t.Helper()
	for _, selector := range []string{"ed", "s1"} {
		if keys[selector] == nil {
			continue
		}
		var out bytes.Buffer
		err := dkim.Sign(&out, strings.NewReader(m), &dkim.SignOptions{Domain: domain, Selector: selector, Signer: keys[selector], Hash: crypto.SHA256,
			HeaderKeys: []string{"From", "To", "Subject", "Message-ID"}, HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed})
		if err != nil {
			t.Fatal(err)
		}
		m = out.String()
	}
	return m
}

// The signature of the mail that came back is verified by us, over the mail as it came, with the keys that DNS has: what a server on the way
// says of it in Authentication-Results is not believed.
func TestSeedSignature(t *testing.T) {
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	both := map[string]crypto.Signer{"s1": signing, "ed": ed}
	good := signedMail(t, plainMail, "example.jp", both)
	onWay := "Return-Path: <>\r\nAuthentication-Results: mx.example.jp; dkim=pass header.d=example.jp\r\nReceived: from a by b; Mon, 30 Nov 2026 12:00:00 +0000\r\n"
	fails := mockdns.Zone{Err: errors.New("SERVFAIL")}
	for _, c := range []struct {
		name, mail string
		zone       func(map[string]mockdns.Zone)
		want       []string // level, code
		strict     bool
	}{
		{name: "RSA and Ed25519", mail: onWay + good, want: []string{"ok seed-signed"}},
		{name: "as a mailbox has it", mail: "From back@example.jp Mon Nov 30 12:00:00 2026\n" + strings.ReplaceAll(onWay+good, "\r\n", "\n"), want: []string{"ok seed-signed"}},
		{name: "RSA alone", mail: signedMail(t, plainMail, "example.jp", map[string]crypto.Signer{"s1": signing}), want: []string{"ok seed-signed"}},
		{name: "Ed25519 alone", mail: signedMail(t, plainMail, "example.jp", map[string]crypto.Signer{"ed": ed}), want: []string{"error seed-ed25519"}},
		{name: "unsigned", mail: onWay + plainMail, want: []string{"error seed-unsigned"}},
		{name: "a text that was changed on the way", mail: strings.Replace(good, "This is it.", "This is it. [ad]", 1), want: []string{"error seed-broken", "error seed-broken"}},
		{name: "a header that was changed on the way", mail: strings.Replace(good, "Subject: a try", "Subject: [list] a try", 1), want: []string{"error seed-broken", "error seed-broken"}},
		{name: "another key in DNS", mail: good, zone: func(z map[string]mockdns.Zone) { z["s1._domainkey.example.jp."] = z["ed._domainkey.example.jp."] }, want: []string{"error seed-broken", "error seed-ed25519"}},
		{name: "a key that is gone", mail: good, zone: func(z map[string]mockdns.Zone) { delete(z, "ed._domainkey.example.jp.") }, want: []string{"warning seed-broken", "ok seed-signed"}},
		{name: "nobody answers for the keys", mail: good, zone: func(z map[string]mockdns.Zone) {
			z["s1._domainkey.example.jp."], z["ed._domainkey.example.jp."] = fails, fails
		}, want: []string{"error seed-unasked", "error seed-unasked"}},
		{name: "signed by another", mail: signedMail(t, plainMail, "relay.example", both), want: []string{"error seed-unaligned"}},
		{name: "signed by a domain below", mail: signedMail(t, plainMail, "mail.example.jp", both), want: []string{"ok seed-signed"}},
		{name: "signed by a domain below, strictly", mail: signedMail(t, plainMail, "mail.example.jp", both), strict: true, want: []string{"error seed-unaligned"}},
		{name: "from another", mail: signedMail(t, strings.Replace(plainMail, "notice@example.jp", "me@other.example", 1), "example.jp", both), want: []string{"error seed-other"}},
		{name: "no mail", mail: "x", want: []string{"error seed-other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := well(t)
			w.zones["ed._domainkey.example.jp."] = mockdns.Zone{TXT: []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}}
			for _, domain := range []string{"relay.example.", "mail.example.jp."} {
				w.zones["s1._domainkey."+domain], w.zones["ed._domainkey."+domain] = w.zones["s1._domainkey.example.jp."], w.zones["ed._domainkey.example.jp."]
			}
			if c.strict {
				w.zones["_dmarc.example.jp."] = mockdns.Zone{TXT: []string{"v=DMARC1; p=none; adkim=s"}}
			}
			asked := map[string]mockdns.Zone{}
			for name, z := range w.zones {
				asked[name] = z
			}
			if c.zone != nil {
				c.zone(asked)
			}
			dns, err := mockdns.NewServerWithLogger(asked, log.New(io.Discard, "", 0), false)
			if err != nil {
				t.Fatal(err)
			}
			defer dns.Close()
			signed := Verify(t.Context(), dns.LocalAddr().String(), []byte(c.mail))
			w.o.Seed = func(context.Context) (Seed, error) {
				return Seed{now.Add(-time.Hour), now.Add(-time.Hour), &signed}, nil
			}
			var got []string
			for _, f := range w.run(t)["seed-dkim"] {
				got = append(got, f.Level+" "+f.Code)
			}
			if strings.Join(got, ", ") != strings.Join(c.want, ", ") {
				t.Errorf("%q, want %q; %+v", got, c.want, signed)
			}
		})
	}
}

// What came back and nobody looked at is not taken for signed.
func TestSeedUnverified(t *testing.T) {
	w := well(t)
	w.o.Seed = func(context.Context) (Seed, error) {
		return Seed{Sent: now.Add(-time.Hour), Back: now.Add(-time.Hour)}, nil
	}
	if found := w.run(t)["seed-dkim"]; len(found) != 1 || found[0].Level != Error || found[0].Code != "seed-unverified" {
		t.Errorf("%+v", found)
	}
}

// FuzzSigned reads whatever comes back as a mail: anybody may send it.
func FuzzSigned(f *testing.F) {
	f.Add([]byte(plainMail))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=example.jp; s=s1; h=from; bh=eA==; b=eA==\r\n" + plainMail))
	f.Fuzz(func(t *testing.T, m []byte) {
		s := Verify(t.Context(), "127.0.0.1:1", m)
		for _, x := range s.Signatures {
			if x.Problem == "" {
				t.Errorf("%q is signed", m)
			}
		}
		if len(s.Signatures) > maxSignatures {
			t.Errorf("%d signatures", len(s.Signatures))
		}
	})
}

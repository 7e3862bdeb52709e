package message

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// ErrKey says that a key cannot sign.
var ErrKey = errors.New("the key cannot sign mail")

// Signer signs mails with one key (RFC 6376; Ed25519: RFC 8463). It may be used by several goroutines.
//
// It is our own because a mail's parts are known here: one hash of a body serves all mails that have it and both signatures, and headers
// are written in the form in which they are signed. A library hashes, parses and sorts each mail anew, twice.
type Signer struct {
	algorithm string
	prefix    string // of the header, up to the time
	key       crypto.Signer
}

// NewSigner makes a signer of domain's selector with an RSA key of 2048 bits or more, or an Ed25519 key. Errors: ErrKey.
func NewSigner(domain, selector string, key crypto.Signer) (*Signer, error) {
	s := &Signer{key: key}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 || k.N.BitLen() > 4096 {
			return nil, fmt.Errorf("%w: it is RSA of %d bits, and receivers want 2048 to 4096", ErrKey, k.N.BitLen())
		}
		s.algorithm = "rsa-sha256"
	case ed25519.PrivateKey:
		s.algorithm = "ed25519-sha256"
	default:
		return nil, fmt.Errorf("%w: it is neither RSA nor Ed25519", ErrKey)
	}
	if !isName(domain) || !isName(selector) {
		return nil, fmt.Errorf("%w: its domain or selector is not as DNS has names", ErrKey)
	}
	s.prefix = "v=1; a=" + s.algorithm + "; c=relaxed/relaxed; d=" + domain + ";\r\n s=" + selector + "; t="
	return s, nil
}

// ParseKey reads a private key in PEM: PKCS #8, or PKCS #1 of RSA. The error repeats nothing of it.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: it is not in PEM", ErrKey)
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := k.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: it is no private key of PKCS #8", ErrKey)
	}
	return signer, nil
}

// Record is the text of the record in DNS by which receivers know a key, at SELECTOR._domainkey.DOMAIN (RFC 6376, section 3.6.1).
func Record(key crypto.Signer) (string, error) {
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), err
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k), nil
	}
	return "", ErrKey
}

func isName(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

// sign appends the signature's header to dst (RFC 6376, section 3.7).
func (s *Signer) sign(dst []byte, names, canonical string, bodyHash []byte, at time.Time) ([]byte, error) {
	value := s.prefix + strconv.FormatInt(at.Unix(), 10) + ";\r\n h=" + fold(names) + ";\r\n bh=" + base64.StdEncoding.EncodeToString(bodyHash) + ";\r\n b="
	signed := canonical + strings.TrimSuffix(relaxed("dkim-signature", value), "\r\n")
	sum := sha256.Sum256([]byte(signed))
	options := crypto.SignerOpts(crypto.SHA256)
	if s.algorithm == "ed25519-sha256" {
		options = crypto.Hash(0) // RFC 8463, section 3: PureEdDSA of the hash
	}
	sig, err := s.key.Sign(nil, sum[:], options)
	if err != nil {
		return dst, fmt.Errorf("sign: %w", err)
	}
	dst = append(append(dst, "DKIM-Signature: "...), value...)
	for b := base64.StdEncoding.EncodeToString(sig); b != ""; {
		n := min(len(b), 72)
		dst = append(dst, b[:n]...)
		if b = b[n:]; b != "" {
			dst = append(dst, "\r\n "...)
		}
	}
	return append(dst, "\r\n"...), nil
}

// fold breaks the list of names, which may have white space between them, so that no line is long.
func fold(names string) string {
	i := strings.Index(names, ":date")
	return names[:i+1] + "\r\n " + names[i+1:]
}

// Algorithm is how it signs, as the header names it.
func (s *Signer) Algorithm() string { return s.algorithm }

// SigningRate measures how many mails a second this machine can sign with some signers, on all its processors.
func SigningRate(signers []*Signer) float64 {
	begin := time.Now()
	const times = 3
	for range times {
		for _, s := range signers {
			s.sign(nil, "from:date", "from:x\r\n", []byte("measure"), begin)
		}
	}
	return times / time.Since(begin).Seconds() * float64(runtime.GOMAXPROCS(0))
}

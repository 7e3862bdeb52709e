package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// certificateVector is one of testdata/certificates.json: bytes, and whether they are a certificate.
type certificateVector struct {
	Name     string `json:"name"`
	Bytes    string `json:"bytes"`
	Valid    bool   `json:"valid"`
	Incident string `json:"incident,omitempty"` // that the subject stands for
	Salt     string `json:"salt,omitempty"`     // hex
}

func certificateVectors(t testing.TB) []certificateVector {
	t.Helper()
	b, err := os.ReadFile("testdata/certificates.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []certificateVector `json:"cases"`
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Cases) == 0 {
		t.Fatalf("%d vectors, %v", len(file.Cases), err)
	}
	return file.Cases
}

func TestCertificateVectors(t *testing.T) {
	all := certificateVectors(t)
	valid := 0
	for _, v := range all {
		c, err := ParseCertificate([]byte(v.Bytes))
		if (err == nil) != v.Valid || err != nil && !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if !v.Valid {
			continue
		}
		valid++
		if again, err := c.Bytes(); err != nil || string(again) != v.Bytes {
			t.Errorf("%s: %s, %v", v.Name, again, err)
		}
		if v.Salt != "" {
			salt := make([]byte, 16)
			for i := range salt {
				salt[i] = byte(i)
			}
			if CertificateSubject(salt, v.Incident) != c.Subject {
				t.Errorf("%s: the subject is %s", v.Name, CertificateSubject(salt, v.Incident))
			}
		}
	}
	if valid < 3 || len(all)-valid < 10 {
		t.Errorf("%d of %d are certificates", valid, len(all))
	}
}

func FuzzParseCertificate(f *testing.F) {
	for _, v := range certificateVectors(f) {
		f.Add([]byte(v.Bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCertificate(b)
		if err != nil {
			return
		}
		again, err := c.Bytes()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s became %s, %v", b, again, err)
		}
		if c.Outcome == OutcomeDestroyed && strings.Contains(string(b), `"what":"key-copies"}],"retained"`) {
			t.Error("destroyed, and a copy remains")
		}
		if c.V > 1 && c.Outcome == OutcomeRemoved && strings.Contains(string(b), `"what":"rosters"`) {
			t.Error("removed, and rosters are called gone")
		}
	})
}

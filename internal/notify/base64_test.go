package notify

import (
	"strings"
	"testing"

	"shirase/internal/reach/smtptest"
)

// TestBase64: texts of one length make mails of one length, to the byte, whatever is in them.
func TestBase64(t *testing.T) {
	var taken []int
	sink := &smtptest.Sink{Keep: true, Single: true, Taken: func(_ smtptest.Envelope, data []byte) { taken = append(taken, len(data)) }}
	address, err := sink.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	s := SMTP{Server: address, From: "notice@example.org", Security: "none", Base64: true}
	for i, text := range []string{strings.Repeat("含まれています=", 30), strings.Repeat("a", 21*30) + strings.Repeat(" ", 30)} {
		if i == 1 {
			text = text[:len("含まれています=")*30]
		}
		if err := s.Send(t.Context(), "one@example.com", "件名", text, "0123456789abcdef"); err != nil {
			t.Fatal(err)
		}
	}
	if len(taken) != 2 || taken[0] != taken[1] || taken[0] < 600 {
		t.Errorf("mails of %d bytes", taken)
	}
}

package returned

import (
	"bytes"
	"testing"

	"shirase/internal/reach/bounce"
)

// FuzzMessages parts whatever comes into messages: none is larger than is read, and nothing is made up or left out but quotes and
// separators.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("From a Thu Jul 18 22:00:00 2013\nSubject: a\n\n>From here\n\nFrom b\nSubject: b\n\nx"))
	f.Add([]byte("Subject: one message\n\nFrom the beginning\n"))
	f.Add([]byte("From "))
	f.Add([]byte("\n\nFrom a\n\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []byte
		n := 0
		messages(bytes.NewReader(b), bounce.MaxSize, func(m []byte, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			if len(m) > bounce.MaxSize {
				t.Fatalf("a message of %d bytes", len(m))
			}
			n++
			all = append(all, m...)
			return true
		})
		mbox := bytes.HasPrefix(b, []byte("From "))
		if !mbox && (n > 1 || len(b) <= bounce.MaxSize && !bytes.Equal(all, b)) {
			t.Fatalf("%d messages of %q: %q", n, b, all)
		}
		if len(all) > len(b) || n > bytes.Count(b, []byte("From "))+1 {
			t.Fatalf("%d messages of %q: %q", n, b, all)
		}
	})
}

package message

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Both signatures hold by Debian's OpenDKIM, which many receivers ask, and none after a change; that of RSA alone too.
func TestSignedForOpenDKIM(t *testing.T) {
	const program = "/usr/sbin/opendkim"
	if _, err := os.Stat(program); err != nil {
		t.Skip("opendkim is not installed: run ./test")
	}
	s, dns := signers(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var records strings.Builder
	for name, record := range dns {
		records.WriteString(name + " " + record + "\n")
	}
	config := write("opendkim.conf", []byte("Mode v\nCanonicalization relaxed/relaxed\nTestDNSData file:"+write("dns", []byte(records.String()))+"\n"))
	holding := func(raw []byte) int { // signatures
		out, err := exec.Command(program, "-x", config, "-v", "-v", "-t", write("mail", raw)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return bytes.Count(out, []byte("dkim=pass"))
	}
	for raw, want := range map[string]int{string(compose(t, "a..b@a.example", s...)): 2, string(compose(t, "a..b@a.example", s[:1]...)): 1, string(english(t, "taro@a.example", s...)): 2} {
		raw := []byte(raw)
		if n := holding(raw); n != want {
			t.Errorf("%d of %d hold", n, want)
		}
		if n := holding(bytes.Replace(raw, []byte("Message-ID: <m"), []byte("Message-ID: <n"), 1)); n != 0 {
			t.Errorf("%d hold of a mail that was changed", n)
		}
	}
}

package password

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// TestClients runs published clients of range APIs against this one, by changing a URL.
func TestClients(t *testing.T) {
	b := newBed(t)
	server := httptest.NewServer(b.h)
	defer server.Close()
	// Installed into a folder of the test's own, so that nothing is left in the tree.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/clients")); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(dir, "node_modules"))
	run := func(name string, args ...string) []byte {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, errs.String())
		}
		return out
	}
	run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
	var got map[string]any
	if err := json.Unmarshal(run("node", "clients.mjs", server.URL), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"seen": 12345.0, "padded": 12345.0, "unseen": 0.0, "suffix": true,
		"ntlm": map[string]any{"7EAEE8FB117AD06BDD830B7586C": 77.0}, "digits": badDigits, "format": badLength,
		"matched": []any{[]any{"pwned", 12345.0}}, "unmatched": false}
	want["range"] = float64(len(b.inRange(0x21BD1)))
	want["paddedRange"] = want["range"]
	for k, v := range want {
		if !reflect.DeepEqual(got[k], v) {
			t.Errorf("%s: %v, want %v", k, got[k], v)
		}
	}
}

// inRange gives the test's own records of a range.
func (b *bed) inRange(r uint32) (out []record) {
	for _, x := range b.records {
		if uint32(top([]byte(x.hash))>>rangeShift) == r {
			out = append(out, x)
		}
	}
	return out
}

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shirase/internal/config"
	"shirase/internal/password"
)

// TestServeAsSet: what the file of settings says reaches the server: its certificate, its limits, its log.
func TestServeAsSet(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	var errw strings.Builder
	if exit := run(t.Context(), []string{"init", "--data", data}, io.Discard, &errw); exit != exitDone {
		t.Fatal(errw.String())
	}
	certificateFiles(t, filepath.Join(data, "cert.pem"), filepath.Join(data, "key.pem"))
	write(t, filepath.Join(data, config.FileName), `# a server that is operated in a way of its own
listen: 127.0.0.1:0
tls: {certificateFile: cert.pem, keyFile: key.pem}
limits:
  archive:
    ipv4: 0.000001/s burst 1
log: {format: json, requests: true}
`)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	errw.Reset()
	go func() { ended <- run(ctx, []string{"serve", "--data", data, "--json"}, w, &errw) }()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	var said struct{ URL string }
	if err != nil || json.Unmarshal(line, &said) != nil || !strings.HasPrefix(said.URL, "https://127.0.0.1:") {
		t.Fatalf("%s, %v", line, err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for _, want := range []int{200, 429} {
		res, err := client.Get(said.URL + "/incidents?q=secret")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || res.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%d, want %d: %v", res.StatusCode, want, res.Header)
		}
	}
	stop()
	if exit := <-ended; exit != exitDone {
		t.Errorf("exit %d: %s", exit, errw.String())
	}
	var statuses []float64
	for _, l := range strings.Split(strings.TrimSpace(errw.String()), "\n") {
		var entry map[string]any
		if err := json.Unmarshal([]byte(l), &entry); err != nil || entry["msg"] != "request" || entry["route"] != "GET /incidents" {
			t.Errorf("a line of the log: %s", l)
		}
		status, _ := entry["status"].(float64)
		statuses = append(statuses, status)
	}
	if !slices.Equal(statuses, []float64{200, 429}) || strings.Contains(errw.String(), "secret") {
		t.Errorf("the log: %s", errw.String())
	}
}

// certificateFiles writes a certificate of 127.0.0.1 and its key.
func certificateFiles(t *testing.T, certFile, keyFile string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// TestFlagsHaveKeys: every flag that says how a server is operated is a setting, which the file and the environment may say
// too; and every flag that a setting names is there.
func TestFlagsHaveKeys(t *testing.T) {
	root := (&app{out: io.Discard, err: io.Discard}).root()
	others := []string{"help", "json", "config", "preview", "today"} // of what one run does
	said := map[string]bool{}
	for _, path := range [][]string{{"serve"}, {"password", "serve"}, {"init"}} {
		c, _, err := root.Find(path)
		if err != nil || c.Name() != path[len(path)-1] {
			t.Fatalf("%v: %v", path, err)
		}
		visit := func(f *pflag.Flag) {
			s, ok := f.Value.(*settingFlag)
			switch {
			case ok:
				said[s.key.Name+" --"+f.Name] = true
			case path[0] != "init" && !slices.Contains(others, f.Name):
				t.Errorf("%v: --%s is no setting", path, f.Name)
			}
		}
		c.Flags().VisitAll(visit)
		c.InheritedFlags().VisitAll(visit)
	}
	for _, k := range config.Keys() {
		if k.Flag != "" && !said[k.Name+" --"+k.Flag] {
			t.Errorf("%s: there is no --%s", k.Name, k.Flag)
		}
	}
	k, _ := config.Find("passwords.maxAge")
	if config.Default().Operation.Passwords.MaxAge != password.DefaultMaxAge || k.Set(config.Default(), password.MaxMaxAge.String()) != nil || k.Set(config.Default(), (password.MaxMaxAge+1).String()) == nil {
		t.Error("the setting and the room have other ideas of how long ranges may be cached")
	}
	if cobra.EnablePrefixMatching {
		t.Error("a flag may be shortened")
	}
}

// TestMistakesInTheWay: a file with a mistake is in the way of every command that opens the data folder, and of none that
// does not.
func TestMistakesInTheWay(t *testing.T) {
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "f.yaml")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, config.FileName), "listn: x\n")
	write(t, file, "{}\n")
	for _, c := range []struct {
		args string
		want int
	}{
		{"init", exitUsage}, {"serve", exitUsage}, {"config show", exitUsage}, {"ledger verify", exitUsage}, {"publish x", exitUsage}, {"password top", exitUsage}, {"demo", exitUsage},
		{"config set listen 127.0.0.1:1", exitFailed}, {"config check", exitFailed}, // there is no instance, and they look at it
		{"version", exitDone}, {"config example", exitDone}, {"config check " + file, exitDone}, {"completion bash", exitDone},
	} {
		var errw strings.Builder
		if exit := run(t.Context(), append(strings.Fields(c.args), "--data", data), io.Discard, &errw); exit != c.want {
			t.Errorf("%s: exit %d, want %d: %s", c.args, exit, c.want, errw.String())
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("something was made: %v, %v", entries, err)
	}
}

// Command spam has Debian's rspamd say what it holds of a campaign's mails, in Japanese and in English. It has what the sender's domain publishes
// from a name server of this process; what asks the internet is off, and so nothing is said of the reputation of anybody's address.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"shirase/bench/figure"
	"shirase/bench/mail"
	"shirase/internal/language"
)

// asking are rspamd's modules that ask somebody else than the sender's own records.
var asking = []string{"rbl", "fuzzy_check", "phishing", "asn", "mx_check", "reputation", "url_redirector", "neural", "history_redis", "greylist", "ratelimit", "replies", "multimap", "dmarc_report", "clickhouse",
	"elastic", "dcc", "p0f", "external_services", "antivirus", "clustering", "bimi", "known_senders", "http_headers", "aws_s3"}

const (
	program = "/usr/bin/rspamd"
	domain  = "shop.example"
	host    = "mail.shop.example" // from which its mail comes
)

var from4 = [4]byte{192, 0, 2, 25}

func main() {
	o := figure.Parse()
	if _, err := os.Stat(program); err != nil {
		fmt.Fprintln(os.Stderr, "spam: rspamd is not installed (Debian's package rspamd)")
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	made, err := mail.Make(ctx)
	figure.Check(err)
	records := maps.Clone(made.Records)
	records[domain] = "v=spf1 ip4:192.0.2.25 -all"
	records["_dmarc.shop.example"] = "v=DMARC1; p=reject"
	names, err := serve(records)
	figure.Check(err)
	at, end, err := start(ctx, names)
	figure.Check(err)
	ok := compare(o, at, made)
	end()
	if !ok {
		os.Exit(1)
	}
}

// compare has both mails read. It reports whether what the sender's domain publishes was found to hold.
func compare(o figure.Options, at string, made *mail.Made) bool {
	for _, lang := range []language.Lang{language.JA, language.EN} {
		r, err := ask(at, made.Mails[lang])
		figure.Check(err)
		o.Print(figure.Figure{Name: "rspamd's score of the mail in " + string(lang), Value: r.Score, Unit: "points", Goal: fmt.Sprintf("<= %g", r.Header)})
		if !o.JSON {
			for _, name := range slices.Sorted(maps.Keys(r.Symbols)) {
				if s := r.Symbols[name]; s.Score != 0 {
					fmt.Printf("    %-24s %6.2f  %s\n", name, s.Score, s.Description)
				}
			}
		}
		if _, ok := r.Symbols["DMARC_POLICY_ALLOW"]; !ok {
			fmt.Fprintf(os.Stderr, "spam: it finds no DMARC that holds: %v\n", slices.Sorted(maps.Keys(r.Symbols)))
			return false
		}
	}
	return true
}

// serve answers questions for what a domain that sends mail publishes: its host, where its mail goes, and texts.
func serve(records map[string]string) (address string, err error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(buf[:n]) != nil || len(q.Questions) != 1 {
				continue
			}
			a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
			asked := q.Questions[0]
			name := strings.ToLower(strings.TrimSuffix(asked.Name.String(), "."))
			head := dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET, TTL: 60}
			text, ok := records[name]
			switch {
			case name == host && asked.Type == dnsmessage.TypeA:
				a.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: from4}}}
			case name == domain && asked.Type == dnsmessage.TypeMX:
				a.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(host + ".")}}}
			case !ok && name != host:
				a.RCode = dnsmessage.RCodeNameError
			case ok && asked.Type == dnsmessage.TypeTXT:
				var parts []string
				for part := range slices.Chunk([]byte(text), 255) {
					parts = append(parts, string(part))
				}
				a.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.TXTResource{TXT: parts}}}
			}
			if b, err := a.Pack(); err == nil {
				c.WriteTo(b, from)
			}
		}
	}()
	return c.LocalAddr().String(), nil
}

// start runs rspamd with Debian's own rules until end is called, and gives where it is asked.
func start(ctx context.Context, names string) (at string, end func(), err error) {
	dir, err := os.MkdirTemp("", "shirase-spam")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	at = l.Addr().String()
	l.Close()
	config := map[string]string{
		"worker-normal.inc":     "bind_socket = \"" + at + "\";\ncount = 1;\n",
		"worker-controller.inc": "enabled = false;\n", "worker-proxy.inc": "enabled = false;\n", "worker-fuzzy.inc": "enabled = false;\n",
		"logging.inc": "type = \"console\";\nlevel = \"error\";\n",
		"options.inc": "dns { nameserver = [\"" + names + "\"]; }\nfilters = \"chartable,dkim,regexp\";\ndisable_hyperscan = true;\n",
	}
	for _, m := range asking {
		config[m+".conf"] = "enabled = false;\n"
	}
	local := filepath.Join(dir, "local.d")
	for _, d := range []string{local, filepath.Join(dir, "override.d"), filepath.Join(dir, "maps.d")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", nil, err
		}
	}
	for name, text := range config {
		if err := os.WriteFile(filepath.Join(local, name), []byte(text), 0o644); err != nil {
			return "", nil, err
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil { // it gives up being root
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, "-f", "-i", "-c", "/etc/rspamd/rspamd.conf", "--var=LOCAL_CONFDIR="+dir, "--var=DBDIR="+dir, "--var=RUNDIR="+dir, "--var=LOGDIR="+dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, err
	}
	stop := func() {
		cancel()
		cmd.Wait() // it was interrupted: that is no error of this
		os.RemoveAll(dir)
	}
	for begin := time.Now(); time.Since(begin) < 5*time.Minute; time.Sleep(100 * time.Millisecond) {
		if res, err := http.Get("http://" + at + "/ping"); err == nil {
			res.Body.Close()
			return at, stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("rspamd does not answer: %s", &said)
}

type result struct {
	Score      float64
	Action     string
	Thresholds map[string]float64
	Symbols    map[string]struct {
		Score       float64
		Description string
	}
	Header float64 `json:"-"` // from where on a mail is marked
}

func ask(at string, raw []byte) (*result, error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+at+"/checkv2", bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	for k, v := range map[string]string{"From": "back+token@shop.example", "Rcpt": "you@mail.example", "IP": "192.0.2.25", "Helo": host, "Hostname": host, "User-Agent": "shirase"} {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	var r result
	if err := json.Unmarshal(b, &r); err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("rspamd answers %d: %s", res.StatusCode, b)
	}
	if r.Header = r.Thresholds["add header"]; r.Header == 0 {
		r.Header = 6
	}
	return &r, nil
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foxcpp/go-mockdns"

	"shirase/internal/reach/preflight"
	"shirase/internal/serve"
)

// TestBounces has mail come back to a seed's address, by file and by the server's listener, and a person suppressed by hand; and the
// doctor says of mail's DNS what the preflight does.
func TestBounces(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	dns, err := mockdns.NewServerWithLogger(map[string]mockdns.Zone{
		"example.jp.":                  {TXT: []string{"v=spf1 ip4:192.0.2.20 -all"}, MX: []net.MX{{Host: "mx.example.jp.", Pref: 10}}},
		"bounce.example.jp.":           {TXT: []string{"v=spf1 ip4:192.0.2.20 -all"}, MX: []net.MX{{Host: "mx.example.jp.", Pref: 10}}},
		"mx.example.jp.":               {A: []string{"192.0.2.30"}},
		"out.example.jp.":              {A: []string{"192.0.2.20"}},
		"20.2.0.192.in-addr.arpa.":     {PTR: []string{"out.example.jp."}},
		"s2026._domainkey.example.jp.": {TXT: []string{"v=DKIM1; p="}},
	}, log.New(io.Discard, "", 0), false)
	if err != nil {
		t.Fatal(err)
	}
	defer dns.Close()
	ok := func(args ...string) string {
		t.Helper()
		var out, errw strings.Builder
		if exit := run(t.Context(), append(args, "--data", data), &out, &errw); exit != exitDone {
			t.Fatalf("%v: exit %d: %s%s", args, exit, out.String(), errw.String())
		}
		return out.String()
	}
	for k, v := range map[string]string{"returns.address": "back@bounce.example.jp", "mail.from": "notice@example.jp", "mail.sending": "192.0.2.20", "mail.dkim": "s2026", "dns.server": dns.LocalAddr().String()} {
		ok("config", "set", k, v)
	}
	var seed struct{ Address string }
	if err := json.Unmarshal([]byte(ok("bounces", "seed", "--json")), &seed); err != nil {
		t.Fatal(err)
	}
	mail := filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(mail, []byte("From: notice@example.jp\nTo: "+seed.Address+"\nSubject: a try\n\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var sum map[string]any
	for _, known := range []float64{0, 1} {
		if err := json.Unmarshal([]byte(ok("bounces", "ingest", mail, "--json")), &sum); err != nil {
			t.Fatal(err)
		}
		if sum["read"] != 1.0 || sum["matched"] != 1-known || sum["known"] != known || sum["unmatched"] != 0.0 || sum["states"] == nil {
			t.Errorf("%v", sum)
		}
	}
	ok("bounces", "suppress", "shop-2026", "Hanako@example.jp", "--for", "48h", "--note", "asked")
	if out := ok("bounces", "list", "shop-2026"); !strings.Contains(out, "hanako@example.jp") || !strings.Contains(out, "by-hand") {
		t.Error(out)
	}
	if out, exit := runIn(t, "bounces", "ingest", mail+".none", "--data", data); exit != exitFailed || !strings.Contains(out, "hint:") {
		t.Errorf("exit %d: %s", exit, out)
	}

	var errw, out strings.Builder
	exit := run(t.Context(), []string{"bounces", "preflight", "--json", "--data", data}, &out, &errw)
	var said struct {
		Ready    bool
		Findings []preflightRow
	}
	if err := json.Unmarshal([]byte(out.String()), &said); err != nil || exit != exitFailed || said.Ready {
		t.Fatalf("exit %d, %v: %s%s", exit, err, out.String(), errw.String())
	}
	levels := map[string]string{}
	for _, f := range said.Findings {
		levels[f.ID] = f.Level
	}
	for id, level := range map[string]string{"relay": preflight.Error, "spf": preflight.Well, "dkim": preflight.Error, "dmarc": preflight.Error, "ptr": preflight.Well, "return": preflight.Well, "seed": preflight.Well, "seed-dkim": preflight.Error} {
		if levels[id] != level {
			t.Errorf("%s is %q, want %q", id, levels[id], level)
		}
	}
	for _, f := range said.Findings {
		if f.What == "" || f.WhatJA == f.What || f.Level == preflight.Error && (f.Remedy == "" || f.RemedyJA == "") {
			t.Errorf("%+v", f)
		}
	}
	t.Setenv("LC_ALL", "ja_JP.UTF-8")
	for _, command := range [][]string{{"bounces", "preflight"}, {"doctor", "--quick"}} {
		out.Reset()
		if exit := run(t.Context(), append(command, "--data", data), &out, &errw); exit != exitFailed || !strings.Contains(out.String(), "戻ってきたメールに、DKIMの署名がありません") || strings.Contains(out.String(), "has no DKIM signature") {
			t.Errorf("%v: exit %d, %s", command, exit, out.String())
		}
	}
	t.Setenv("LC_ALL", "C.UTF-8")
	out.Reset()
	if exit := run(t.Context(), []string{"doctor", "--quick", "--data", data}, &out, &errw); exit != exitFailed {
		t.Errorf("exit %d", exit)
	}
	for _, line := range []string{"error mail-relay: ", "error mail-dkim: ", "error mail-dmarc: "} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("doctor does not say %q: %s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "mail-spf") {
		t.Errorf("doctor tells what is well: %s", out.String())
	}
}

// TestReturnsListened: a server takes in what comes back to a token, and nothing else.
func TestReturnsListened(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	a := &app{out: io.Discard, err: io.Discard}
	if err := a.root().PersistentFlags().Set("data", data); err != nil {
		t.Fatal(err)
	}
	in, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	r := &a.op().Returns
	r.Listen, r.LMTP = "127.0.0.1:0", false
	server := serve.New(serve.Options{Log: in.log})
	if err := a.listenForReturned(t.Context(), in, server); err == nil || !strings.Contains(err.Error(), "returns.address") {
		t.Fatalf("without an address: %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.Listen = free.Addr().String()
	free.Close()
	r.Address = "back@bounce.example.jp"
	ctx := t.Context()
	if err := a.listenForReturned(ctx, in, server); err != nil {
		t.Fatal(err)
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { ended <- server.Run(runCtx, web, func(string) error { return nil }) }()
	c, err := smtp.Dial(r.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(""); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("somebody@bounce.example.jp"); err == nil {
		t.Error("anything is taken in")
	}
	c.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

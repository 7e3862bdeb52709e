package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"shirase/internal/store"
)

// TestDeskCommands tries every command of cases, staff, proposals, messages, the gate and the inbox on what is not there: it says so, ends with 1, and leaves
// the records as they were. A command that is not in the table is a mistake, and so is one that approves.
func TestDeskCommands(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	data := filepath.Join(t.TempDir(), "data")
	command := func(args ...string) (string, int) {
		t.Helper()
		var out strings.Builder
		exit := run(t.Context(), append(args, "--data", data), &out, &out)
		return out.String(), exit
	}
	file := filepath.Join(t.TempDir(), "lines.log")
	write(t, file, "2026-08-20T10:00:00+09:00 x\n")
	out := filepath.Join(t.TempDir(), "out")
	for _, args := range [][]string{{"init"}, {"case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "shop"}} {
		if said, exit := command(args...); exit != exitDone {
			t.Fatalf("%v: %s", args, said)
		}
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "shirase.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows := func() (n int64) {
		t.Helper()
		for _, table := range []string{"response_entry", "response_case", "response_evidence", "staff_account", "staff_invitation", "staff_log", "proposal", "collect_item", "collect_act", "collect_source"} {
			var each int64
			if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&each); err != nil {
				if table == "proposal" || strings.HasPrefix(table, "collect_") { // nothing has opened it yet
					continue
				}
				t.Fatal(err)
			}
			n += each
		}
		return n
	}
	const at = "2026-08-20T10:00+09:00"
	// What each is tried with; nil where it is of nothing that could be missing, and is tried elsewhere.
	table := map[string][]string{
		"case declare": nil, "case list": nil, "case head": nil, "case playbook list": nil, "case playbook check": {file + "x"}, "case playbook show": {"none"},
		"case show": {"none"}, "case board": {"none"}, "case next": {"none"}, "case clocks": {"none"}, "case done": {"none", "jp-appi-sokuho"}, "case regime": {"none", "jp-appi"}, "case start": {"none", "materiality", at},
		"case know": {"none", "wrongful"}, "case ask": {"none", "--question", "q"}, "case decide": {"none", "--question", "q", "--decision", "d"}, "case event": {"none", "--at", at, "--text", "x"},
		"case report": {"none", "--at", at, "--from", "customer", "--text", "x"}, "case triage": {"none", "1", "yes"}, "case paste": {"none", file, "--source", "x"}, "case candidates": {"none"},
		"case pass": {"none", "1.1"}, "case task": {"none", "--title", "x"}, "case hand": {"none", "1", "--to", "x"}, "case note": {"none", "x"}, "case promise": {"none", "--until", "2030-01-01T00:00+09:00"},
		"case appoint": {"none", "x"}, "case verify": {"none"}, "case export": {"none", out}, "case veris": {"none"}, "case close": {"none", "--why", "x"},
		"case closing": {"none"}, "case prevention": {"none", "--title", "x"}, "case lesson": {"none", "--text", "x"}, "case hold": {"none", "--why", "x"}, "case retained": {"none"}, "case certificate": {"none"},
		"case evidence add": {"none", file}, "case evidence list": {"none"}, "case evidence export": {"none", "1", out}, "case evidence verify": {"none"}, "case evidence hand": {"none", "1", "--to", "x"},
		"case party put": {"none", "acme", "--name", "A", "--kind", "client"}, "case party told": {"none", "acme", "--what", "x"}, "case party list": {"none"}, "case party export": {"none", "acme", out},
		"case document": {"ppc-sokuho", "none"}, "case state": {"none", "prevention", "x"}, "case sent": {"none", "ppc-sokuho", "--to", "x"},
		"staff list": nil, "staff log": nil, "staff invite": {"x", "--role", "none"}, "staff recover": {"none"}, "staff roles": {"none", "--role", "writer"}, "staff remove": {"none"}, "staff access": {"none", "shop", "read"},
		"proposal list": nil, "proposal show": {"v-none"}, "proposal withdraw": {"v-none", "--why", "x"}, "proposal rule": nil,
		"gate status": nil, "gate block": {"none", "--accounts", "reset", "--url", "https://example.jp/reset", "--why", "x"}, "gate open": {"none", "--route", "none", "--why", "x"}, "gate lift": {"none", "--why", "x"}, "gate token": {"none", "--end"},
		"reset announce": {"none", "--for", "2030-01-01T00:00+09:00"}, "reset open": {"none"}, "reset close": {"none"}, "reset lift": {"none"}, "reset status": {"none"}, "reset force": {"none"}, "reset pause": {"none"}, "reset resume": {"none"},
		"reset uncertain": {"none"}, "watch-logins": {file, "--case", "none", "--since", at},
		"inbox list": nil, "inbox show": {"i-none"}, "inbox accept": {"i-none", "--yes"}, "inbox ignore": {"i-none"}, "inbox merge": {"i-none", "i-none"}, "inbox split": {"i-none"}, "inbox undo": {"i-none"}, "inbox labels": nil,
		"source list": nil, "source add": {file}, "source end": {"s-none"}, "source run": nil,
		"watch status": nil, "watch domains": nil, "watch end": {"none"}, "watch uncertain": nil, "spread list": {"none"}, "spread decide": {"none", "p-none", "confirmed"},
		"enquiry open": {"none"}, "enquiry close": {"none"}, "enquiry list": {"none"}, "enquiry show": {"none", "e"}, "enquiry record": {"none"}, "enquiry assign": {"none", "e", "--topic", "data"}, "enquiry move": {"none", "e", "closed"},
		"enquiry answer": {"none", "e", "--canned", "x"}, "enquiry merge": {"none", "e", "f"}, "enquiry canned list": {"none"}, "enquiry canned put": {"none", file}, "enquiry canned publish": {"none", "x"},
		"enquiry topics": {"none"}, "enquiry many": {"none", "--canned", "x", "--topic", "data"}, "enquiry correct": {"none"}, "enquiry send": {"none", "b"}, "enquiry uncertain": {"none"}, "enquiry script": {"none"},
		"enquiry staffing": {"none"}, "enquiry ingest": {file + "x"}, "enquiry export": {"none"},
		"notify hook add": {"ftp://x"}, "notify hook list": nil, "notify hook end": {"none"}, "notify mail": nil, "notify test": nil, "notify log": nil,
	}
	a := &app{out: io.Discard, err: io.Discard}
	seen := map[string]bool{}
	var leaves func(c *cobra.Command, name string)
	leaves = func(c *cobra.Command, name string) {
		if c.HasSubCommands() {
			for _, sub := range c.Commands() {
				leaves(sub, name+" "+sub.Name())
			}
			return
		}
		seen[name] = true
		if strings.Contains(name, "approve") {
			t.Errorf("%s: nobody approves on the command line", name)
		}
		args, listed := table[name]
		if !listed {
			t.Errorf("%s: nobody has said what it does with what is not there", name)
		}
		if args == nil {
			return
		}
		before := rows()
		said, exit := command(append(strings.Fields(name), args...)...)
		if exit == exitDone || strings.TrimSpace(said) == "" || strings.Contains(said, "panic") {
			t.Errorf("%s %v: exit %d: %s", name, args, exit, said)
		}
		if args[0] == "none" && strings.HasPrefix(name, "case ") && !strings.Contains(said, "no such") && !strings.Contains(said, "there is no") {
			t.Errorf("%s: of a case that is not there: %s", name, said)
		}
		if now := rows(); now != before {
			t.Errorf("%s %v: %d rows became %d", name, args, before, now)
		}
	}
	for _, c := range []*cobra.Command{a.cmdCase(), a.cmdStaff(), a.cmdProposal(), a.cmdNotify(), a.cmdGate(), a.cmdReset(), a.cmdInbox(), a.cmdSource(), a.cmdWatch(), a.cmdSpread(), a.cmdEnquiry(), a.cmdWatchLogins()} {
		leaves(c, c.Name())
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("%s is not there any more", name)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
	"shirase/internal/watchers"
)

// Those who watch, and are in both cases of a world: one is told once a day, one at once.
const watchesDaily, watchesNow = "watcher.daily@example.com", "watcher.now@example.com"

// watched has two people who watch be told that they are in both cases: one waits for the day's mail, and one is tried again. The function that it
// gives has the latter's mail leave. Times are fixed: nobody's day begins meanwhile.
func (w *shredWorld) watched(t *testing.T, first, other string) (leaves func()) {
	now, later := time.Date(2026, 9, 1, 3, 0, 0, 0, time.UTC), true
	sink := &smtptest.Sink{Answer: func(command string, _ smtptest.Envelope) string {
		if later && strings.HasPrefix(command, "RCPT") {
			return "451 4.3.0 later"
		}
		return ""
	}}
	relay, err := sink.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.Close)
	turn := func(standing bool) {
		t.Helper()
		_, in := opened(t, w.data)
		defer in.close()
		rooms := watchers.Rooms{DB: in.db, Keys: in.keys, Rosters: in.rosters, URL: "https://notice.example", Now: func() time.Time { return now },
			Mailer: watchers.Mailer{Relays: []smtp.Relay{{Address: relay, Security: smtp.None}}, From: message.Address{Addr: "notice@example.jp"}},
			About:  func(context.Context, string) (watchers.About, bool, error) { return watchers.About{}, true, nil },
			Public: func(ctx context.Context) (out []watchers.Standing, err error) {
				for _, id := range []string{first, other} {
					if !standing {
						continue
					}
					r, err := in.rosters.Latest(ctx, id)
					if err != nil {
						return nil, err
					}
					out = append(out, watchers.Standing{Incident: id, State: "final", Scope: r.ID, Roster: r.ID})
				}
				return out, nil
			}}
		room := must(watchers.New(t.Context(), rooms))(t)
		if !standing {
			if err := errors.Join(room.Add(t.Context(), watchers.Choice{Lang: language.JA, Digest: true}, watchesDaily), room.Add(t.Context(), watchers.Choice{Lang: language.EN}, watchesNow)); err != nil {
				t.Fatal(err)
			}
		}
		if err := room.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	turn(false)
	turn(true)
	return func() {
		later, now = false, now.Add(2*time.Hour)
		turn(true)
		_, in := opened(t, w.data)
		defer in.close()
		var waits, left int
		if err := in.db.QueryRowContext(t.Context(), `SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'handed-over') FROM watchers_mail WHERE kind = 'in'`).Scan(&waits, &left); err != nil || waits != 2 || left != 3 { // two of both cases, and one more of the first
			t.Fatalf("%d wait and %d left, %v", waits, left, err)
		}
	}
}

// joined is a row of watchers_mail, and whose it is known to be.
type joined struct {
	incident, state, mail, told string
	tag, whom                   []byte
	n, due, tries               int64
	who                         string
}

// members gives who is known to have been told that they were in a case, by whoever joins what the room of those who watch keeps: in the database, and in
// every backup's, with each key that is there.
func (h *thief) members(url string, folders []string, of string) (out []string) {
	read := 0
	in := func(where string, people, mail []map[string]any) {
		read++
		for who, how := range h.join(people, mail, of) {
			out = append(out, fmt.Sprintf("%s was in %s, by %s of %s", who, of, how, where))
		}
	}
	sqlOf := func(where, url string) {
		db, err := store.Open(h.t.Context(), url)
		if err != nil {
			h.t.Fatal(err)
		}
		defer db.Close()
		in(where, rowsOf(h.t, db, "watchers_person"), rowsOf(h.t, db, "watchers_mail"))
	}
	sqlOf("the database", url)
	for _, folder := range folders {
		if err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || filepath.Base(path) == "shirase.db" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			switch {
			case bytes.HasPrefix(b, []byte("SQLite format 3\x00")):
				at := filepath.Join(h.t.TempDir(), "copy.db")
				if err := os.WriteFile(at, b, 0o600); err != nil {
					return err
				}
				sqlOf(filepath.Base(folder), "sqlite:"+at)
			case bytes.HasPrefix(b, []byte("PGDMP")):
				cmd := exec.Command("pg_restore", "-f", "-")
				cmd.Stdin = bytes.NewReader(b)
				text, err := cmd.Output()
				if err != nil {
					return err
				}
				in(filepath.Base(folder), dumped(string(text), "watchers_person"), dumped(string(text), "watchers_mail"))
			}
			return nil
		}); err != nil {
			h.t.Fatal(err)
		}
	}
	if read < 4 {
		h.t.Errorf("only %d databases were read", read)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rowsOf reads a table.
func rowsOf(t *testing.T, db *store.DB, name string) (out []map[string]any) {
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		m := map[string]any{}
		for i, c := range columns {
			if b, ok := row[i].(sql.RawBytes); ok {
				row[i] = bytes.Clone(b)
			}
			m[c] = row[i]
		}
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// dumped reads a table out of what pg_dump made of it.
func dumped(text, name string) (out []map[string]any) {
	m := regexp.MustCompile(`(?m)^COPY [^ ]*\b` + name + ` \(([^)]*)\) FROM stdin;\n`).FindStringSubmatchIndex(text)
	if m == nil {
		return nil
	}
	columns := strings.Split(text[m[2]:m[3]], ", ")
	rows, _, _ := strings.Cut(text[m[1]:], "\\.\n")
	for line := range strings.Lines(rows) {
		row := map[string]any{}
		for i, v := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			row[strings.Trim(columns[i], `"`)] = v
			if enc, is := strings.CutPrefix(v, `\\x`); is {
				b, _ := hex.DecodeString(enc)
				row[strings.Trim(columns[i], `"`)] = b
			} else if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				row[strings.Trim(columns[i], `"`)] = n
			}
		}
		out = append(out, row)
	}
	return out
}

func (h *thief) join(people, mail []map[string]any, of string) map[string]string {
	number := func(v any) int64 { n, _ := v.(int64); return n }
	text := func(v any) string { s, _ := v.(string); return s }
	value := func(v any) []byte { b, _ := v.([]byte); return b }
	addresses := map[int64]string{}
	for _, p := range people {
		for _, o := range h.opens {
			if a, err := o.sealer.Open(fmt.Sprintf("watchers_person %d", number(p["n"])), value(p["address"])); err == nil {
				addresses[number(p["n"])] = string(a)
			}
		}
	}
	var all []*joined
	for _, m := range mail {
		if text(m["kind"]) != "in" {
			continue
		}
		x := &joined{incident: text(m["incident"]), state: text(m["state"]), mail: text(m["mail"]), tag: value(m["tag"]), whom: value(m["whom"]), n: number(m["n"]), due: number(m["due"]), tries: number(m["tries"])}
		x.who = addresses[x.n]
		for _, o := range h.opens {
			if plain, err := o.sealer.Open("watchers_mail.whom", x.whom); err == nil && len(plain) >= 8 {
				x.who, x.told = addresses[int64(binary.BigEndian.Uint64(plain))], string(plain[8:])
			}
			for n, who := range addresses {
				if bytes.HasPrefix(o.sealer.Lookup("watchers told", binary.BigEndian.AppendUint64(nil, uint64(n))), x.tag) {
					x.who = who
				}
			}
		}
		all = append(all, x)
	}
	out := map[string]string{}
	tried := func(x *joined) bool { return x.tries > 0 || x.state != "waiting" }
	for _, x := range all {
		if x.incident != of {
			continue
		}
		if x.who != "" {
			out[x.who] = "what a row says"
		}
		for _, o := range all {
			switch {
			case o.incident == of || o.who == "":
			case x.mail != "" && (x.mail == o.mail || x.mail == o.told):
				out[o.who] = "the mail that told another case too"
			case x.due != 0 && x.due == o.due && tried(x) && tried(o): // the day's mail is due for all at one time
				out[o.who] = "the instant"
			}
		}
	}
	return out
}

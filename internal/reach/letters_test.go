package reach

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/text/encoding/japanese"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// household is a roster of people who have an address, a number, or both, and a list of where they live.
type household struct {
	*world
	house *age.X25519Identity
	list  string // of accounts, in evidence as number 7
	reads []string
}

const letterRules = `columns: {account: id, email: mail, phone: tel, locale: lang}
index: [email, phone]
phoneRegion: JP
sets:
  - {when: 'nick != ""', classes: [email, nickname]}
  - {classes: [email]}
`

// Person i of n: 0 mod 4 have both, 1 mod 4 an address, 2 mod 4 a number, 3 mod 4 an address that two accounts share with the one before.
func householdRows(n int) string {
	var b strings.Builder
	b.WriteString("id,mail,tel,nick,lang,郵便番号,住所,氏名\n")
	for i := range n {
		mail, tel := fmt.Sprintf("user%05d@a.example", i), fmt.Sprintf("090-%04d-%04d", 1200+i/10000, i%10000)
		switch i % 4 {
		case 1:
			tel = ""
		case 2:
			mail = ""
		case 3:
			mail, tel = fmt.Sprintf("user%05d@a.example", i-2), ""
		}
		fmt.Fprintf(&b, "A%d,%s,%s,%s,%s,100-%04d,東京都千代田区〜%d,例示 %d\n", i, mail, tel, strings.Repeat("n", i%2), []string{"ja", "en", ""}[i%3], i, i, i)
	}
	return b.String()
}

func newHousehold(t testing.TB, db *store.DB, n int, change func(*Rooms)) *household {
	t.Helper()
	h := &household{world: nothing(t), list: householdRows(n)}
	folder := t.TempDir()
	rooms, incidents, err := openRooms(t.Context(), db, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.fill(t.Context(), rooms, incidents, folder); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&rooms)
	}
	if h.Reach, err = New(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
	if h.house, err = age.GenerateX25519Identity(); err != nil {
		t.Fatal(err)
	}
	h.Accounts = h.accounts
	return h
}

func (h *household) accounts(_ context.Context, _ actor.Actor, _ string, evidence int64, why string) (io.ReadCloser, Listed, error) {
	h.reads = append(h.reads, why)
	if evidence != 7 {
		return nil, Listed{}, errors.New("there is no such list")
	}
	return io.NopCloser(strings.NewReader(h.list)), Listed{"list.csv", int64(len(h.list)), "00"}, nil
}

func (h *household) fill(ctx context.Context, rooms Rooms, incidents *incident.Incidents, folder string) error {
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	if err != nil {
		return err
	}
	if _, err := incidents.Create(ctx, actor.Operator(), file); err != nil {
		return err
	}
	export := filepath.Join(folder, "export.csv")
	if err := os.WriteFile(export, []byte(h.list), 0o600); err != nil {
		return err
	}
	rs, err := roster.ParseRules("rules.yaml", []byte(letterRules), incident.ClassWords())
	if err != nil {
		return err
	}
	_, err = rooms.Rosters.Create(ctx, actor.Operator(), "loss-2026", roster.Options{Export: export, Rules: rs, TempDir: folder})
	return err
}

// letters makes a draft of letters for whom another campaign did not reach.
func (h *household) letters(channel Channel, unreached string, change func(*Spec)) *Campaign {
	h.t.Helper()
	s := Spec{Incident: "loss-2026", Channel: channel, Unreached: unreached, Subject: language.Both("お詫び", "Notice"), Text: language.Both("# お詫び\n\n漏えいした項目は{{you.exposed}}です。\n", "# Notice\n\nOf you: {{you.exposed}}.\n")}
	if change != nil {
		change(&s)
	}
	c, err := h.Create(h.t.Context(), actor.Operator(), s, Rates{}, time.Time{})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *household) asked(c *Campaign) AskedExport {
	return AskedExport{Campaign: c.ID, House: "例示印刷", Recipients: []string{h.house.Recipient().String()}, Purpose: "お詫びの郵送", DestroyBy: h.Now().AddDate(0, 0, 30).Format(time.DateOnly),
		Evidence: 7, By: "account", Key: "id", Columns: []string{"郵便番号", "住所", "氏名"}, Texts: true}
}

func (h *household) made(a AskedExport) *Export {
	h.t.Helper()
	x, err := h.StartExport(h.t.Context(), actor.Operator(), "loss-2026", a)
	if err != nil {
		h.t.Fatal(err)
	}
	return x
}

// opened gives what the house reads, having been handed the file.
func (h *household) opened(id string) (*Export, [][]string, []byte) {
	h.t.Helper()
	x, f, err := h.HandOver(h.t.Context(), actor.Operator(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	sealed := must(io.ReadAll(io.NewSectionReader(f, 0, f.Size())))(h.t)
	sum := sha256.Sum256(sealed)
	if hex.EncodeToString(sum[:]) != x.Manifest.SealedSHA256 || int64(len(sealed)) != x.Manifest.SealedBytes {
		h.t.Error("the sealed bytes are not those of the manifest")
	}
	plain := must(io.ReadAll(must(age.Decrypt(bytes.NewReader(sealed), h.house))(h.t)))(h.t)
	sum = sha256.Sum256(plain)
	if hex.EncodeToString(sum[:]) != x.Manifest.PlainSHA256 || int64(len(plain)) != x.Manifest.PlainBytes {
		h.t.Error("the plain bytes are not those of the manifest")
	}
	text := plain
	if x.Manifest.Encoding == "shift_jis" {
		text = must(japanese.ShiftJIS.NewDecoder().Bytes(plain))(h.t)
	}
	rows := must(csv.NewReader(bytes.NewReader(text)).ReadAll())(h.t)
	if int64(len(rows)-1) != x.Manifest.Rows || !slices.Equal(rows[0], x.Manifest.Columns) {
		h.t.Errorf("%d rows, %v", len(rows), rows[0])
	}
	return x, rows[1:], plain
}

// mailed is a campaign of mail of which some were refused: those whose number is a multiple of bad.
func (h *household) mailed(bad int) *Campaign {
	h.t.Helper()
	c := h.draft(nil, Rates{})
	h.decide(c.ID, Done, func(i int) State {
		if i%bad == 0 {
			return Bounced
		}
		return Accepted
	})
	return c
}

// decide has a campaign have run, and its recipients stand as they are told.
func (h *household) decide(id string, life Life, state func(i int) State) {
	h.t.Helper()
	if _, err := h.DB.ExecContext(h.t.Context(), `UPDATE reach_campaign SET state = $2, started_at = $3 WHERE id = $1`, id, string(life), store.Micros(h.Now())); err != nil {
		h.t.Fatal(err)
	}
	err := h.DB.Update(h.t.Context(), func(tx *sql.Tx) error {
		list, err := h.loadBlocks(h.t.Context(), tx, id, 0, 1000)
		i := 0
		for _, b := range list {
			for k := range b.size() {
				x := b.get(k)
				if x.state == outside {
					continue
				}
				if x.state = state(i); x.state == Bounced {
					x.reason = reasonOf("userunknown")
				}
				x.at = uint32(h.Now().Unix())
				b.set(k, x)
				i++
			}
			if err := b.save(h.t.Context(), tx, id); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func resultsOf(rows [][]string, outcome func(i int) string) string {
	var b strings.Builder
	b.WriteString("reference,outcome,date,reason\n")
	for i, r := range rows {
		if o := outcome(i); o != "" {
			b.WriteString(r[0] + "," + o + "\n")
		}
	}
	return b.String()
}

// From mail that came back to letters, what came of them, and what was done instead: each person is in one place, and all of them add up.
func TestLetters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const n = 1200
		h := newHousehold(t, db, n, nil)
		day := h.Now().UTC().Format(time.DateOnly)
		mail := h.mailed(3) // 600 addresses, of whom 200 came back
		c := h.letters(Post, mail.ID, nil)
		got := h.now(c.ID)
		// 200 whose mail came back, and 300 who have a number only; who has both is in one place.
		if got[Pending] != 500 || got.Total() != 500 {
			t.Fatalf("%v", got.Names())
		}
		x := h.made(h.asked(c))
		if got = h.now(c.ID); x.State != ExportMade || got[Intended] != 500 || got[HandedOver] != 0 {
			t.Fatalf("%s %v", x.State, got.Names())
		}
		if len(h.reads) != 1 || !strings.Contains(h.reads[0], x.ID) {
			t.Errorf("the list was read for %q", h.reads)
		}
		if _, err := h.Results(t.Context(), actor.Operator(), x.ID, strings.NewReader("reference,outcome\n")); !errors.Is(err, ErrState) {
			t.Errorf("results of a file that nobody has: %v", err)
		}
		x, rows, plain := h.opened(x.ID)
		if got = h.now(c.ID); x.State != ExportHanded || got[HandedOver] != 500 {
			t.Fatalf("%s %v", x.State, got.Names())
		}
		// A reference tells nothing, is of one row, and no address is in the file that was not asked for.
		seen := map[string]bool{}
		for _, r := range rows {
			if len(r[0]) != tokenSize || seen[r[0]] {
				t.Fatalf("a reference is %q", r[0])
			}
			seen[r[0]] = true
		}
		if bytes.Contains(plain, []byte("@")) || !bytes.Contains(plain, []byte("東京都千代田区")) || !bytes.Contains(plain, []byte("漏えいした項目")) || !bytes.Contains(plain, []byte("Of you")) {
			t.Error("the file has other columns than those that were asked for")
		}
		results := resultsOf(rows, func(i int) string {
			switch {
			case i < 100:
				return "returned," + day + ",moved"
			case i < 110:
				return "unsent,," + "address"
			case i < 480:
				return "差出済," + strings.ReplaceAll(day, "-", "/") + ","
			}
			return ""
		})
		read, err := h.Results(t.Context(), actor.Operator(), x.ID, strings.NewReader(results))
		if err != nil || read.Rows != 480 || read.Changed != 480 {
			t.Fatalf("%+v, %v", read, err)
		}
		if got = h.now(c.ID); got[Bounced] != 100 || got[Refused] != 10 || got[Accepted] != 370 || got[HandedOver] != 20 || h.state(c.ID) != Done {
			t.Fatalf("%v %s", got.Names(), h.state(c.ID))
		}
		if again, err := h.Results(t.Context(), actor.Operator(), x.ID, strings.NewReader(results)); err != nil || !again.Again || again.Changed != 0 {
			t.Errorf("%+v, %v", again, err)
		}
		// Said otherwise and sealed to the case, the same counts once too.
		var sealed bytes.Buffer
		to := must(age.ParseX25519Recipient(x.Manifest.ResultsTo))(t)
		w := must(age.Encrypt(&sealed, to))(t)
		fmt.Fprint(w, strings.ReplaceAll(results, "差出済", "accepted"))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := h.Results(t.Context(), actor.Operator(), x.ID, &sealed); err != nil || again.Again || !again.Sealed || again.Changed != 0 {
			t.Errorf("%+v, %v", again, err)
		}
		h.summed(n, func(s *Summary) {
			if s.Told[Post].Accepted < 370 || s.Told[Post].Handed < 20 || s.Unreached < 110 || s.Substituted != 0 || s.Reasons["hasmoved"] < 100 || s.Reasons["address"] < 10 {
				t.Errorf("%+v", s)
			}
		})
		before := must(h.Summarize(t.Context(), actor.Operator(), "loss-2026"))(t)
		// Whoever was shown the notice at their login was told by it, and counts once all the same.
		at := h.Now().UTC().Truncate(time.Second)
		h.Elsewhere = func(context.Context, string) (Elsewhere, error) {
			return func(m roster.Member) (time.Time, bool) { return at, true }, nil
		}
		h.summed(n, func(s *Summary) {
			if b := s.Told[Login]; b.All() == 0 || !b.First.Equal(at) || s.Told[Mail].Accepted+s.Told[Post].Accepted != before.Told[Mail].Accepted+before.Told[Post].Accepted || s.Unreached+s.Nothing != 0 {
				t.Errorf("%+v", s)
			}
		})
		h.Elsewhere = nil
		m, err := h.Substitute(t.Context(), actor.Operator(), Measure{Incident: "loss-2026", Kind: Page, On: day, Reference: "https://example.jp/notice"})
		if err != nil || m.People != before.Unreached || m.Fresh != m.People || m.N != 1 {
			t.Fatalf("%+v, %v: %d were not reached", m, err, before.Unreached)
		}
		h.summed(n, func(s *Summary) {
			if s.Unreached != 0 || s.Substituted != before.Unreached || s.Reasons["hasmoved"] != before.Reasons["hasmoved"] || len(s.Measures) != 1 {
				t.Errorf("%+v", s)
			}
		})
		if got = h.now(c.ID); got[Substitute] != 110 || got[Bounced]+got[Refused] != 0 {
			t.Errorf("%v", got.Names())
		}
		// Whose letter was taken stands in the campaign of mail as it did: nothing else had to be done for them.
		if got := h.now(mail.ID); got[Bounced] == 0 || got[Substitute] == 0 || got[Bounced]+got[Substitute] != 200 {
			t.Errorf("%v", got.Names())
		}
		if by := must(h.Instead(t.Context(), actor.Operator(), c.ID))(t); by[Page] != 110 || len(by) != 1 {
			t.Errorf("%v", by)
		}
		if m, err := h.Substitute(t.Context(), actor.Operator(), Measure{Incident: "loss-2026", Kind: Newspaper, On: day, Reference: "朝刊 3面"}); err != nil || m.Fresh != 0 || m.People != before.Unreached || m.N != 2 {
			t.Errorf("%+v, %v", m, err)
		}
		if err := h.ConfirmDestroyed(t.Context(), actor.Operator(), x.ID, h.Now(), "証明書 12"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Files.Open(exportFile("loss-2026", x.ID, x.Manifest.SealedSHA256)); !errors.Is(err, files.ErrNotExist) {
			t.Errorf("the sealed file is still there: %v", err)
		}
		if all := must(h.Exports(t.Context(), actor.Operator(), "loss-2026"))(t); len(all) != 1 || all[0].State != ExportDestroyed || all[0].Confirmed != "証明書 12" || len(all[0].Results) != 2 || all[0].HandedBy == "" {
			t.Errorf("%+v", all)
		}
	})
}

// summed asks for the figures, and requires that they add up to the roster.
func (h *household) summed(n int64, do func(*Summary)) {
	h.t.Helper()
	s, err := h.Summarize(h.t.Context(), actor.Operator(), "loss-2026")
	if err != nil {
		h.t.Fatal(err)
	}
	reasons := int64(0)
	for _, v := range s.Reasons {
		reasons += v
	}
	if all := s.AllTold() + s.Underway + s.Uncertain + s.Substituted + s.Unreached + s.Nothing; all != s.Total || s.Total+s.Unlisted != s.Affected || s.Affected != n || reasons != s.Substituted+s.Unreached {
		h.t.Errorf("they add up to %d of %d, with %d to %d of %d; %d have a reason: %+v", all, s.Total, s.Unlisted, s.Affected, n, reasons, s)
	}
	do(s)
}

// BenchmarkLetters makes a file for a house of everybody in a roster, with where they live and two texts, hands it over and reads what came of each.
// The ratios are against reading the list as CSV and sealing it, and against reading the results as CSV. SHIRASE_TEST_LETTERS says how many rows.
func BenchmarkLetters(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("SHIRASE_TEST_LETTERS"), "100000"))
	if err != nil {
		b.Fatal(err)
	}
	storetest.Bench(b, func(b *testing.B, db *store.DB) {
		ctx, by := b.Context(), actor.Operator()
		h := newHousehold(b, db, n, nil)
		timed := func(do func()) float64 {
			at := time.Now()
			do()
			return time.Since(at).Seconds()
		}
		for b.Loop() {
			c := h.letters(Post, "", nil)
			var x *Export
			made := timed(func() { x = h.made(h.asked(c)) })
			sealed := timed(func() {
				w := must(age.Encrypt(io.Discard, h.house.Recipient()))(b)
				out := csv.NewWriter(w)
				for in := csv.NewReader(strings.NewReader(h.list)); ; {
					row, err := in.Read()
					if err == io.EOF {
						break
					}
					if err := errors.Join(err, out.Write(row)); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			})
			x, rows, _ := h.opened(x.ID)
			day := h.Now().UTC().Format(time.DateOnly)
			results := resultsOf(rows, func(i int) string {
				if i%50 == 0 {
					return "returned," + day + ",moved"
				}
				return "accepted," + day + ","
			})
			rows = nil
			parsed := timed(func() { must(csv.NewReader(strings.NewReader(results)).ReadAll())(b) })
			var read ResultsRead
			took := timed(func() { read = must(h.Results(ctx, by, x.ID, strings.NewReader(results)))(b) })
			summed := timed(func() { must(h.Summarize(ctx, by, "loss-2026"))(b) })
			var counted Counts
			shown := timed(func() { counted = must(h.Counts(ctx, by, c.ID))(b) })
			if read.Changed != x.Manifest.Rows || counted.Total() != read.Changed {
				b.Fatalf("%+v of %d", read, x.Manifest.Rows)
			}
			b.ReportMetric(float64(x.Manifest.Rows), "rows")
			b.ReportMetric(made, "s/file")
			b.ReportMetric(made/sealed, "file-ratio")
			b.ReportMetric(took, "s/results")
			b.ReportMetric(took/parsed, "results-ratio")
			b.ReportMetric(summed, "s/outcome")
			b.ReportMetric(1000*shown, "ms/counts")
			b.ReportMetric(0, "ns/op")
		}
	})
}

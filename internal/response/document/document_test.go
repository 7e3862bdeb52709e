package document

import (
	"bytes"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// known reads facts into what a document is written from.
func known(t testing.TB, facts string) Input {
	t.Helper()
	f, err := incident.ParseFactsFile("facts.yaml", []byte("id: shop\nzone: \"+09:00\"\nasOf: \"2026-08-21T10:00\"\nfacts:\n"+facts))
	if err != nil {
		t.Fatal(err)
	}
	m, err := incident.ParseMoment("2026-08-20T10:09+09:00", nil)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Incident: incident.Incident{ID: "shop", Facts: f.Facts}, Operator: "Example Shop", Knowledge: m, Stated: map[string]Stated{}, At: time.Date(2026, 8, 21, 3, 0, 0, 0, time.UTC)}
}

const some = `  - {key: title, value: {ja: 不正アクセス, en: Unauthorised access}}
  - {key: discovered, value: "2026-08-20T10:09"}
  - {key: affected.count, value: 1200, unit: accounts}
  - {key: data-class, value: email, certainty: possible}
  - {key: cause, value: unknown}
  - {key: secondary-damage, value: login, status: none-confirmed}
  - {key: scope.state, value: final}
`

func get(t testing.TB, kind string) Kind {
	t.Helper()
	k, err := Get(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSheet: the nine items stand in their legal order, each with what is known and with its gap.
func TestSheet(t *testing.T) {
	in := known(t, some)
	d := Write(get(t, "ppc-sokuho"), language.EN, in)
	if d.Lang != "ja" || len(d.Items) != 9 || d.Complete || d.Also != "" {
		t.Fatalf("%+v", d)
	}
	states := []State{Known, Known, Unknown, Unknown, Known, Missing, Known, Missing, Missing}
	for n, i := range d.Items {
		if i.State != states[n] || i.Length != len([]rune(i.Text)) || !strings.HasPrefix(i.Rule, "規則8条1項") || (i.State == Known) != (i.Gap.JA == "") {
			t.Errorf("%d: %+v", n+1, i)
		}
	}
	if unknown, missing := d.Gaps(); unknown != 2 || missing != 3 {
		t.Errorf("%d, %d", unknown, missing)
	}
	for n, want := range map[int]string{0: "2026年8月20日 10時09分", 1: "メールアドレス（おそれ）", 2: "1,200アカウント", 3: "未確認（2026年8月21日", 4: "不正ログイン：確認されていません", 6: "まだ公表していません"} {
		if !strings.Contains(d.Items[n].Text, want) {
			t.Errorf("item %d lacks %s: %s", n+1, want, d.Items[n].Text)
		}
	}
	// What is stated for the authority completes it, and then the 速報 is a 確報 too.
	for _, key := range []string{"count", "cause", "response", "prevention", "other"} {
		in.Stated[key] = Stated{Text: "書いたこと " + key}
	}
	whole := Write(get(t, "ppc-sokuho"), language.JA, in)
	if !whole.Complete || whole.Also != "ppc-kakuho" || !strings.Contains(whole.Items[7].Text, "書いたこと prevention") {
		t.Errorf("%+v", whole)
	}
	in.Stated["cause"] = Stated{Text: "調べている会社の報告を待つ", Unknown: true}
	if again := Write(get(t, "ppc-kakuho"), language.JA, in); again.Complete || again.Items[3].State != Unknown || !strings.Contains(again.Items[3].Text, "報告を待つ") {
		t.Errorf("%+v", again.Items[3])
	}
	// Differences, of which the time alone is none.
	in = known(t, some)
	in.At = in.At.Add(48 * time.Hour)
	if same := Compare(d, Write(get(t, "ppc-tsuikan"), language.JA, in)); len(same) != 0 {
		t.Errorf("%+v", same)
	}
	in = known(t, strings.Replace(some, "value: unknown", "value: intrusion", 1))
	changed := Compare(d, Write(get(t, "ppc-tsuikan"), language.JA, in))
	if len(changed) != 2 || changed[1].Key != "cause" || !strings.Contains(changed[1].Was, "未確認") || !strings.Contains(changed[1].Is, "不正アクセス") {
		t.Errorf("%+v", changed)
	}
}

// TestOneZone: a document tells all its times in one zone, whatever zones its facts were recorded in: Japan's of what is read in Japan, and else
// that of the case.
func TestOneZone(t *testing.T) {
	const mixed = `  - {key: cause, value: unknown}
  - {key: discovered, value: "2026-08-20T10:09"}
  - {key: contained, value: "2026-08-20T09:30Z"}
  - {key: secondary-damage, value: login, status: none-confirmed, asOf: "2026-08-20T15:00Z"}
  - {key: action, value: {ja: 本人への通知, en: People told}, status: taken, at: "2026-08-20T09:00Z"}
  - {key: action, id: "2", value: {ja: 再設定, en: New passwords}, status: planned, promised: "2026-08-22T18:00+02:00"}
  - {key: next-update, value: "2026-08-23T06:00-03:00"}
`
	for _, c := range []struct {
		known  string // when the case was known
		zone   string // that its documents are in
		ja, en []string
		head   string
	}{
		{"2026-08-20T10:09+09:00", "", []string{"2026年8月20日 18時30分", "8月20日 18時（日本時間）", "8月23日 1時", "8月23日 18時"},
			[]string{"20 August 2026, 18:30 JST", "20 August 2026, 18:00 JST", "23 August 2026, 01:00 JST", "23 August 2026, 18:00 JST", "as of 21 August 2026, 12:00 JST"}, "21 August 2026, 12:00 JST"},
		{"2026-08-20T03:09+02:00", "+02:00", []string{"8月20日 18時30分"}, []string{"20 August 2026, 11:30 UTC+02:00", "22 August 2026, 18:00 UTC+02:00", "as of 21 August 2026, 05:00 UTC+02:00"}, "21 August 2026, 05:00 UTC+02:00"},
		{"2026-08-20", "", nil, []string{"20 August 2026, 18:30 JST"}, "JST"}, // the newest hour of its facts says it
	} {
		in := known(t, mixed)
		m, err := incident.ParseMoment(c.known, incident.Japan)
		if err != nil {
			t.Fatal(err)
		}
		if in.Knowledge = m; !m.Exact() {
			in.Incident.Facts[len(in.Incident.Facts)-1] = known(t, "  - {key: next-update, value: \"2026-08-24T06:00\"}\n").Incident.Facts[0]
		}
		in.Notices = []incident.Notice{{Incident: "shop", Version: 1, Kind: incident.KindFirst, Time: time.Date(2026, 8, 20, 10, 0, 0, 0, time.UTC)}}
		texts := map[string]string{}
		for _, k := range Kinds() {
			for _, lang := range []language.Lang{language.JA, language.EN} {
				d := Write(k, lang, in)
				var text bytes.Buffer
				if err := d.WriteText(&text); err != nil {
					t.Fatal(err)
				}
				texts[d.Lang] += text.String()
				if want := map[string]string{"ja": "", "en": c.zone}[d.Lang]; d.Zone != want {
					t.Errorf("%s of a case known at %s is in the zone %q", k.ID, c.known, d.Zone)
				}
			}
		}
		zones := map[string]bool{}
		for _, z := range regexp.MustCompile(`JST|UTC[+-][0-9]{2}:[0-9]{2}|UTC|日本時間|協定世界時`).FindAllString(texts["ja"]+texts["en"], -1) {
			zones[z] = true
		}
		if len(zones) != 2 || !zones["日本時間"] { // and the English one's
			t.Errorf("known at %s: %v", c.known, slices.Sorted(maps.Keys(zones)))
		}
		for lang, want := range map[string][]string{"ja": c.ja, "en": append(c.en, c.head)} {
			for _, w := range want {
				if !strings.Contains(texts[lang], w) {
					t.Errorf("known at %s: the documents in %s lack %q:\n%s", c.known, lang, w, texts[lang])
				}
			}
		}
	}
}

// TestKinds: every kind is written in its language, and whatever is kept of it is read back the same. What is stated for authorities
// is in nothing that everybody reads.
func TestKinds(t *testing.T) {
	in := known(t, some+`  - {key: contact, value: {url: "https://help.example.jp/", name: {ja: 窓口, en: Desk}}}
  - {key: action, value: {ja: 再設定, en: New passwords}, status: planned, promised: "2026-08-22T18:00"}
`)
	in.URL = "https://shirase.example.jp"
	for _, k := range Kinds() {
		for _, key := range k.Keys() {
			in.Stated[key] = Stated{Text: "for the authority"}
		}
		for _, lang := range []language.Lang{language.JA, language.EN} {
			d := Write(k, lang, in)
			if k.Both && d.Lang != string(lang) || !k.Both && d.Lang != string(k.Lang) {
				t.Errorf("%s: %s", k.ID, d.Lang)
			}
			data, err := d.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(data)
			if err != nil || len(Compare(d, again)) != 0 || len(again.Items) != len(d.Items) {
				t.Errorf("%s: %v", k.ID, err)
			}
			var text, page bytes.Buffer
			if err := errorsOf(d.WriteText(&text), d.WriteHTML(&page)); err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(text.String(), "for the authority"); has == k.Both {
				t.Errorf("%s: what is stated for authorities: %v", k.ID, has)
			}
			if d.Lang == "en" && slices.ContainsFunc([]rune(text.String()), func(r rune) bool { return r >= 0x3040 && r < 0x9fff && k.ID != "mail" }) {
				t.Errorf("%s in English: %s", k.ID, text.String())
			}
			if !strings.Contains(page.String(), "@page") {
				t.Errorf("%s: %s", k.ID, page.String())
			}
		}
	}
	if _, err := Get("another"); err == nil {
		t.Error("a kind that is not there")
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestXLSX writes into a template, by a mapping, and reads it back.
func TestXLSX(t *testing.T) {
	form := excelize.NewFile()
	form.SetSheetName("Sheet1", "様式")
	form.NewSheet("別紙")
	form.SetCellStr("様式", "A1", "見出し")
	var template bytes.Buffer
	if err := form.Write(&template); err != nil {
		t.Fatal(err)
	}
	in := known(t, some)
	in.Stated["prevention"] = Stated{Text: "=HYPERLINK(\"http://example.com\")"}
	d := Write(get(t, "ransomware-form"), language.JA, in)
	m, err := ParseMapping([]byte("kind: ransomware-form\nsheet: 様式\ncells: {summary: C5, count: C7, count.state: D7, cause: \"別紙!B2\", prevention: C9, summary.length: D5}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := d.WriteXLSX(&out, template.Bytes(), m); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for cell, want := range map[[2]string]string{{"様式", "A1"}: "見出し", {"様式", "C5"}: d.Items[0].Text, {"様式", "C7"}: d.Items[2].Text, {"様式", "D7"}: "未確認", {"別紙", "B2"}: d.Items[3].Text, {"様式", "C9"}: d.Items[7].Text} {
		if got, err := f.GetCellValue(cell[0], cell[1]); err != nil || got != want {
			t.Errorf("%v: %q, %v", cell, got, err)
		}
	}
	if formula, err := f.GetCellFormula("様式", "C9"); err != nil || formula != "" {
		t.Errorf("a text became a formula: %q, %v", formula, err)
	}
	out.Reset()
	if err := d.WriteXLSX(&out, nil, nil); err != nil {
		t.Fatal(err)
	}
	if f, err = excelize.OpenReader(&out); err != nil {
		t.Fatal(err)
	}
	if rows, err := f.GetRows(f.GetSheetName(0)); err != nil || len(rows) != 10 || rows[3][3] != d.Items[2].Text {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for _, bad := range []string{"", "kind: x\ncells: {summary: C5}", "kind: ransomware-form", "kind: ransomware-form\ncells: {other things: C5}", "kind: ransomware-form\ncells: {summary: 5C}", "kind: ransomware-form\nmore: 1\ncells: {summary: C5}", "kind: ransomware-form\ncells: {summary.x: C5}"} {
		if _, err := ParseMapping([]byte(bad)); err == nil {
			t.Errorf("a mapping was taken: %q", bad)
		}
	}
	if err := d.WriteXLSX(&out, []byte("not a workbook"), m); err == nil {
		t.Error("a template that is none")
	}
	m.Sheet = "無い"
	if err := d.WriteXLSX(&out, template.Bytes(), m); err == nil {
		t.Error("a sheet that is not there")
	}
}

// TestExercise: whatever kind of document was written in an exercise says so in whatever form, before what it says, and where it is printed;
// of a real one none does.
func TestExercise(t *testing.T) {
	sheet := excelize.NewFile()
	sheet.NewSheet("別紙")
	var form bytes.Buffer
	if err := sheet.Write(&form); err != nil {
		t.Fatal(err)
	}
	for _, exercise := range []bool{true, false} {
		in := known(t, some)
		in.Exercise = exercise
		for _, k := range Kinds() {
			for _, lang := range []language.Lang{language.JA, language.EN} {
				d := Write(k, lang, in)
				data, err := d.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				again, err := Parse(data)
				if err != nil || again.Exercise != exercise || strings.Contains(again.Title, "EXERCISE") != exercise {
					t.Errorf("%s as JSON: %v, %s", k.ID, err, data[:100])
				}
				var text, page bytes.Buffer
				if err := errors.Join(d.WriteText(&text), d.WriteHTML(&page)); err != nil {
					t.Fatal(err)
				}
				if first, _, _ := strings.Cut(text.String(), "\n"); strings.Contains(first, "EXERCISE") != exercise {
					t.Errorf("%s as text begins with %s", k.ID, first)
				}
				_, rest, _ := strings.Cut(page.String(), "<title>")
				title, body, _ := strings.Cut(rest, "</title>")
				if strings.Contains(title, "EXERCISE") != exercise || strings.Contains(body, `<p class="mark">`) != exercise || strings.Count(body, "EXERCISE") != map[bool]int{true: 2}[exercise] {
					t.Errorf("%s as a page: %s: %s", k.ID, title, body[:200])
				}
				cells := map[string]string{}
				for n, key := range k.Keys() {
					cells[key] = "C" + strconv.Itoa(n+1)
				}
				for _, m := range []*Mapping{nil, {Kind: k.ID, Cells: cells}} {
					var out bytes.Buffer
					if err := d.WriteXLSX(&out, form.Bytes(), m); err != nil {
						t.Fatal(err)
					}
					f, err := excelize.OpenReader(&out)
					if err != nil {
						t.Fatal(err)
					}
					for _, name := range f.GetSheetList() {
						if h, err := f.GetHeaderFooter(name); err != nil || exercise != (h != nil && strings.Contains(h.OddHeader, "EXERCISE")) {
							t.Errorf("%s: the sheet %s is printed with %+v, %v", k.ID, name, h, err)
						}
					}
					places := []string{"A1"}
					if m != nil {
						places = slices.Collect(maps.Values(cells))
					}
					for _, place := range places {
						if got, err := f.GetCellValue(f.GetSheetName(0), place); err != nil || strings.Contains(got, "EXERCISE") != exercise {
							t.Errorf("%s, %s: %q, %v", k.ID, place, got, err)
						}
					}
					f.Close()
				}
			}
		}
	}
}

// FuzzMapping: whatever is read as a mapping, is one.
func FuzzMapping(f *testing.F) {
	f.Add([]byte("kind: ransomware-form\ncells: {summary: C5}"))
	f.Add([]byte("kind: [a]\ncells: 3"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if m, err := ParseMapping(src); err == nil && len(m.Cells) == 0 {
			t.Errorf("%+v", m)
		}
	})
}

// FuzzParse: whatever is read as a document can be written and read again.
func FuzzParse(f *testing.F) {
	d := Write(kinds[0], language.JA, Input{Incident: incident.Incident{ID: "shop"}})
	data, _ := d.Bytes()
	f.Add(data)
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := Parse(src)
		if err != nil {
			return
		}
		data, err := d.Bytes()
		if err != nil {
			t.Skip() // a time that JSON does not write
		}
		if _, err := Parse(data); err != nil {
			t.Error(err)
		}
	})
}

// TestAsked: a report to an authority says how many have asked, beside what is known of damage and never in its place; what people read does not; and
// that more have asked is no difference.
func TestAsked(t *testing.T) {
	in := known(t, some)
	midnight := time.Date(2026, 8, 21, 0, 0, 0, 0, incident.Japan)
	without := Write(get(t, "ppc-sokuho"), language.JA, in)
	in.Asked = &Asked{N: 1234, Until: midnight}
	with := Write(get(t, "ppc-sokuho"), language.JA, in)
	if want := "窓口への問い合わせ（2026年8月21日 0時（日本時間）現在）：1,234件"; !strings.Contains(with.Items[4].Text, want) || !strings.Contains(with.Items[4].Text, "不正ログイン") {
		t.Errorf("%s is not in %s", want, with.Items[4].Text)
	}
	in.Asked = &Asked{N: 2000, Until: midnight.AddDate(0, 0, 1)}
	for _, changes := range [][]Change{Compare(with, Write(get(t, "ppc-sokuho"), language.JA, in)), Compare(without, with)} {
		if len(changes) > 0 {
			t.Errorf("that more have asked is a difference: %+v", changes)
		}
	}
	for _, k := range Kinds() {
		for _, i := range Write(k, language.EN, in).Items {
			if k.Both && (strings.Contains(i.Text, askedEN) || strings.Contains(i.Text, askedJA)) {
				t.Errorf("%s says how many have asked: %s", k.ID, i.Text)
			}
		}
	}
	none := known(t, "  - {key: title, value: x}\n")
	none.Asked = in.Asked
	if i := Write(get(t, "ppc-sokuho"), language.JA, none).Items[4]; i.State != Missing || i.Text != "" {
		t.Errorf("a number of enquiries stands in place of damage: %+v", i)
	}
}

package console

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"shirase/internal/actor"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
	"shirase/internal/response/document"
)

// TestFactsAndDocuments changes a fact after a look at what it touches, hands in a report with what is not known, and reads what was
// handed in.
func TestFactsAndDocuments(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		sato := d.hire("指揮", actor.Full, actor.Commander)
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare("不正アクセス")
		at := "/console/cases/" + id
		fact := url.Values{"key": {"affected.count"}, "f.value": {"1,692,496"}, "f.unit": {"accounts"}, "f.qualifier": {"exact"}, "certainty": {"confirmed"}, "asOf": {"2026-08-20 16:00"}, "source": {"調査"}}
		a := writer.post(at+"/facts/preview", fact)
		for _, want := range []string{"この変更が触れるもの", "個人情報保護委員会への速報", "169万2,496アカウント", "まだ記録していません"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("a change does not show %s: %d", want, a.status)
			}
		}
		if page := writer.get(at + "/facts"); strings.Contains(page.body, "169万2,496") {
			t.Error("a look records the fact")
		}
		if a := writer.post(at+"/facts/save", fact); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		// Somebody who has read nothing of it hears of it, and nothing is lost.
		mine := url.Values{"key": {"affected.count"}, "f.value": {"2000000"}, "f.unit": {"accounts"}, "asOf": {"2026-08-20 17:00"}}
		a = sato.post(at+"/facts/save", mine)
		if a.status != http.StatusConflict || !strings.Contains(a.body, "169万2,496アカウント") || !strings.Contains(a.body, "200万アカウント") {
			t.Errorf("a stale form: %d", a.status)
		}
		// What a mail of a campaign says is told where a fact overtakes it.
		d.console.Texts = func(_ context.Context, who actor.Actor, of string) ([]Outgoing, error) {
			if of != id || !who.Sees(of) {
				t.Errorf("texts of %s", of)
			}
			return []Outgoing{{Name: language.Both("配信のメール", "a campaign's mail"), Kind: lint.Mail, Text: language.Both("対象は1,692,496アカウントです。", "1,692,496 accounts are affected.")}}, nil
		}
		if a := writer.post(at+"/facts/preview", mine); !strings.Contains(a.body, "配信のメール") {
			t.Errorf("the mail that is overtaken is not named: %d", a.status)
		}
		if a := writer.post(at+"/facts/preview", fact); strings.Contains(a.body, "配信のメール") {
			t.Error("a mail is named that is as the facts are")
		}
		was := regexp.MustCompile(`name="was" value="([0-9a-f]{16})"`).FindStringSubmatch(a.body)
		if was == nil {
			t.Fatal("it has no version")
		}
		mine.Set("was", was[1])
		if a := sato.post(at+"/facts/save", mine); a.status != http.StatusSeeOther {
			t.Errorf("put in its place: %d", a.status)
		}
		if a := writer.post(at+"/facts/preview", url.Values{"key": {"affected.count"}, "f.value": {"many"}}); a.status != http.StatusUnprocessableEntity {
			t.Errorf("what is no number: %d", a.status)
		}
		// A report with gaps.
		if a := writer.post(at+"/documents/ppc-sokuho/state", url.Values{"item": {"cause"}, "text": {"調査会社の報告を待つ"}, "unknown": {"yes"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		page := sato.get(at + "/documents/ppc-sokuho")
		for _, want := range []string{"規則8条1項9号", "未確認", "調査会社の報告を待つ", "data-copy", "200万アカウント"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the sheet lacks %s", want)
			}
		}
		digest := regexp.MustCompile(`name="digest" value="([0-9a-f]{64})"`).FindStringSubmatch(page.body)
		if digest == nil {
			t.Fatal("the sheet has no digest")
		}
		if a := sato.post(at+"/documents/ppc-sokuho/send", url.Values{"to": {"委員会"}, "digest": {strings.Repeat("0", 64)}}); a.status != http.StatusConflict {
			t.Errorf("something else than was looked at: %d", a.status)
		}
		if a := sato.post(at+"/documents/ppc-sokuho/send", url.Values{"to": {"委員会"}}); a.status != http.StatusConflict {
			t.Errorf("nothing was looked at: %d", a.status)
		}
		a = sato.post(at+"/documents/ppc-sokuho/send", url.Values{"to": {"個人情報保護委員会"}, "by": {"ウェブフォーム"}, "digest": {digest[1]}})
		if a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		stands := a.header.Get("Location")
		twice := sato.post(at+"/documents/ppc-sokuho/send", url.Values{"to": {"個人情報保護委員会"}, "by": {"ウェブフォーム"}, "digest": {digest[1]}})
		if twice.status != http.StatusConflict || !strings.Contains(twice.body, "もう記録されています") || !strings.Contains(twice.body, `href="`+stands+`"`) {
			t.Errorf("the form sent twice: %d", twice.status)
		}
		sent := sato.get(stands)
		if !strings.Contains(sent.body, "提出済み") || !strings.Contains(sent.body, "ウェブフォーム") || !strings.Contains(sent.body, "200万アカウント") {
			t.Errorf("what was handed in: %d", sent.status)
		}
		if now := sato.get(at); !strings.Contains(now.body, "済み") {
			t.Error("the clock of the report runs on")
		}
		for form, want := range map[string]string{"json": `"kind":"ppc-sokuho"`, "html": "@page", "txt": "未確認", "xlsx": "PK"} {
			if a := sato.get(at + "/documents/ppc-sokuho/file?form=" + form); a.status != http.StatusOK || !strings.Contains(a.body, want) || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
				t.Errorf("as %s: %d", form, a.status)
			}
		}
		for _, none := range []string{"/documents/none", "/documents/ppc-sokuho/file?form=exe", "/sent/999", "/sent/x"} {
			if a := sato.get(at + none); a.status != http.StatusNotFound {
				t.Errorf("%s: %d", none, a.status)
			}
		}
		if page := sato.get(at + "/documents"); !strings.Contains(page.body, "提出したもの") || !strings.Contains(page.body, "個人情報保護委員会への速報") {
			t.Error("the list does not show what was handed in")
		}
	})
}

// workbook is an official form: an empty one.
func workbook(t *testing.T) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a workbook whose sheet unpacks to far more than it has.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	from, err := zip.NewReader(bytes.NewReader(workbook(t)), int64(len(workbook(t))))
	if err != nil {
		t.Fatal(err)
	}
	to := zip.NewWriter(&b)
	for _, f := range from.File {
		if f.Name != "xl/worksheets/sheet1.xml" {
			if err := to.Copy(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	w, err := to.Create("xl/worksheets/sheet1.xml")
	if err == nil {
		_, err = w.Write(bytes.Repeat([]byte(" "), 64<<20))
	}
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestOfficialForm: a form is filled in and given back, whatever a case is called stays text, and what is no form, or would fill the memory, is
// refused with what was entered.
func TestOfficialForm(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare(`=HYPERLINK("https://evil.example")<b>`)
		at := "/console/cases/" + id + "/documents/ransomware-form"
		if page := writer.get(at); !strings.Contains(page.body, at+"/form") || !strings.Contains(page.body, "  prevention: C12") {
			t.Error("the page does not offer to fill in a form")
		}
		if page := writer.get("/console/cases/" + id + "/documents/pmark"); strings.Contains(page.body, "/form\"") {
			t.Error("it offers a form that there is not")
		}
		mapping := url.Values{"mapping": {"kind: ransomware-form\ncells: {summary: B2, count.state: C2}"}}
		a := writer.upload(at+"/form", mapping, "form.xlsx", bytes.NewReader(workbook(t)))
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
			t.Fatal(a.status, a.body)
		}
		f, err := excelize.OpenReader(strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		text, err := f.GetCellValue("Sheet1", "B2")
		formula, err2 := f.GetCellFormula("Sheet1", "B2")
		if err := errors.Join(err, err2); err != nil || !strings.Contains(text, "HYPERLINK") || formula != "" {
			t.Errorf("%q, %q, %v", text, formula, err)
		}
		huge := io.LimitReader(rand.Reader, document.MaxTemplate+1<<10)
		for what, it := range map[string]struct {
			mapping string
			file    io.Reader
		}{
			"no workbook": {mapping.Get("mapping"), strings.NewReader("<xml>")}, "no file": {mapping.Get("mapping"), strings.NewReader("")},
			"a bomb": {mapping.Get("mapping"), bytes.NewReader(bomb(t))}, "too large": {mapping.Get("mapping"), huge},
			"another kind's": {"kind: pmark\ncells: {summary: B2}", bytes.NewReader(workbook(t))}, "no cell": {"kind: ransomware-form\ncells: {summary: \"<script>\"}", bytes.NewReader(workbook(t))},
			"a huge mapping": {strings.Repeat("#", document.MaxMapping+1), bytes.NewReader(workbook(t))},
		} {
			a := writer.upload(at+"/form", url.Values{"mapping": {it.mapping}}, "form.xlsx", it.file)
			if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "data-refused") || strings.Contains(a.body, "<script>\"") {
				t.Errorf("%s: %d", what, a.status)
			}
		}
	})
}

// TestFurtherItem: a second action is one more, and takes the place of none; its form sent twice is refused.
func TestFurtherItem(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare("不正アクセス")
		at := "/console/cases/" + id + "/facts/"
		item := regexp.MustCompile(`name="item" value="([^"]*)"`)
		for n, text := range []string{"パスワードを無効にした", "再設定を始めた"} {
			form := url.Values{"key": {"action"}, "item": {""}, "f.value": {text}, "f.status": {"taken"}, "asOf": {"2026-08-20 16:00"}}
			a := writer.post(at+"preview", form)
			is := item.FindStringSubmatch(a.body)
			if a.status != http.StatusOK || is == nil || is[1] != "action-"+itoa(int64(n+1)) {
				t.Fatalf("%s: %d, %q", text, a.status, is)
			}
			form.Set("item", is[1])
			if a := writer.post(at+"save", form); a.status != http.StatusSeeOther {
				t.Fatal(a.status, a.body)
			}
			if a := writer.post(at+"save", form); a.status != http.StatusConflict {
				t.Errorf("the form sent twice: %d", a.status)
			}
		}
		inc, err := d.cases.Incidents.Get(t.Context(), id)
		if err != nil || len(inc.Listed("action")) != 2 {
			t.Errorf("%d actions, %v", len(inc.Listed("action")), err)
		}
	})
}

// TestDrafts: a notice is looked at, with what it does not say and what speaks against it, before it is proposed; what is proposed is what
// was looked at, and nothing that somebody wrote is lost.
func TestDrafts(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare("不正アクセス")
		at := "/console/cases/" + id + "/documents"
		digestOf := func(a answer) string {
			t.Helper()
			m := regexp.MustCompile(`name="digest" value="([0-9a-f]{64})"`).FindStringSubmatch(a.body)
			if a.status != http.StatusOK || m == nil {
				t.Fatalf("no draft: %d", a.status)
			}
			return m[1]
		}
		page := writer.get(at + "/notice")
		for _, want := range []string{"<h3>お知らせ</h3>", "<h3>Notice</h3>", "まだ書かれないこと", "/facts?key=contact", "お問い合わせ窓口"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the draft lacks %s", want)
			}
		}
		if strings.Contains(page.body, "<script>alert") {
			t.Error("what a text says becomes markup")
		}
		looked := digestOf(page)
		// A fact in another tab: what was looked at is another text.
		if a := writer.post("/console/cases/"+id+"/facts/save", url.Values{"key": {"cause"}, "f.value": {"intrusion"}, "asOf": {"2026-08-20 16:00"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		stale := writer.post(at+"/notice/propose", url.Values{"digest": {looked}})
		if stale.status != http.StatusConflict || !strings.Contains(stale.body, "見たあとに") {
			t.Errorf("a draft that is another by now: %d", stale.status)
		}
		if a := writer.post(at+"/notice/propose", url.Values{"digest": {digestOf(writer.get(at + "/notice"))}}); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/console/proposals/") {
			t.Errorf("proposed: %d, %s", a.status, a.header.Get("Location"))
		}
		// A text of one's own.
		mine := url.Values{"ja": {"対象は一部のお客様のみです。<b>"}, "en": {"An update."}}
		a := writer.post(at+"/addendum", mine)
		for _, want := range []string{"「のみ」とあります。", "対象は一部のお客様のみです。&lt;b&gt;", "食い違いがあっても公表する理由"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("the text as it was written lacks %s", want)
			}
		}
		mine.Set("digest", digestOf(a))
		mine.Set("ja", "ほかの文章です。")
		if a := writer.post(at+"/addendum/propose", mine); a.status != http.StatusConflict || !strings.Contains(a.body, "ほかの文章です。") {
			t.Errorf("another text than was looked at: %d", a.status)
		}
		for _, none := range []string{"/notice", "/none", "/pmark"} { // a whole text is nobody's to write
			if a := writer.post(at+none, mine); a.status != http.StatusNotFound {
				t.Errorf("%s: %d", none, a.status)
			}
		}
		if page := writer.get(at); !strings.Contains(page.body, at+"/notice") || strings.Contains(page.body, at+"/addendum") {
			t.Error("the list offers an addendum to what nobody has read, or no notice")
		}
	})
}

package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/language"
	"shirase/internal/response"
)

const scopeRules = `columns: {account: id, email: mail}
exclude:
  - {name: foreign, when: 'country != "JP"'}
sets:
  - {classes: [email]}
`

const tenBytes = "id,mail\n1,"

// aPiece has a request bring the bytes of an arrival of ten.
func aPiece(arrival string) func(r *http.Request) {
	return func(r *http.Request) {
		sum := sha256.Sum256([]byte(tenBytes))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(tenBytes)), int64(len(tenBytes))
		r.Header.Set("Content-Type", "application/octet-stream")
		r.Header.Set(arrivalHeader, arrival)
		r.Header.Set(atHeader, "0")
		r.Header.Set(sumHeader, hex.EncodeToString(sum[:]))
	}
}

// stageScope gives a case what a form of its scope names.
func (d *desk) stageScope(it map[string]string, name string) {
	d.t.Helper()
	ctx, by, id := d.t.Context(), actor.Operator(), it["case"]
	must := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(d.folder, "host.csv"), []byte("id,mail,country\n1,a@example.com,JP\n"), 0o600))
	k, err := d.cases.AddEvidence(ctx, by, id, response.Evidence{Name: "a.csv", Use: response.UseAccounts}, strings.NewReader("id,mail,country\n1,a@example.com,JP\n2,b@example.com,TW\n"))
	must(err)
	export := k.Evidence[len(k.Evidence)-1].ID
	a, err := d.cases.BeginArrival(ctx, by, id, response.Evidence{Name: "b.csv", Size: int64(len(tenBytes)), Use: response.UseAccounts})
	must(err)
	if name == "scope/finish" {
		sum := sha256.Sum256([]byte(tenBytes))
		_, err := d.cases.Arrive(ctx, by, id, a.ID, 0, hex.EncodeToString(sum[:]), strings.NewReader(tenBytes))
		must(err)
	}
	it["EXPORT"], it["ARRIVAL"] = itoa(export), a.ID
	switch name {
	case "scope/cancel", "scope/commit", "scope/accept":
		r, err := d.scopes.DryRun(ctx, by, id, export, scopeRules, 0)
		must(err)
		d.scopes.Wait()
		if name == "scope/accept" {
			r, err = d.scopes.Commit(ctx, by, id, r.Seq)
			must(err)
			d.scopes.Wait()
		}
		it["RUN"] = itoa(r.Seq)
	}
}

// export sends an export as the script does.
func (p *person) export(id, name string, data []byte) answer {
	p.d.t.Helper()
	at := "/console/cases/" + id + "/scope/"
	a := p.do("POST", at+"begin", url.Values{"name": {name}, "size": {fmt.Sprint(len(data))}}, json1)
	if a.status != http.StatusOK {
		return a
	}
	arrival := a.json(p.d.t)["arrival"].(string)
	for from := 0; from < len(data); from += response.MaxPiece {
		part := data[from:min(from+response.MaxPiece, len(data))]
		sum := sha256.Sum256(part)
		if a := p.do("POST", at+"piece", nil, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(part)), int64(len(part))
			for k, v := range map[string]string{"Content-Type": "application/octet-stream", "Accept": "application/json", "Sec-Fetch-Site": "same-origin", arrivalHeader: arrival, atHeader: fmt.Sprint(from), sumHeader: hex.EncodeToString(sum[:])} {
				r.Header.Set(k, v)
			}
		}); a.status != http.StatusOK {
			return a
		}
	}
	return p.do("POST", at+"finish", url.Values{"arrival": {arrival}}, json1)
}

// model is an export of n accounts in which nobody is to be recognised on a page.
func model(n int) []byte {
	var b bytes.Buffer
	b.WriteString("id,mail,country\n")
	for i := range n {
		country := "JP"
		if i%4 == 0 {
			country = "TW"
		}
		fmt.Fprintf(&b, "secret%05d,secret.person%05d@mail.example,%s\n", i, i, country)
	}
	return b.Bytes()
}

var tag = regexp.MustCompile(`<[^>]*>`)

func textOf(a answer) string {
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(a.body, " "))), " ")
}

// TestScope walks from an upload to the facts, and holds that nothing of an export stands on a page or in the log.
func TestScope(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Commander)
		auditor := d.hire("監査する人", actor.None, actor.Auditor)
		id := d.declare("不正アクセス")
		at := "/console/cases/" + id + "/scope"
		if a := writer.export(id, "members.csv", model(40_000)); a.status != http.StatusOK {
			t.Fatal(a.status, a.body)
		}
		k, err := d.cases.Get(t.Context(), actor.Operator(), id)
		if err != nil || len(k.Evidence) != 1 {
			t.Fatal(err)
		}
		piece := k.Evidence[0]
		page := func(who *person, path string, wants ...string) answer {
			t.Helper()
			a := who.get(path)
			for _, want := range wants {
				if !strings.Contains(textOf(a), want) {
					_, text, _ := strings.Cut(textOf(a), "だれが扱ったか")
					t.Errorf("%s does not say %q: %s", path, want, text)
				}
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("%s shows somebody", path)
			}
			return a
		}
		page(writer, at, piece.SHA256, "members.csv", "取り込んだ")
		form := func(rules string) url.Values {
			t.Helper()
			now, err := d.scopes.Rules(t.Context(), actor.Operator(), id, 0)
			if err != nil {
				t.Fatal(err)
			}
			return url.Values{"text": {rules}, "export": {itoa(piece.ID)}, "version": {itoa(now.Seq)}}
		}
		for rules, want := range map[string]string{"columns: {email: mail}\nsets: [": "規則に誤りがあります", strings.Replace(scopeRules, `country !=`, `contry =!`, 1): "rules.yaml:3: exclude",
			strings.Replace(scopeRules, "[email]}", "[e-mail]}", 1): `rules.yaml:5: sets[0]: unknown data class "e-mail"; did you mean "email"?`} {
			if a := writer.post(at+"/run", form(rules)); a.status != http.StatusUnprocessableEntity || !strings.Contains(textOf(a), want) || !strings.Contains(a.body, "<textarea") {
				t.Errorf("%q: %d %s", want, a.status, textOf(a))
			}
		}
		if a := writer.post(at+"/run", form(scopeRules)); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		d.scopes.Wait()
		page(writer, at, "対象アカウント 30,000", "除外：foreign 10,000", "a9·…@mail.example", "TW", "この試算で名簿を作る")
		if a := page(auditor, at, "対象アカウント 30,000"); strings.Contains(a.body, "mail.example") || strings.Contains(a.body, "/scope/commit") {
			t.Error("samples are shown to who does not write the scope")
		}
		// Who has not read these rules sees both, and saves nothing.
		stale := form(strings.Replace(scopeRules, "foreign", "abroad", 1))
		stale.Set("version", "0")
		for _, door := range []string{"/run", "/rules"} {
			if a := writer.post(at+door, stale); a.status != http.StatusConflict || !strings.Contains(a.body, "name: abroad") || !strings.Contains(a.body, "name: foreign") || !strings.Contains(a.body, "data-refused") {
				t.Errorf("stale rules: %d", a.status)
			}
		}
		// A rule is changed: the run before stands beside it.
		if a := writer.post(at+"/run", form(strings.Replace(scopeRules, "sets:", "  - {name: none, when: 'country == \"KR\"'}\nsets:", 1))); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		d.scopes.Wait()
		page(writer, at, "試算 1", "除外：none 0 –")
		// A column that is not there is said when the export is read.
		if a := writer.post(at+"/run", form(strings.Replace(scopeRules, "country", "contry", 1))); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		d.scopes.Wait()
		page(writer, at, "できませんでした", `unknown column "contry"; did you mean "country"?`)
		if a := writer.post(at+"/commit", url.Values{"run": {"3"}}); a.status != http.StatusConflict {
			t.Errorf("a roster of a run that failed: %d", a.status)
		}
		// Somebody is at work on the incident: who, is said.
		release, err := d.hold(id, "sealing the scope of "+id)
		if err != nil {
			t.Fatal(err)
		}
		if a := writer.post(at+"/commit", url.Values{"run": {"1"}}); a.status != http.StatusConflict || !strings.Contains(textOf(a), "sealing the scope of "+id) {
			t.Errorf("while somebody else is at it: %d %s", a.status, textOf(a))
		}
		release()
		if a := writer.post(at+"/commit", url.Values{"run": {"1"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		d.scopes.Wait()
		page(writer, at, "30,000アカウント", "対象の数 30,000 アカウント", "全体の数 40,000 件", "対象に含まれないもの：foreign 10,000 件", "流出した可能性のある情報 メールアドレス")
		accepting := url.Values{"run": {"4"}, "fact": {"affected.count", "excluded foreign"}, "ja excluded foreign": {"海外のアカウント"}, "en excluded foreign": {"Accounts abroad"}, "was affected.count": {"of another time"}}
		if a := writer.post(at+"/accept", accepting); a.status != http.StatusConflict || !strings.Contains(a.body, "選び直してください") {
			t.Errorf("a fact that was not read: %d", a.status)
		}
		accepting.Set("was affected.count", "")
		if a := writer.post(at+"/accept", accepting); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		page(writer, at, "記録済み 対象の数", "記録済み 対象に含まれないもの")
		inc, err := d.cases.Incidents.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := inc.Fact("affected.count"); !ok || *f.Value.Number != 30_000 || f.Value.Unit != "accounts" {
			t.Errorf("%+v", f)
		}
		// The next roster is compared with it: counts only.
		if a := writer.post(at+"/run", form(strings.Replace(scopeRules, `!= "JP"`, `== "JP"`, 1))); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		d.scopes.Wait()
		page(writer, at, "その前の名簿との違い", "メールアドレス 10,000 30,000 0 0")
		writer.post(at+"/commit", url.Values{"run": {"5"}})
		d.scopes.Wait()
		page(writer, at+"?run=6&with=4", "名簿 4 → 6", "メールアドレス 10,000 30,000 0 0")
		if a := writer.get(at + "?run=6&with=1"); a.status != http.StatusConflict {
			t.Errorf("compared with a dry run: %d", a.status)
		}
		if a := writer.post(at+"/remove", url.Values{"export": {itoa(piece.ID)}, "why": {"済んだ"}}); a.status != http.StatusForbidden {
			t.Errorf("removed without a passkey: %d", a.status)
		}
		if a := writer.post(at+"/remove", writer.confirm(response.ActRemove(id, piece.ID), url.Values{"export": {itoa(piece.ID)}, "why": {"済んだ"}})); a.status != http.StatusSeeOther {
			t.Fatal(a.status, textOf(a))
		}
		page(writer, at, "取り除いた", piece.SHA256)
		if strings.Contains(d.logged.String(), "secret") {
			t.Error("the log has somebody")
		}
	})
}

// TestUploadRefused: what is too large is refused before it is sent, and pieces that are not what was announced are not taken.
func TestUploadRefused(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare("不正アクセス")
		at := "/console/cases/" + id + "/scope/"
		d.cases.Limits.Evidence = 2 << 20
		if a := writer.do("POST", at+"begin", url.Values{"name": {"a.csv"}, "size": {"3000000"}}, json1); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "say") {
			t.Errorf("too large: %d %s", a.status, a.body)
		}
		space := int64(1000)
		d.cases.Space = func() (int64, error) { return space, nil }
		if a := writer.do("POST", at+"begin", url.Values{"name": {"a.csv"}, "size": {"2000"}}, json1); a.status != http.StatusInsufficientStorage {
			t.Errorf("no room: %d %s", a.status, a.body)
		}
		space = 1 << 30
		a := writer.do("POST", at+"begin", url.Values{"name": {"a.csv"}, "size": {"10"}}, json1)
		if a.status != http.StatusOK {
			t.Fatal(a.status, a.body)
		}
		arrival := a.json(t)["arrival"].(string)
		for name, change := range map[string]func(r *http.Request){
			"no arrival": func(r *http.Request) { r.Header.Del(arrivalHeader) }, "a path": func(r *http.Request) { r.Header.Set(arrivalHeader, "../../x") },
			"no place": func(r *http.Request) { r.Header.Del(atHeader) }, "another place": func(r *http.Request) { r.Header.Set(atHeader, "5") },
			"another hash": func(r *http.Request) { r.Header.Set(sumHeader, strings.Repeat("0", 64)) }, "no hash": func(r *http.Request) { r.Header.Del(sumHeader) },
			"too much": func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 2<<20))), 2<<20
			},
		} {
			a := writer.do("POST", at+"piece", url.Values{}, func(r *http.Request) {
				aPiece(arrival)(r)
				r.Header.Set("Accept", "application/json")
				change(r)
			})
			if a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		if a := writer.do("POST", at+"piece", url.Values{}, aPiece(arrival)); a.status != http.StatusOK {
			t.Errorf("the right one: %d %s", a.status, a.body)
		}
		for _, name := range []string{"../x", "", ".hidden", "none.csv", "/etc/passwd", "link.csv"} {
			if name == "link.csv" {
				if err := os.Symlink("/etc/passwd", filepath.Join(d.folder, name)); err != nil {
					t.Fatal(err)
				}
			}
			if a := writer.post(at+"take", url.Values{"name": {name}}); a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, d.folder) {
				t.Errorf("%q from the folder: %d", name, a.status)
			}
		}
	})
}

// TestRemoveHeld: whoever removes what a legal hold keeps is told that, in their language, and where it is ended.
func TestRemoveHeld(t *testing.T) {
	err := fmt.Errorf("case shop: %w", closing.ErrHeld)
	if p, ok := failed.Problem(err); !ok || !slices.Contains(shownAgain, p.Status) {
		t.Errorf("%+v", p)
	}
	if ja, en := scopeWhy(language.JA, err), scopeWhy(language.EN, err); !strings.HasPrefix(ja, "法的な保存の指示があるあいだは、取り除けません。") || !strings.HasPrefix(en, "While a legal hold is on, nothing is removed.") {
		t.Errorf("%s %s", ja, en)
	}
}

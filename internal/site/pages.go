package site

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/web"
)

// listedOpenly is how many of the incidents that can be checked the home page lists before it folds the others away.
const listedOpenly = 6

// recent is how many incidents the home page lists.
const recent = 5

// stated returns the archive's entries of what the statement names.
func (s *Site) stated(r *http.Request) ([]archive.Entry, error) {
	st := s.Statement()
	if s.Archive == nil || st == nil {
		return nil, nil
	}
	var list []archive.Entry
	for some := range slices.Chunk(st.Incidents, 500) {
		var ids []string
		for _, in := range some {
			ids = append(ids, in.ID)
		}
		entries, err := s.Archive.Entries(r.Context(), ids)
		if err != nil {
			return nil, err
		}
		list = append(list, entries...)
	}
	return list, nil
}

// home is the check, and what was made public lately.
func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	list, err := s.stated(r)
	if err != nil {
		return err
	}
	var latest archive.Result
	if s.Archive != nil {
		if latest, err = s.Archive.Search(r.Context(), archive.Query{Limit: recent}); err != nil {
			return err
		}
	}
	st := s.Statement()
	checkable := st != nil && slices.ContainsFunc(st.Incidents, func(in check.Incident) bool { return in.State != check.Retired && in.State != check.Withdrawn })
	p := s.newPage(r, "home", checkable)
	if p.Stopped() {
		checkable, p.Script, p.Worker = false, nil, nil
	}
	p.Organisations = organisations(st, list, p.Lang.Lang)
	p.Title = p.Lang.Pick("漏えいの対象かどうかを確かめる", "Check whether you are affected")
	p.Description = p.Lang.Pick("自分の情報が漏えいの対象かどうかを、アドレスを誰にも知られずに確かめられます。答えには証明が付きます。",
		"Find out whether you are affected by a data breach without anybody learning your address. Every answer comes with a proof.")
	p.Body = struct {
		Empty, Checkable bool
		Kinds            []checkKind
		Final, Open      []covered // what a check answers for, and what it cannot yet
		Reopened         []covered // what it finds those of who were affected before
		Recent           []row
		Total            int
	}{latest.Total == 0, checkable, s.kinds(r, p, list), s.covered(p, list, check.Final), s.covered(p, list, check.Investigating), s.covered(p, list, check.Reopened), s.entryRows(p, latest.Entries), latest.Total}
	return s.frame.Show(w, r, http.StatusOK, "home", p)
}

// checkKind is a kind of identity that the form offers to check.
type checkKind struct {
	Kind, Organisation, Label string // Organisation is the id of whose account numbers they are
}

// kinds are what the published index holds: e-mail addresses always, as what most people have.
func (s *Site) kinds(r *http.Request, p sitePage, list []archive.Entry) []checkKind {
	lang, st := p.Lang.Lang, s.Statement()
	out := []checkKind{{string(identity.KindEmail), "", lang.Pick("メールアドレス", "An e-mail address")}}
	if st == nil {
		return out
	}
	asked := slices.DeleteFunc(slices.Clone(st.Incidents), func(in check.Incident) bool { return !in.State.Sealed() })
	here := p.PhoneRegion == "" || p.PhoneRegion == "JP" // a page reads the numbers of one country
	if here && slices.ContainsFunc(asked, func(in check.Incident) bool { return in.Counts[string(identity.KindPhone)] > 0 }) {
		out = append(out, checkKind{string(identity.KindPhone), "", lang.Pick("電話番号", "A telephone number")})
	}
	for _, in := range asked {
		if in.Counts[string(identity.KindAccount)] == 0 || s.Scope == nil {
			continue
		}
		of, ok := s.Scope(r.Context(), in.ID)
		if !ok || of.Organisation == "" || slices.ContainsFunc(out, func(k checkKind) bool { return k.Organisation == of.Organisation }) {
			continue
		}
		name := organisationOf(in, list, lang)
		out = append(out, checkKind{string(identity.KindAccount), of.Organisation, lang.Pick("会員番号・アカウントのID（"+name+"）", "An account number or ID of "+name)})
	}
	return out
}

// covered lists the incidents of the statement that are in a state, the newest as-of first.
func (s *Site) covered(p sitePage, list []archive.Entry, state check.State) []covered {
	st, lang := s.Statement(), p.Lang.Lang
	if st == nil {
		return nil
	}
	stated := slices.DeleteFunc(slices.Clone(st.Incidents), func(in check.Incident) bool { return in.State != state })
	slices.SortStableFunc(stated, func(a, b check.Incident) int { return b.AsOf.Compare(a.AsOf.Time) })
	var out []covered
	for _, in := range stated {
		out = append(out, covered{p.Link("/incidents/" + in.ID), titleOf(in, lang), organisationOf(in, list, lang), page.Time(lang, in.AsOf.In(incident.Japan))})
	}
	return out
}

// answer leads to the home page, where answers are: they have no address of their own.
func (s *Site) answer(w http.ResponseWriter, r *http.Request) error {
	lang := web.LanguageOf(r)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, lang.Link("/"), http.StatusSeeOther)
	return nil
}

// statementRow is an incident as the statement gives it.
type statementRow struct {
	Href, Title, Organisation, State, Revision string
	AsOf                                       template.HTML
	Counts                                     []string
}

// layerRow is a layer of the index.
type layerRow struct {
	ID, Key         string
	N, Buckets, Pad int64
}

type keyRow struct{ ID, Public string }

func (s *Site) statement(w http.ResponseWriter, r *http.Request) error {
	p := s.newPage(r, "", false)
	p.Title = p.Lang.Pick("いま公表している内容", "What is published now")
	p.Description = p.Lang.Pick("確認の答えのもとになる、公表の一覧、索引の層、鍵。", "The incidents, the layers of the index and the keys that answers rest on.")
	lang := p.Lang.Lang
	if st := s.Statement(); st != nil {
		body := &struct {
			Seq           int64
			Time, Expires template.HTML
			Expired       bool
			Incidents     []statementRow
			Layers        []layerRow
			Keys          []keyRow
		}{Seq: st.Seq, Time: page.Time(lang, st.Time.In(incident.Japan)), Expires: page.Time(lang, st.Expires.In(incident.Japan)),
			Expired: s.now().After(st.Expires.Time)}
		list, err := s.stated(r)
		if err != nil {
			return err
		}
		for _, in := range st.Incidents {
			row := statementRow{Href: p.Link("/incidents/" + in.ID), Title: titleOf(in, lang), Organisation: organisationOf(in, list, lang),
				State: incident.Word(lang, string(in.State)), Revision: in.Revision, AsOf: page.Time(lang, in.AsOf.In(incident.Japan))}
			if row.Revision == "0" {
				row.Revision = "–"
			}
			for _, kind := range []string{"email", "phone", "account"} {
				if n := in.Counts[kind]; n > 0 {
					row.Counts = append(row.Counts, kindLabel(lang, kind)+" "+language.Number(lang, n))
				}
			}
			body.Incidents = append(body.Incidents, row)
		}
		for _, l := range st.Layers {
			body.Layers = append(body.Layers, layerRow{l.ID.String(), l.Key, l.N, 1 << l.Bits, int64(l.Pad)})
		}
		for _, k := range st.Keys {
			body.Keys = append(body.Keys, keyRow{k.ID, base64.RawURLEncoding.EncodeToString(k.Public[:])})
		}
		p.Body = body
	}
	return s.frame.Show(w, r, http.StatusOK, "statement", p)
}

// titleOf returns the title of an incident in the statement, in lang if it has one.
func titleOf(in check.Incident, lang language.Lang) string {
	for _, l := range []language.Lang{lang, lang.Other()} {
		if title := in.Title[string(l)]; title != "" {
			return title
		}
	}
	return in.ID
}

// organisationOf returns who answers for an incident of the statement: in lang as the facts have it, else as the
// statement does, which knows one language only.
func organisationOf(in check.Incident, list []archive.Entry, lang language.Lang) string {
	for _, e := range list {
		if organisation := e.Organisation.In(lang); e.ID == in.ID && organisation != "" {
			return organisation
		}
	}
	return in.Organisation
}

func organisations(st *check.Statement, list []archive.Entry, lang language.Lang) []organisation {
	var out []organisation
	if st == nil {
		return nil
	}
	for _, in := range st.Incidents {
		o := organisation{in.Organisation, organisationOf(in, list, lang)}
		if o.Word != o.Label && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

func kindLabel(lang language.Lang, kind string) string {
	switch kind {
	case "email":
		return lang.Pick("メールアドレス", "e-mail addresses")
	case "phone":
		return lang.Pick("電話番号", "telephone numbers")
	}
	return lang.Pick("アカウント", "accounts")
}

func (s *Site) verify(w http.ResponseWriter, r *http.Request) error {
	list, err := s.stated(r)
	if err != nil {
		return err
	}
	p := s.newPage(r, "verify", true)
	p.Organisations = organisations(s.Statement(), list, p.Lang.Lang)
	p.Title = p.Lang.Pick("保存した答えを検証する", "Verify a saved answer")
	p.Description = p.Lang.Pick("保存した答えの証明を、この端末の中で計算し直して確かめます。", "Every proof in a saved answer is computed again, on your device.")
	return s.frame.Show(w, r, http.StatusOK, "verify", p)
}

// script is a file of the check's program, with its fingerprint.
type script struct{ Name, SHA256 string }

func (s *Site) how(w http.ResponseWriter, r *http.Request) error {
	p := s.newPage(r, "how", false)
	p.Title = p.Lang.Pick("仕組み", "How it works")
	p.Description = p.Lang.Pick("確認のときに、運営者に何が見えず、何が見え、何が残るのか。", "What the operator cannot see when you check, what it can, and what remains.")
	body := struct {
		Bits     int
		Buckets  int64
		Scripts  []script
		Recorded bool
		Index    int64
		Hash     string
		Witnesses
	}{}
	if st := s.Statement(); st != nil {
		body.Bits = visible(st)
	}
	if s.Release != nil {
		body.Index, body.Hash, body.Recorded = s.Release()
	}
	if s.Witnesses != nil {
		body.Witnesses = s.Witnesses(r.Context())
		for i, w := range body.Each {
			if !w.Cosigned.IsZero() { // as all times of this site
				body.Each[i].Cosigned = w.Cosigned.In(incident.Japan)
			}
		}
	}
	body.Buckets = 1 << body.Bits
	for _, name := range scriptNames {
		if a, ok := s.frame.Asset(name); ok {
			body.Scripts = append(body.Scripts, script{name, a.SHA256})
		}
	}
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "how", p)
}

// scriptNames are the scripts that pages load.
var scriptNames = []string{"check.js", "check-worker.js", "people.js"}

// Scripts returns the SHA-256, in hex, of each script that the pages of this program load: what a release of the page
// is, for the ledger.
func Scripts() (map[string]string, error) {
	out := map[string]string{}
	for _, name := range scriptNames {
		data, err := embedded.ReadFile("assets/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("scripts of the page: %w", err)
		}
		sum := sha256.Sum256(data)
		out[name] = hex.EncodeToString(sum[:])
	}
	return out, nil
}

// visible returns how many bits about an address the requests of one check tell: layers of one key use the same
// leading bits, so only the deepest counts; keys are independent. Where clients refuse the statement, that is none.
func visible(st *check.Statement) int {
	depths, err := st.Depths(check.CapBits)
	if err != nil {
		return 0
	}
	deepest := map[string]int{}
	for _, l := range st.Layers {
		deepest[l.Key] = max(deepest[l.Key], depths[l.ID])
	}
	sum := 0
	for _, bits := range deepest {
		sum += bits
	}
	return sum
}

// missing names what a path asks for where that is not on record: an incident, a notice, an organisation.
func missing(lang language.Lang, path string) string {
	for _, of := range []struct{ prefix, ja, en string }{
		{"/incidents/", "「%s」という事案の記録はありません。アドレスが間違っているか、まだ公表していない事案です。", "There is no incident “%s” on record: the address is wrong, or it has not been published."},
		{"/notices/", "「%s」というお知らせはありません。", "There is no notice “%s”."},
		{"/organisations/", "「%s」という組織の記録はありません。", "There is no organisation “%s” on record."},
	} {
		if rest, ok := strings.CutPrefix(path, of.prefix); ok {
			if id, _, _ := strings.Cut(rest, "/"); id != "" {
				return fmt.Sprintf(lang.Pick(of.ja, of.en), shortened(id))
			}
		}
	}
	return ""
}

// errorPage tells a person what went wrong, and what to do.
func (s *Site) errorPage(w http.ResponseWriter, r *http.Request, problem web.Problem) {
	p := s.newPage(r, "", false)
	body := page.WrongOf(p.Lang.Lang, problem)
	if problem.Status == http.StatusNotFound {
		body.What = p.Lang.Pick("アドレスが間違っているか、まだ公表していない事案です。", "The address is wrong, or the incident has not been published.")
		if what := missing(p.Lang.Lang, r.URL.Path); what != "" {
			body.What = what
		}
		body.Remedy = p.Lang.Pick("公表した内容は、取り下げたものも含めて消しません。リンクをたどって来られた場合は、リンク元の誤りかもしれません。",
			"Nothing that was published is ever removed, not even what was withdrawn. If you followed a link, the link may be wrong.")
	}
	p.Failed, p.Title, p.Body = true, body.Heading, body
	s.frame.ShowWrong(w, r, problem, p)
}

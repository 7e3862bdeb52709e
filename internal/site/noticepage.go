package site

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/web"
)

// kindLabel says what kind of notice it is.
func kindOf(lang language.Lang, kind string) string {
	switch kind {
	case incident.KindAddendum:
		return lang.Pick("追記", "addendum")
	case incident.KindCorrection:
		return lang.Pick("訂正", "correction")
	case incident.KindRetraction:
		return lang.Pick("取り下げ", "withdrawal")
	case incident.KindRevision:
		return lang.Pick("改訂", "revision")
	}
	return lang.Pick("初版", "first version")
}

func versionName(lang language.Lang, version int64) string {
	return fmt.Sprintf(lang.Pick("第%d版", "Version %d"), version)
}

// noticeLinks lists notices in the order in which they were published.
func (s *Site) noticeLinks(p sitePage, i incident.Incident, list []incident.Notice, current string) []noticeLink {
	lang := p.Lang.Lang
	standing := incident.Standings(list)
	var out []noticeLink
	for _, n := range list {
		l := noticeLink{Href: p.Link("/notices/" + n.ID), Name: versionName(lang, n.Version), Kind: kindOf(lang, n.Kind),
			When: page.Time(lang, n.Time.In(incident.Japan)), Current: n.ID == current}
		switch st := standing[n.Version]; {
		case st.Withdrawn != 0:
			l.Mark = fmt.Sprintf(lang.Pick("第%d版で取り下げ", "withdrawn by version %d"), st.Withdrawn)
		case len(st.Corrected) > 0:
			l.Mark = fmt.Sprintf(lang.Pick("第%d版で訂正", "corrected by version %d"), st.Corrected[len(st.Corrected)-1])
		case st.Replaced != 0:
			l.Mark = fmt.Sprintf(lang.Pick("第%d版に置き換え", "replaced by version %d"), st.Replaced)
		}
		if at, ok := speaks(n); ok {
			l.About, l.Text = moment(lang, local(i, at)), gist(lang, i, n)
			if n.Time.Sub(at.Time) > longAfter {
				l.Later = l.When
			}
		}
		out = append(out, l)
	}
	return out
}

// longAfter is by how much a notice is published here after what it says was told.
const longAfter = 48 * time.Hour

// published returns the fact addendum that a notice publishes.
func published(n incident.Notice) (incident.Fact, bool) {
	for _, f := range n.Facts {
		if n.Item != "" && f.Key == "addendum" && f.Item == n.Item {
			return f, true
		}
	}
	return incident.Fact{}, false
}

// speaks returns as of when an addendum, a correction or a retraction speaks, where that is not when it was published: the time
// that it gives itself, or the newest of what it says, if that is days before. What is said of a time yet to come is no time of
// the notice.
func speaks(n incident.Notice) (incident.Moment, bool) {
	if f, ok := published(n); ok {
		return f.Value.Time, true
	}
	if n.Whole() || n.Kind == incident.KindRetraction || len(n.Facts) == 0 { // a withdrawal speaks when it is published
		return incident.Moment{}, false
	}
	newest := slices.MaxFunc(n.Facts, func(a, b incident.Fact) int { return a.AsOf.Time.Compare(b.AsOf.Time) }).AsOf
	if n.Time.Sub(newest.Time) <= longAfter {
		return incident.Moment{}, false
	}
	return newest, true
}

// gist says in a line what an addendum publishes: its own words, or what was done.
func gist(lang language.Lang, i incident.Incident, n incident.Notice) string {
	if f, ok := published(n); ok {
		return f.Value.Text.In(lang)
	}
	for _, f := range n.Facts {
		if f.Key == "action" && n.Kind == incident.KindAddendum {
			return inWords(lang, i, f)
		}
	}
	return ""
}

// noticeBody is what the page of a notice shows.
type noticeBody struct {
	ID, Kind            string
	Issuer              string // whose notice it is
	Heading             string // where the text has none of its own
	HTML                template.HTML
	Marks               []mark
	IncidentHref, Title string
	Version             int64
	Published           template.HTML
	Index               int64
	SHA256, Proof       string
	DataHref, ProofHref string
	URL                 string
	Later               []noticeLink // about this one, in the order of time
	All                 []noticeLink
	Was                 []wasRow
	Against             []noticeLink // other versions to compare with
	Diff                *diffBody
	Draft               bool // in a preview: what would be published
}

// mark says at the top of a notice what came of it, and leads on.
type mark struct {
	Tone, Text, Href, Link string
}

// wasRow is a fact that a correction corrects.
type wasRow struct{ Label, Was, Is string }

// notice is one version of a notice, and its proof.
func (s *Site) notice(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil {
		return errNotHere
	}
	n, err := s.Archive.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	all, err := s.Archive.Notices(r.Context(), n.Incident)
	if err != nil {
		return err
	}
	i, err := s.Archive.Get(r.Context(), n.Incident)
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	text, err := incident.HTML(n.Text.In(lang))
	if err != nil {
		return err
	}
	var proof []byte
	if s.Proof != nil && n.LedgerIndex >= 0 {
		if proof, err = s.Proof(r.Context(), n.LedgerIndex); err != nil {
			s.Log.Error("proof of a notice", "notice", n.ID, "error", err)
		}
	}
	sum := n.SHA256()
	digest := hex.EncodeToString(sum[:])
	p.Title = p.Lang.Pick(i.Title(language.JA)+"のお知らせ", "Notice: "+i.Title(language.EN))
	if n.Version > 1 {
		p.Title += p.Lang.Pick("（", " (") + versionName(lang, n.Version) + p.Lang.Pick("　", ", ") + kindOf(lang, n.Kind) + p.Lang.Pick("）", ")")
	}
	p.Description = p.Lang.Pick("お知らせの全文と、公開台帳に記録されていることの証明。", "The notice in full, with the proof that it is in the public ledger.")
	p.Issuer = i.Organisation(lang)
	links := s.noticeLinks(p, i, all, n.ID)
	draft := n.LedgerIndex < 0
	body := noticeBody{ID: n.ID, Kind: kindOf(lang, n.Kind), Issuer: cmp.Or(i.Organisation(lang), p.Operator.Name), HTML: closed(text), Marks: marks(p, n, all), IncidentHref: p.Link("/incidents/" + n.Incident),
		Title: i.Title(lang), Version: n.Version, Published: page.Time(lang, n.Time.In(incident.Japan)), Index: n.LedgerIndex, SHA256: digest,
		Proof: string(proof), DataHref: "/ledger/v1/data/" + digest, ProofHref: "/notices/" + n.ID + "/proof", URL: p.Base + "/notices/" + n.ID,
		Later: later(links, n, all), All: bare(links), Draft: draft}
	if draft {
		body.Marks = append(body.Marks, mark{"open", lang.Pick("これは下書きです。公表も署名もされていません。", "This is a draft. It is neither published nor signed."), "", ""})
	}
	for _, f := range n.Was {
		body.Was = append(body.Was, wasRow{incident.KeyLabel(lang, f.Key), inWords(lang, i, f), newValue(lang, i, n, f)})
	}
	for k, other := range all {
		if other.ID != n.ID {
			l := links[k]
			l.Href = p.Link("/notices/"+n.ID+"?against="+strconv.FormatInt(other.Version, 10)) + "#diff"
			body.Against = append(body.Against, l)
		}
	}
	if against := r.URL.Query().Get("against"); against != "" {
		version, err := strconv.ParseInt(against, 10, 32)
		if err != nil || version < 1 || version > int64(len(all)) || version == n.Version {
			return errNotHere
		}
		body.Diff = difference(lang, i, all, min(version, n.Version), max(version, n.Version))
		p.Canonical = p.Base + "/notices/" + n.ID
		p.Query = "against=" + strconv.FormatInt(version, 10) // the other language compares the same
	}
	if !strings.Contains(string(text), "<h1") {
		body.Heading = p.Title
	}
	p.Data = noticeData(p, i, n, all)
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "notice", p)
}

// closed sets the word that ends a Japanese notice to the right, where a letter has it.
func closed(text template.HTML) template.HTML {
	return template.HTML(ending.ReplaceAllString(string(text), `<p class="end">$1</p>`))
}

var ending = regexp.MustCompile(`<p>(以[ 　]?上)</p>`)

// newValue is what a correction says in place of a fact.
func newValue(lang language.Lang, i incident.Incident, n incident.Notice, was incident.Fact) string {
	for _, f := range n.Facts {
		if f.Key == was.Key && f.Item == was.Item {
			return inWords(lang, i, f)
		}
	}
	return ""
}

// marks say at the top what this version is about, and what later ones say of it.
func marks(p sitePage, n incident.Notice, all []incident.Notice) []mark {
	lang := p.Lang.Lang
	href := func(version int64) string { return p.Link("/notices/" + incident.NoticeID(n.Incident, version)) }
	st := incident.Standings(all)[n.Version]
	var out []mark
	if st.Withdrawn != 0 {
		out = append(out, mark{"hit", lang.Pick("このお知らせは取り下げられました。記録として、そのまま残しています。", "This notice has been withdrawn. It is kept as it was, as a record."),
			href(st.Withdrawn), fmt.Sprintf(lang.Pick("取り下げのお知らせ（第%d版）", "The withdrawal (version %d)"), st.Withdrawn)})
	}
	for _, v := range st.Corrected {
		out = append(out, mark{"hit", lang.Pick("このお知らせには訂正があります。", "This notice has been corrected."), href(v),
			fmt.Sprintf(lang.Pick("訂正のお知らせ（第%d版）", "The correction (version %d)"), v)})
	}
	if st.Replaced != 0 && st.Withdrawn == 0 {
		newest := st.Replaced
		for _, m := range all {
			if m.Kind == incident.KindRevision {
				newest = m.Version
			}
		}
		out = append(out, mark{"open", lang.Pick("これは以前の版です。いまの全文は、新しい版にあります。", "This is an earlier version. The text as it is now is in a newer one."), href(newest),
			fmt.Sprintf(lang.Pick("新しい全文（第%d版）", "The newer text (version %d)"), newest)})
	}
	if n.About != 0 {
		about := map[string][2]string{
			incident.KindAddendum:   {"これは、第%d版への追記です。全文は、第%d版にあります。", "This adds to version %d. The whole text is in version %d."},
			incident.KindCorrection: {"これは、第%d版の訂正です。訂正する前の全文は、第%d版にあります。", "This corrects version %d. The text before it is in version %d."},
			incident.KindRetraction: {"これは、第%d版の取り下げです。取り下げた文面は、第%d版にあります。", "This withdraws version %d. What was withdrawn is in version %d."},
		}[n.Kind]
		out = append(out, mark{"", fmt.Sprintf(lang.Pick(about[0], about[1]), n.About, n.About), href(n.About), versionName(lang, n.About)})
	}
	return out
}

// later lists what was published about a version, in the order of the times that addenda give themselves.
func later(links []noticeLink, n incident.Notice, all []incident.Notice) []noticeLink {
	type timed struct {
		noticeLink
		at int64
	}
	var list []timed
	for k, m := range all {
		if m.About != n.Version {
			continue
		}
		at := m.Time.Unix()
		if said, ok := speaks(m); ok {
			at = said.Time.Unix()
		}
		list = append(list, timed{links[k], at})
	}
	slices.SortStableFunc(list, func(a, b timed) int { return int(min(1, max(-1, a.at-b.at))) })
	var out []noticeLink
	for _, l := range list {
		out = append(out, l.noticeLink)
	}
	return out
}

// bare leaves out what notices say, where the page has told it already.
func bare(links []noticeLink) []noticeLink {
	out := slices.Clone(links)
	for k := range out {
		out[k].Text, out[k].Later = "", ""
	}
	return out
}

// noticeProof is the tlog-proof of a notice, as text.
func (s *Site) noticeProof(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil || s.Proof == nil {
		return errNotHere
	}
	n, err := s.Archive.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if n.LedgerIndex < 0 { // a draft
		return errNotHere
	}
	proof, err := s.Proof(r.Context(), n.LedgerIndex)
	if err != nil {
		return fmt.Errorf("proof of notice %s: %w", n.ID, err)
	}
	web.NewContent("text/plain; charset=utf-8", "", "", proof).Serve(w, r, http.StatusOK)
	return nil
}

// diffBody is what is different between two versions.
type diffBody struct {
	From, To string
	Facts    []diffFact
	Text     template.HTML
}

// diffFact is a fact that two versions leave differently.
type diffFact struct{ Label, From, To string }

// difference compares what the notices up to one version say with what they say up to another, and the two texts.
func difference(lang language.Lang, i incident.Incident, all []incident.Notice, from, to int64) *diffBody {
	out := &diffBody{From: versionName(lang, from), To: versionName(lang, to)}
	was, is := incident.Published(all[:from]), incident.Published(all[:to])
	find := func(list []incident.Fact, f incident.Fact) string {
		for _, g := range list {
			if g.Key == f.Key && g.Item == f.Item {
				return inWords(lang, i, g)
			}
		}
		return ""
	}
	for _, f := range was {
		if now := find(is, f); now != inWords(lang, i, f) {
			out.Facts = append(out.Facts, diffFact{incident.KeyLabel(lang, f.Key), inWords(lang, i, f), now})
		}
	}
	for _, f := range is {
		if find(was, f) == "" {
			out.Facts = append(out.Facts, diffFact{incident.KeyLabel(lang, f.Key), "", inWords(lang, i, f)})
		}
	}
	out.Text = diffHTML(saidBy(lang, all[:from]), saidBy(lang, all[:to]), strings.Fields(lang.Pick("削除： 追加：", "removed: added:")))
	return out
}

// saidBy is what a reader of all notices has read: the newest whole text, and what was added to it since and not
// withdrawn.
func saidBy(lang language.Lang, notices []incident.Notice) string {
	standing := incident.Standings(notices)
	var out []string
	for _, n := range notices {
		if n.Whole() {
			out = nil
		}
		if standing[n.Version].Withdrawn == 0 {
			out = append(out, strings.TrimSpace(n.Text.In(lang))+"\n")
		}
	}
	return strings.Join(out, "\n")
}

package site

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/chart"
	"shirase/internal/language"
)

// maxCompared is how many incidents stand side by side.
const maxCompared = 6

// comparison is a set of incidents side by side.
type comparison struct {
	tables       []learnTable
	list         []incident.Incident
	Charts       []chartView
	Chosen       []comparedIncident
	Attributions []attribution
	Add          string // the archive, to find more
	Max          int
	Unknown      []string // ids that lead nowhere
	Query        string   // what is searched for, to be added
	Address      bool     // it looks like somebody's address, and is not searched for
	Found        []foundIncident
	Searched     bool
}

// foundIncident is one that can be added to a comparison: Href is the page with it.
type foundIncident struct{ Title, Organisation, Date, Href string }

// offered is how many incidents a search for more offers.
const offered = 10

// comparedIncident is one of them, with the letter it has in the pictures.
type comparedIncident struct {
	ID, Letter, Title, Organisation, Href, Without string
	Timeline                                       *chartView
}

// letters name the incidents in pictures.
const letters = "ABCDEF"

// idsOf reads which incidents are to be compared.
func idsOf(v url.Values) []string {
	var ids []string
	for _, id := range v["id"] {
		for _, one := range strings.FieldsFunc(id, func(r rune) bool { return r == ',' || r == ' ' }) {
			if !slices.Contains(ids, one) {
				ids = append(ids, one)
			}
		}
	}
	return ids[:min(len(ids), maxCompared)]
}

// compareTables gathers what is compared.
func (s *Site) compareTables(r *http.Request, l language.Lang) (*comparison, error) {
	ids := idsOf(r.URL.Query())
	c := &comparison{Max: maxCompared}
	for _, id := range ids {
		if !incident.ValidID(id) {
			c.Unknown = append(c.Unknown, shortened(id))
			continue
		}
		i, err := s.Archive.Get(r.Context(), id)
		if errors.Is(err, incident.ErrNotFound) {
			c.Unknown = append(c.Unknown, id)
			continue
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.list, func(x incident.Incident) bool { return x.ID == i.ID }) { // merged into one
			continue
		}
		c.list = append(c.list, i)
	}
	if len(c.list) == 0 {
		return c, nil
	}
	ids = nil
	for _, i := range c.list {
		ids = append(ids, i.ID)
	}
	entries, err := s.Archive.Entries(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b archive.Entry) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	times, err := s.compareTimes(r, l, ids)
	if err != nil {
		return nil, err
	}
	c.tables = []learnTable{
		{"compare", "", factsBeside(l, entries), nil},
		{"compare-times", "", times, []string{timesNote(l)}},
		{"compare-told", "", toldBeside(l, c.list), []string{l.Pick("「記録なし」は、ここに記録がないという意味で、伝えられなかったという意味ではありません。", "“No record” means that there is none here, not that it was not told.")}},
	}
	return c, nil
}

// compareTimes marks each incident's intervals among those of the archive.
func (s *Site) compareTimes(r *http.Request, l language.Lang, ids []string) (chart.Chart, error) {
	st, err := s.peers.Statistics(r.Context(), archive.Filter{})
	if err != nil {
		return chart.Chart{}, err
	}
	marks := map[archive.Interval][]chart.Marked{}
	for k, id := range ids {
		placings, err := s.peers.Placings(r.Context(), id)
		if err != nil {
			return chart.Chart{}, err
		}
		for _, v := range archive.Intervals {
			m := chart.Marked{Name: letters[k : k+1]}
			if n := slices.IndexFunc(placings, func(p archive.Placing) bool { return p.Interval == v }); n >= 0 {
				m.Span, m.Rank = placings[n].Span, chart.Rank(l, placings[n])
			}
			marks[v] = append(marks[v], m)
		}
	}
	strips := chart.Strips{Lang: l, Name: l.Pick("同じ節目の中での位置", "Among the same milestones")}
	for _, v := range archive.Intervals {
		if slices.ContainsFunc(marks[v], func(m chart.Marked) bool { return m.Span.Precision != 0 }) {
			strips.Rows = append(strips.Rows, chart.Strip{Label: v.Label(l), Distribution: st.Intervals[v], Marks: marks[v]})
		}
	}
	return strips.Chart(), nil
}

// factsBeside sets the entries' facts side by side.
func factsBeside(l language.Lang, entries []archive.Entry) chart.Chart {
	t := chart.Table{Caption: l.Pick("並べて見る", "Side by side"), Columns: []chart.Column{{Head: l.Pick("項目", "Fact")}}}
	row := func(label string, cell func(e archive.Entry) chart.Cell) {
		cells := []chart.Cell{{Text: label}}
		for _, e := range entries {
			c := cell(e)
			if c.Text == "" {
				c.Text = "–"
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, cells)
	}
	for k, e := range entries {
		t.Columns = append(t.Columns, chart.Column{Head: letters[k:k+1] + l.Pick("　", " · ") + e.Title.In(l)})
	}
	row(incident.KeyLabel(l, "organisation"), func(e archive.Entry) chart.Cell { return chart.Cell{Text: e.Organisation.In(l)} })
	row(l.Pick("日付", "Date"), func(e archive.Entry) chart.Cell {
		if e.DateKey == "recorded" {
			return chart.Cell{}
		}
		return chart.Cell{Text: e.Day().In(l) + l.Pick("（", " (") + incident.KeyLabel(l, e.DateKey) + l.Pick("）", ")")}
	})
	row(incident.KeyLabel(l, "affected.count"), func(e archive.Entry) chart.Cell {
		return chart.Cell{Text: incident.Counts(l, e.Affected, e.Parts)}
	})
	for _, key := range []struct {
		key  string
		word func(archive.Entry) string
	}{{"cause", func(e archive.Entry) string { return e.Cause }}, {"sector", func(e archive.Entry) string { return e.Sector }}, {"country", func(e archive.Entry) string { return e.Country }}} {
		row(incident.KeyLabel(l, key.key), func(e archive.Entry) chart.Cell {
			if key.word(e) == "" {
				return chart.Cell{}
			}
			return chart.Cell{Text: archive.FacetLabel(key.key, key.word(e)).In(l)}
		})
	}
	row(incident.KeyLabel(l, "data-class"), func(e archive.Entry) chart.Cell {
		return chart.Cell{Text: strings.Join(incident.ClassLabelsIn(l, e.Country, e.Classes), l.Pick("、", ", "))}
	})
	for _, v := range archive.Intervals {
		row(v.Label(l), func(e archive.Entry) chart.Cell {
			if s := e.Spans()[v]; s != nil {
				return chart.SpanCell(l, *s)
			}
			return chart.Cell{}
		})
	}
	row(l.Pick("出どころ", "Recorded from"), func(e archive.Entry) chart.Cell {
		return chart.Cell{Text: datasetName(l, e.Dataset)}
	})
	return chart.Chart{Name: t.Caption, Table: t}
}

// toldBeside is the checklist of each, by marks and words.
func toldBeside(l language.Lang, list []incident.Incident) chart.Chart {
	t := chart.Table{Caption: l.Pick("何を伝えたか", "What each told"), Columns: []chart.Column{{Head: l.Pick("項目", "Heading")}}}
	marks := make([][]archive.Mark, len(list))
	for k, i := range list {
		t.Columns = append(t.Columns, chart.Column{Head: letters[k : k+1]})
		marks[k] = archive.Checklist(i)
	}
	t.Columns = append(t.Columns, chart.Column{Head: l.Pick("求めている規定", "Asked for by")})
	for n, h := range archive.Headings() {
		row := []chart.Cell{{Text: h.Label.In(l)}}
		for k := range list {
			row = append(row, markCell(l, marks[k][n]))
		}
		t.Rows = append(t.Rows, append(row, chart.Cell{Text: h.Rules}))
	}
	return chart.Chart{Name: t.Caption, Table: t}
}

func markCell(l language.Lang, m archive.Mark) chart.Cell {
	switch m {
	case archive.Told:
		return chart.Cell{Text: l.Pick("● あり", "● told"), Machine: "told"}
	case archive.SaidUnknown:
		return chart.Cell{Text: l.Pick("○ 未判明と公表", "○ said to be unknown"), Machine: "unknown"}
	}
	return chart.Cell{Text: l.Pick("– 記録なし", "– no record"), Machine: "no record"}
}

func (s *Site) compare(w http.ResponseWriter, r *http.Request) error {
	if s.peers == nil {
		return errNotHere
	}
	p := s.newPage(r, "learn", false)
	l := p.Lang.Lang
	p.Title = l.Pick("事案を並べて見る", "Incidents side by side")
	c, err := s.compareTables(r, l)
	if err != nil {
		return err
	}
	query := url.Values{}
	for _, i := range c.list {
		query.Add("id", i.ID)
	}
	for _, t := range c.tables {
		c.Charts = append(c.Charts, chartOf(p, t.chart, "chart-"+t.name, "/learn/"+t.name+".csv?"+query.Encode(), t.notes...))
	}
	var shares []archive.DatasetShare
	for k, i := range c.list {
		without := url.Values{}
		for _, other := range c.list {
			if other.ID != i.ID {
				without.Add("id", other.ID)
			}
		}
		one := comparedIncident{ID: i.ID, Letter: letters[k : k+1], Title: i.Title(l), Organisation: i.Organisation(l), Href: p.Link("/incidents/" + i.ID), Without: p.Link("/learn/compare?" + without.Encode())}
		if one.Timeline = timelineView(p, i); one.Timeline != nil {
			one.Timeline.ID += "-" + one.Letter
			one.Timeline.SVG = chart.OfIncident(l, i).Chart().SVG(one.Timeline.ID)
		}
		c.Chosen = append(c.Chosen, one)
		from, ok, err := s.Archive.Provenance(r.Context(), i.ID)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if n := slices.IndexFunc(shares, func(d archive.DatasetShare) bool { return d.Dataset == from.Dataset }); n >= 0 {
			shares[n].N++
			continue
		}
		shares = append(shares, archive.DatasetShare{Dataset: from.Dataset, N: 1, Sample: i.ID})
	}
	if c.Attributions, err = s.attributions(r.Context(), l, shares); err != nil {
		return err
	}
	if err := s.offer(r, p, c, query); err != nil {
		return err
	}
	c.Add, p.Query, p.NoIndex = p.Link("/incidents"), query.Encode(), true
	p.Body = c
	status := http.StatusOK
	if len(c.Unknown) > 0 {
		status = http.StatusNotFound
	}
	return s.frame.Show(w, r, status, "compare", p)
}

// offer searches for incidents to add to a comparison whose address has the query chosen.
func (s *Site) offer(r *http.Request, p sitePage, c *comparison, chosen url.Values) error {
	c.Query = strings.TrimSpace(r.URL.Query().Get("q"))
	if c.Query == "" {
		return nil
	}
	if strings.ContainsAny(c.Query, "@＠") { // an address does not belong in a URL, and finds nothing here
		c.Query, c.Address = "", true
		return nil
	}
	res, err := s.Archive.Search(r.Context(), archive.Query{Text: c.Query, Limit: offered})
	if err != nil && !errors.Is(err, archive.ErrQuery) {
		return err
	}
	c.Searched = true
	for _, e := range res.Entries {
		if slices.Contains(chosen["id"], e.ID) {
			continue
		}
		with := url.Values{"id": append(slices.Clone(chosen["id"]), e.ID)}
		f := foundIncident{Title: e.Title.In(p.Lang.Lang), Organisation: e.Organisation.In(p.Lang.Lang), Href: p.Link("/learn/compare?" + with.Encode())}
		if e.DateKey != "recorded" {
			f.Date = e.Day().In(p.Lang.Lang)
		}
		c.Found = append(c.Found, f)
	}
	return nil
}

// likeBody is what "cases like yours" shows.
type likeBody struct {
	tables       []learnTable
	Form         []selection
	Classes      []formOption
	Asked        bool
	Found        []likeRow
	Group        string // what the times below are of
	Times        *chartView
	CSV          string
	Attributions []attribution
	Max          int
}

type likeRow struct {
	ID, Title, Organisation, Date, Affected, Href string
	Reasons                                       []string
	Spans                                         []labelled
}

type labelled struct{ Label, Value string }

// likenessOf reads the facts of the reader's own case.
func likenessOf(v url.Values) (archive.Likeness, error) {
	q, err := archive.ParseQuery(v)
	if err != nil {
		return archive.Likeness{}, err
	}
	first := func(list []string) string {
		if len(list) == 0 || list[0] == "unknown" {
			return ""
		}
		return list[0]
	}
	return archive.Likeness{Cause: first(q.Causes), Sector: first(q.Sectors), Country: first(q.Countries), Size: first(q.Sizes), Classes: q.Classes}, nil
}

// likeTables finds the cases.
func (s *Site) likeTables(r *http.Request, l language.Lang) (*likeBody, error) {
	like, err := likenessOf(r.URL.Query())
	if err != nil {
		return nil, err
	}
	found, st, err := s.peers.Like(r.Context(), like)
	if err != nil {
		return nil, err
	}
	b := &likeBody{Asked: !like.Empty(), Max: maxCompared}
	t := chart.Table{Caption: l.Pick("似た事案", "Cases like it"), Columns: []chart.Column{{Head: "id"}, {Head: incident.KeyLabel(l, "title")}, {Head: incident.KeyLabel(l, "organisation")}, {Head: l.Pick("似ている点", "Alike in")}}}
	for _, v := range archive.Intervals {
		t.Columns = append(t.Columns, chart.Column{Head: v.Label(l)})
	}
	var shares []archive.DatasetShare
	for _, f := range found {
		row := likeRow{ID: f.Entry.ID, Title: f.Entry.Title.In(l), Organisation: f.Entry.Organisation.In(l), Href: "/incidents/" + f.Entry.ID}
		if f.Entry.DateKey != "recorded" {
			row.Date = f.Entry.Day().In(l) + l.Pick("（", " (") + incident.KeyLabel(l, f.Entry.DateKey) + l.Pick("）", ")")
		}
		row.Affected = incident.Counts(l, f.Entry.Affected, f.Entry.Parts)
		for _, reason := range f.Reasons {
			row.Reasons = append(row.Reasons, reason.In(l))
		}
		cells := []chart.Cell{{Text: row.ID}, {Text: row.Title}, {Text: row.Organisation}, {Text: strings.Join(row.Reasons, l.Pick("、", "; "))}}
		for v, span := range f.Entry.Spans() {
			cell := chart.Cell{}
			if span != nil {
				cell = chart.SpanCell(l, *span)
				row.Spans = append(row.Spans, labelled{archive.Interval(v).Label(l), cell.Text})
			}
			cells = append(cells, cell)
		}
		t.Rows = append(t.Rows, cells)
		b.Found = append(b.Found, row)
		if n := slices.IndexFunc(shares, func(d archive.DatasetShare) bool { return d.Dataset == f.Entry.Dataset }); n >= 0 {
			shares[n].N++
		} else {
			shares = append(shares, archive.DatasetShare{Dataset: f.Entry.Dataset, N: 1, Sample: f.Entry.ID})
		}
	}
	b.tables = []learnTable{{"like", "", chart.Chart{Name: t.Caption, Table: t}, nil}}
	var group []string
	if like.Cause != "" {
		group = append(group, incident.KeyLabel(l, "cause")+": "+incident.Word(l, like.Cause))
	}
	if like.Sector != "" {
		group = append(group, incident.KeyLabel(l, "sector")+": "+incident.SectorLabel(l, like.Sector))
	}
	if len(group) > 0 && st.N > 0 {
		b.Group = fmt.Sprintf(l.Pick("%s（%s件）", "%s (%s incidents)"), strings.Join(group, l.Pick("、", ", ")), language.Digits(int64(st.N)))
		b.tables = append(b.tables, learnTable{"like-times", "", chart.OfIntervals(l, l.Pick("かかった時間: ", "How long it took: ")+b.Group, st.Intervals[:]).Chart(), []string{timesNote(l)}})
		shares = st.Datasets
	}
	if b.Attributions, err = s.attributions(r.Context(), l, shares); err != nil {
		return nil, err
	}
	return b, nil
}

func (s *Site) like(w http.ResponseWriter, r *http.Request) error {
	if s.peers == nil {
		return errNotHere
	}
	p := s.newPage(r, "learn", false)
	l := p.Lang.Lang
	p.Title = l.Pick("似た事案を探す", "Cases like yours")
	b, err := s.likeTables(r, l)
	if err != nil {
		return err
	}
	like, err := likenessOf(r.URL.Query())
	if err != nil {
		return err
	}
	whole, err := s.peers.Statistics(r.Context(), archive.Filter{})
	if err != nil {
		return err
	}
	known := func(words []string) []string {
		return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "unknown" })
	}
	b.Form = []selection{selectionOf(l, "cause", known(whole.Words[1]), []string{like.Cause}), selectionOf(l, "sector", known(whole.Words[0]), []string{like.Sector}),
		selectionOf(l, "country", known(whole.Words[2]), []string{like.Country})}
	size := selection{Name: "size", Label: incident.KeyLabel(l, "affected.count"), Any: l.Pick("指定しない", "any")}
	for _, w := range known(archive.Sizes) {
		size.Choices = append(size.Choices, formOption{w, archive.FacetLabel("size", w).In(l), w == like.Size})
	}
	b.Form = append(b.Form, size)
	for _, c := range incident.Classes() {
		b.Classes = append(b.Classes, formOption{c.Word, c.Label.In(l), slices.Contains(like.Classes, c.Word)})
	}
	query := archive.Query{Causes: some(like.Cause), Sectors: some(like.Sector), Countries: some(like.Country), Sizes: some(like.Size), Classes: like.Classes}.Values().Encode()
	b.CSV, p.Query, p.NoIndex = p.Link("/learn/like.csv?"+query), query, p.NoIndex || query != ""
	for k := range b.Found {
		b.Found[k].Href = p.Link(b.Found[k].Href)
	}
	if len(b.tables) > 1 {
		v := chartOf(p, b.tables[1].chart, "chart-like", "/learn/like-times.csv?"+query, b.tables[1].notes...)
		b.Times = &v
	}
	p.Body = b
	return s.frame.Show(w, r, http.StatusOK, "like", p)
}

func some(w string) []string {
	if w == "" {
		return nil
	}
	return []string{w}
}

// placed adds to the figures of an incident where each interval stands among those of others.
func (s *Site) placed(r *http.Request, l language.Lang, id string, figures []figure) ([]figure, error) {
	if s.peers == nil {
		return figures, nil
	}
	placings, err := s.peers.Placings(r.Context(), id)
	if err != nil {
		return nil, err
	}
	for _, p := range placings {
		note := ""
		if p.Claimed() {
			note = fmt.Sprintf(l.Pick("記録のある%s件の中央値は%s", "the median of the %s on record: %s"), language.Number(l, int64(p.N)), archive.SpanText(l, p.Median))
			if rank := chart.Rank(l, p); rank != "" {
				note = rank + l.Pick("。", "; ") + note
			}
		}
		n := slices.IndexFunc(figures, func(f figure) bool { return f.Label == p.Interval.Label(l) })
		if n < 0 {
			figures, n = append(figures, figure{Label: p.Interval.Label(l), Value: archive.SpanText(l, p.Span)}), len(figures)
		}
		figures[n].Note = note
	}
	return figures, nil
}

// likeHref leads to the cases like an incident.
func likeHref(p sitePage, i incident.Incident) string {
	q := archive.Query{Classes: i.Classes()}
	for key, to := range map[string]*[]string{"cause": &q.Causes, "sector": &q.Sectors, "country": &q.Countries} {
		if f, ok := i.Fact(key); ok && f.Value.Word != "" {
			*to = []string{f.Value.Word}
		}
	}
	return p.Link("/learn/like?" + q.Values().Encode())
}

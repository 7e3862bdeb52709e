package site

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/chart"
	"shirase/internal/language"
	"shirase/internal/web"
)

// learnBody is what /learn shows.
type learnBody struct {
	N, Of        int
	Form         []selection
	Filtered     string // the filter in words
	Charts       []learnSection
	Attributions []attribution
	Archive      string // the same incidents in the archive's search
}

// learnSection is a heading with its pictures.
type learnSection struct {
	ID, Heading, Lead string
	Charts            []chartView
}

func (s *Site) learn(w http.ResponseWriter, r *http.Request) error {
	if s.peers == nil {
		return errNotHere
	}
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	p := s.newPage(r, "learn", false)
	l := p.Lang.Lang
	p.Title = l.Pick("学ぶ", "Learn")
	p.Description = l.Pick("公表された漏えいの統計。発見、遮断、公表までにかかった時間、規模、何が伝えられたか。", "Statistics of breaches that were made public: how long discovery, containment and disclosure took, how large they were, what was told.")
	st, err := s.peers.Statistics(r.Context(), f)
	if err != nil {
		return err
	}
	tables, err := s.learnTables(r.Context(), l, f, st)
	if err != nil {
		return err
	}
	whole, err := s.peers.Statistics(r.Context(), archive.Filter{})
	if err != nil {
		return err
	}
	body := learnBody{N: st.N, Of: whole.N, Form: filterForm(l, f, st), Archive: p.Link("/incidents?" + values(f).Encode())}
	if body.Attributions, err = s.attributions(r.Context(), l, st.Datasets); err != nil {
		return err
	}
	for _, section := range learnSections(l) {
		for _, t := range tables {
			if t.section == section.ID {
				path := "/learn/" + t.name + ".csv"
				if q := values(f).Encode(); q != "" {
					path += "?" + q
				}
				section.Charts = append(section.Charts, chartOf(p, t.chart, "chart-"+t.name, path, t.notes...))
			}
		}
		if len(section.Charts) > 0 {
			body.Charts = append(body.Charts, section)
		}
	}
	p.Query = values(f).Encode()
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "learn", p)
}

func learnSections(l language.Lang) []learnSection {
	return []learnSection{
		{ID: "times", Heading: l.Pick("どれくらいかかったか", "How long it took"), Lead: l.Pick("同じ節目から同じ節目までの時間どうしを比べています。監督機関への報告と公表は別のことなので、別に数えます。",
			"Each strip compares the time between the same two milestones. Notice to a regulator is not publication, and is counted apart.")},
		{ID: "years", Heading: l.Pick("年ごとの件数", "Incidents a year"), Lead: l.Pick("公表の年で数え、その記録がないものは、監督機関への報告、本人への通知、発見、最初の痕跡の順に、記録のある年で数えています。",
			"Counted by the year of disclosure; where that is not recorded, by that of the notice to a regulator, to those affected, of discovery, or of the first trace.")},
		{ID: "sizes", Heading: l.Pick("規模", "How large they were"), Lead: l.Pick("人数、アカウント数、件数は別のものなので、混ぜていません。上限だけの数と延べ数は含めていません。",
			"People, accounts and records are different things and are never mixed. Upper bounds and cumulative numbers are left out.")},
		{ID: "groups", Heading: l.Pick("原因と業種", "By cause and sector"), Lead: l.Pick("5件に満たない区間の中央値は示しません。", "No median is given of fewer than five.")},
		{ID: "told", Heading: l.Pick("何が伝えられたか", "What was told"), Lead: l.Pick("項目ごとに、記録がある公表の割合です。記録がないことは、伝えられなかったことを意味しません。とくにデータセットから取り込んだものは、そのデータセットにある項目しか記録がありません。",
			"The share of incidents with a record under each heading. No record does not mean that it was not told; what came from a data set has only what the data set has.")},
	}
}

// learnTables are the pictures of /learn.
func (s *Site) learnTables(ctx context.Context, l language.Lang, f archive.Filter, st archive.Statistics) ([]learnTable, error) {
	out := []learnTable{
		{"times", "times", chart.OfIntervals(l, l.Pick("かかった時間", "How long it took"), st.Intervals[:]).Chart(), []string{timesNote(l)}},
		{"years", "years", chart.Years(l, l.Pick("年ごとの件数", "Incidents a year"), st.Years), nil},
	}
	if st.Undated > 0 {
		out[1].notes = []string{fmt.Sprintf(l.Pick("日付の記録がない%s件は、含まれていません。", "%s without any date are not in it."), language.Number(l, int64(st.Undated)))}
	}
	for _, unit := range chart.Units(st.Years) {
		if slices.Contains([]string{"persons", "accounts", "records"}, unit) {
			name := sizeName(l, unit)
			out = append(out, learnTable{"sizes-" + unit, "sizes", chart.Sizes(l, name, unit, st.Years), []string{l.Pick("細い線は最小から最大、太い帯は中央の半数、横線は中央値です。5件に満たない年は、1件ずつ点で示します。", "Thin line: smallest to largest. Bar: the middle half. Stroke: the median. Years with fewer than five show each incident as a dot.")}})
		}
	}
	out = append(out, learnTable{"causes", "groups", groupTable(l, "cause", l.Pick("原因ごとの中央値", "Medians by cause"), st.Causes, f), nil},
		learnTable{"sectors", "groups", groupTable(l, "sector", l.Pick("業種ごとの中央値", "Medians by sector"), st.Sectors, f), nil})
	if !f.Empty() {
		return out, nil
	}
	shares, of, err := s.peers.Told(ctx)
	if err != nil {
		return nil, err
	}
	var labels []string
	var n []int
	for _, share := range shares {
		labels, n = append(labels, share.Heading.Label.In(l)), append(n, share.N)
	}
	return append(out, learnTable{"told", "told", chart.Shares(l, l.Pick("伝えられたこと", "What was told"), labels, n, of), nil}), nil
}

// sizeName names a picture of sizes by what was counted.
func sizeName(l language.Lang, unit string) string {
	switch unit {
	case "persons":
		return l.Pick("対象の人数（人）", "People affected")
	case "accounts":
		return l.Pick("対象のアカウント数", "Accounts affected")
	}
	return l.Pick("対象の記録の件数（件）", "Records affected")
}

// groupTable lists causes or sectors with their medians, each leading to the archive.
func groupTable(l language.Lang, facet, name string, groups []archive.Group, f archive.Filter) chart.Chart {
	t := chart.Table{Caption: name, Columns: []chart.Column{{Head: incident.KeyLabel(l, facet)}, {Head: l.Pick("件数", "Incidents"), Number: true}}}
	for _, v := range archive.Intervals {
		t.Columns = append(t.Columns, chart.Column{Head: fmt.Sprintf(l.Pick("%s（中央値）", "%s (median)"), v.Label(l)), Number: true}, chart.Column{Head: l.Pick("その件数", "incidents"), Number: true})
	}
	for _, g := range groups {
		q := values(f)
		q.Set(facet, g.Word)
		row := []chart.Cell{{Text: archive.FacetLabel(facet, g.Word).In(l), Machine: g.Word, Href: "/incidents?" + q.Encode()}, {Text: language.Digits(int64(g.N)), Machine: fmt.Sprint(g.N)}}
		for _, d := range g.Intervals {
			n := chart.Cell{}
			if len(d.Spans) > 0 {
				n = chart.Cell{Text: language.Digits(int64(len(d.Spans))), Machine: fmt.Sprint(len(d.Spans))}
			}
			row = append(row, chart.SpanCell(l, d.Median), n)
		}
		t.Rows = append(t.Rows, row)
	}
	return chart.Chart{Name: name, Table: t}
}

// filterOf reads a filter as the archive's search does, so that the same address finds the same incidents.
func filterOf(v url.Values) (archive.Filter, error) {
	q, err := archive.ParseQuery(v)
	if err != nil {
		return archive.Filter{}, err
	}
	return archive.Filter{Sectors: q.Sectors, Causes: q.Causes, Countries: q.Countries, Datasets: q.Datasets}, nil
}

func values(f archive.Filter) url.Values {
	return archive.Query{Sectors: f.Sectors, Causes: f.Causes, Countries: f.Countries, Datasets: f.Datasets}.Values()
}

// filterForm offers what the archive has.
func filterForm(l language.Lang, f archive.Filter, st archive.Statistics) []selection {
	var out []selection
	for k, field := range []struct {
		name   string
		chosen []string
	}{{"sector", f.Sectors}, {"cause", f.Causes}, {"country", f.Countries}} {
		out = append(out, selectionOf(l, field.name, st.Words[k], field.chosen))
	}
	return out
}

// learnCSV is a table of /learn as a file.
func (s *Site) learnCSV(w http.ResponseWriter, r *http.Request) error {
	name, ok := strings.CutSuffix(r.PathValue("table"), ".csv")
	if s.peers == nil || !ok {
		return errNotHere
	}
	l := web.LanguageOf(r).Lang
	switch {
	case strings.HasPrefix(name, "compare"):
		tables, err := s.compareTables(r, l)
		if err != nil {
			return err
		}
		return tableNamed(w, r, tables.tables, name)
	case strings.HasPrefix(name, "like"):
		body, err := s.likeTables(r, l)
		if err != nil {
			return err
		}
		return tableNamed(w, r, body.tables, name)
	}
	f, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	st, err := s.peers.Statistics(r.Context(), f)
	if err != nil {
		return err
	}
	tables, err := s.learnTables(r.Context(), l, f, st)
	if err != nil {
		return err
	}
	return tableNamed(w, r, tables, name)
}

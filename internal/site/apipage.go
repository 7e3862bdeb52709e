package site

import (
	"net/http"
)

// Route is an address of the API, for the page that lists them.
type Route struct {
	Path   string
	JA, EN string // what it gives
}

// feedRow is a feed in its two forms.
type feedRow struct{ What, Atom, JSON string }

func (s *Site) feeds(w http.ResponseWriter, r *http.Request) error {
	p := s.newPage(r, "", false)
	p.Title = p.Lang.Pick("フィードで受け取る", "Follow by feed")
	p.Description = p.Lang.Pick("新しい公表、追記、訂正を受け取るためのAtomとJSON Feedのアドレス。", "Addresses of the Atom and JSON feeds of new disclosures, addenda and corrections.")
	row := func(what, query string) feedRow {
		return feedRow{what, "/feeds/atom.xml" + query, "/feeds/feed.json" + query}
	}
	p.Body = struct{ Feeds []feedRow }{[]feedRow{
		row(p.Lang.Pick("すべて（日本語）", "Everything, in Japanese"), "?lang=ja"), row(p.Lang.Pick("すべて（英語）", "Everything, in English"), "?lang=en"),
		row(p.Lang.Pick("この運営者が公表したもの", "What this operator published"), "?dataset=own&lang="+string(p.Lang.Lang)),
	}}
	return s.frame.Show(w, r, http.StatusOK, "feeds", p)
}

func (s *Site) api(w http.ResponseWriter, r *http.Request) error {
	p := s.newPage(r, "", false)
	p.Title = p.Lang.Pick("API", "API")
	p.Description = p.Lang.Pick("公表の記録をプログラムから読むためのアドレスと、その形。", "Addresses by which programs read the archive, and the shape of what they get.")
	type row struct{ Path, What string }
	var rows []row
	for _, route := range s.API {
		rows = append(rows, row{route.Path, p.Lang.Pick(route.JA, route.EN)})
	}
	p.Body = struct{ Routes []row }{rows}
	return s.frame.Show(w, r, http.StatusOK, "api", p)
}

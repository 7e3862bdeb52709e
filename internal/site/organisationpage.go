package site

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// organisationBody is the page of an organisation.
type organisationBody struct {
	Name    string
	Aliases []string
	Figures []figure
	Rows    []row
	More    string // the rest, as a search
	Sources []source
}

// shownIncidents is how many incidents the page of an organisation lists; the others are a search away.
const shownIncidents = 100

func (s *Site) organisation(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil {
		return errNotHere
	}
	o, err := s.Archive.Organisation(r.Context(), r.PathValue("id"))
	if errors.Is(err, archive.ErrNoOrganisation) {
		return s.organisationNamed(w, r)
	}
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	if o.ID != r.PathValue("id") { // two turned out to be one
		http.Redirect(w, r, p.Link("/organisations/"+o.ID), http.StatusMovedPermanently)
		return nil
	}
	lang := p.Lang.Lang
	body := organisationBody{Name: o.Name.In(lang), Figures: organisationFigures(lang, o.Entries)}
	for _, a := range o.Aliases {
		if name := a.In(lang); name != body.Name && !slices.Contains(body.Aliases, name) {
			body.Aliases = append(body.Aliases, name)
		}
	}
	shown := o.Entries[:min(len(o.Entries), shownIncidents)]
	body.Rows, body.Sources = s.entryRows(p, shown), sourcesOf(shown)
	if len(shown) < len(o.Entries) {
		body.More = p.Link("/incidents?organisation=" + o.ID)
	}
	p.Title = body.Name
	p.Description = lang.Pick(fmt.Sprintf("%sについて記録している公表 %s件と、発見から公表までの日数。", body.Name, language.Number(lang, int64(len(o.Entries)))),
		fmt.Sprintf("Disclosures of %s on record: %d, with the time each took from discovery to disclosure.", body.Name, len(o.Entries)))
	p.Canonical = p.Base + "/organisations/" + o.ID
	p.Feeds = feedsOf(lang, archive.Query{Organisation: o.ID})
	other := []string{}
	for _, a := range o.Aliases {
		other = append(other, a.In(lang))
	}
	p.Data = map[string]any{"@context": "https://schema.org", "@type": "Organization", "name": body.Name, "alternateName": other, "url": p.Canonical,
		"subjectOf": archiveData(p.Base, p, shown)["mainEntity"]}
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "organisation", p)
}

// organisationNamed leads from an organisation's name to its page. The way there is not for good: a name can turn out to be another's.
func (s *Site) organisationNamed(w http.ResponseWriter, r *http.Request) error {
	id, err := s.Archive.Named(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if id == "" || id == r.PathValue("id") {
		return errNotHere
	}
	if _, err := s.Archive.Organisation(r.Context(), id); errors.Is(err, archive.ErrNoOrganisation) {
		return errNotHere
	} else if err != nil {
		return err
	}
	http.Redirect(w, r, web.LanguageOf(r).Link("/organisations/"+id), http.StatusFound)
	return nil
}

// organisationsBody is a page of the list of organisations.
type organisationsBody struct {
	Rows    []organisationRow
	Next    string
	First   string // from a later page
	Letters []choice
}

type organisationRow struct {
	Name, Href string
	Incidents  int
}

// listedOrganisations is how many a page of the list has.
const listedOrganisations = 100

// organisations lists who is on record, in the order of their ids: those of Latin names are words, the others begin with o-.
func (s *Site) organisations(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil {
		return errNotHere
	}
	after := r.URL.Query().Get("after")
	if after != "" && !incident.ValidID(after) {
		return errNotHere
	}
	list, err := s.Archive.Organisations(r.Context(), after, listedOrganisations+1)
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	p.Title = lang.Pick("組織の一覧", "Organisations")
	p.Description = lang.Pick("公表の記録がある組織の一覧。", "Organisations whose disclosures are on record.")
	p.NoIndex = p.NoIndex || after != ""
	body := organisationsBody{}
	if len(list) > listedOrganisations {
		list = list[:listedOrganisations]
		body.Next = p.Link("/organisations?after=" + list[len(list)-1].ID)
	}
	if after != "" {
		body.First, p.Query = p.Link("/organisations"), "after="+after
	}
	for _, o := range list {
		body.Rows = append(body.Rows, organisationRow{o.Name.In(lang), p.Link("/organisations/" + o.ID), o.Incidents})
	}
	for letter := 'a'; letter <= 'z'; letter++ {
		body.Letters = append(body.Letters, choice{Label: string(letter - 'a' + 'A'), Href: p.Link("/organisations?after=" + string(letter))})
	}
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "organisations", p)
}

// organisationFigures are what is known of how an organisation discloses. Every figure says of how many incidents it
// is.
func organisationFigures(lang language.Lang, list []archive.Entry) []figure {
	disclosed, taken := 0, []int64{}
	for _, e := range list {
		if !e.Disclosed.IsZero() {
			disclosed++
		}
		if e.Disclose != nil {
			taken = append(taken, e.Disclose.Minutes)
		}
	}
	out := []figure{{Label: lang.Pick("記録している事案", "Incidents on record"), Value: language.Digits(int64(len(list))), Unit: lang.Pick("件", "")}}
	if disclosed > 0 {
		out = append(out, figure{Label: lang.Pick("公表した日が分かるもの", "Disclosures"), Value: language.Digits(int64(disclosed)), Unit: lang.Pick("件", "")})
	}
	if len(taken) > 0 {
		value, unit := medianSpan(lang, taken)
		out = append(out, figure{Label: lang.Pick("発見から公表まで（中央値）", "Discovery to disclosure (median)"), Value: value, Unit: unit,
			Note: lang.Pick(fmt.Sprintf("両方の日が分かる%s件による", language.Digits(int64(len(taken)))), fmt.Sprintf("of %s where both are known", language.Digits(int64(len(taken)))))})
	}
	return out
}

// medianSpan is the middle of several times in minutes, of an even number the mean of the two in the middle: in days,
// or in hours where it is less than one.
func medianSpan(lang language.Lang, minutes []int64) (value, unit string) {
	slices.Sort(minutes)
	n := len(minutes)
	median := time.Duration(minutes[n/2]+minutes[(n-1)/2]) * time.Minute / 2
	days := median.Hours() / 24
	if days >= 1 || median == 0 || minutes[n/2]%(24*60) == 0 {
		text := fmt.Sprintf("%.1f", days)
		if rounded := fmt.Sprintf("%.0f", days); text == rounded+".0" {
			text = rounded
		}
		return text, lang.Pick("日", map[bool]string{true: "day", false: "days"}[text == "1"])
	}
	return fmt.Sprintf("%.0f", median.Hours()), lang.Pick("時間", "hours")
}

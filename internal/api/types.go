package api

import (
	"encoding/hex"
	"time"

	"shirase/check"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// The types of what is answered. The schemas of the OpenAPI document are made from them (schema.go): a member without
// omitzero is always there.

// Text is a text in both languages.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// Count is a number with its unit. Units are never mixed.
type Count struct {
	Number    int64  `json:"number"`
	Unit      string `json:"unit,omitzero"`
	Qualifier string `json:"qualifier,omitzero"`
}

// Span is the time between two milestones.
type Span struct {
	Minutes   int64  `json:"minutes"`
	Precision string `json:"precision"` // minute, hour or day
}

var precisions = map[incident.Precision]string{incident.Minute: "minute", incident.Hour: "hour", incident.Day: "day", incident.Month: "month",
	incident.Year: "year"}

// Index is what there is below /api/v1.
type Index struct {
	OpenAPI       string       `json:"openapi"`
	Documentation string       `json:"documentation"` // the page for people
	Routes        []IndexRoute `json:"routes"`
}

// IndexRoute is an address of the API.
type IndexRoute struct {
	Path string `json:"path"` // with {id} where one belongs
	JA   string `json:"ja"`
	EN   string `json:"en"`
}

// OrganisationRef names an organisation.
type OrganisationRef struct {
	ID   string `json:"id,omitzero"`
	Name Text   `json:"name"`
}

// Entry is an incident in a list.
type Entry struct {
	ID             string           `json:"id"`
	URL            string           `json:"url"`
	Title          Text             `json:"title"`
	Organisation   *OrganisationRef `json:"organisation,omitzero"`
	Date           string           `json:"date"`          // what the archive is sorted by
	DateKey        string           `json:"dateKey"`       // which fact it is
	DatePrecision  string           `json:"datePrecision"` // minute, hour, day, month or year
	Disclosed      string           `json:"disclosed,omitzero"`
	Affected       *Count           `json:"affected,omitzero"`
	Cause          string           `json:"cause,omitzero"`
	Sector         string           `json:"sector,omitzero"`
	Country        string           `json:"country,omitzero"`
	State          string           `json:"state,omitzero"` // of the scope, as the published statement says; not there where it says nothing
	Checkable      bool             `json:"checkable"`      // the published index answers for it; whether this server can answer now, its check says
	Classes        []string         `json:"classes"`
	Certifications []string         `json:"certifications"`
	Dataset        string           `json:"dataset"` // "own" for the operator's own
	Updated        time.Time        `json:"updated"`
	Detect         *Span            `json:"detect,omitzero"`
	Contain        *Span            `json:"contain,omitzero"`
	Disclose       *Span            `json:"disclose,omitzero"`
	Notify         *Span            `json:"notifyRegulator,omitzero"`
}

// FacetValue counts incidents.
type FacetValue struct {
	Word  string `json:"word"`
	Label Text   `json:"label"`
	Count int    `json:"count"`
}

// Facet counts the incidents of a search by one property.
type Facet struct {
	Name   string       `json:"name"`
	Values []FacetValue `json:"values"`
}

// IncidentList is a page of a search.
type IncidentList struct {
	Total     int     `json:"total"`
	Incidents []Entry `json:"incidents"`
	Next      string  `json:"next,omitzero"` // URL of the next page
	Facets    []Facet `json:"facets"`
}

// Value is the value of a fact; which members there are follows from the key.
type Value struct {
	Text      *Text  `json:"text,omitzero"`
	Word      string `json:"word,omitzero"`
	Time      string `json:"time,omitzero"`
	Promised  string `json:"promised,omitzero"`
	Number    *int64 `json:"number,omitzero"`
	Unit      string `json:"unit,omitzero"`
	Qualifier string `json:"qualifier,omitzero"`
	Region    string `json:"region,omitzero"`
	Original  string `json:"original,omitzero"`
	Status    string `json:"status,omitzero"`
	URL       string `json:"url,omitzero"`
	Telephone string `json:"telephone,omitzero"`
	Hours     *Text  `json:"hours,omitzero"`
	Fetched   string `json:"fetched,omitzero"`
	SHA256    string `json:"sha256,omitzero"`
	Quote     string `json:"quote,omitzero"`
	Licence   string `json:"licence,omitzero"`
}

// Fact is one recorded value.
type Fact struct {
	Key       string     `json:"key"`
	ID        string     `json:"id,omitzero"`
	Value     Value      `json:"value"`
	Certainty string     `json:"certainty"`
	Source    string     `json:"source,omitzero"`
	AsOf      string     `json:"asOf"`
	Recorded  *time.Time `json:"recorded,omitzero"`
	Retracted bool       `json:"retracted,omitzero"`
	Unsigned  bool       `json:"unsigned,omitzero"` // shown by an earlier version before facts had to be signed, and in no notice yet
}

// Provenance is where an incident was imported from.
type Provenance struct {
	Dataset     string    `json:"dataset"`
	ExternalID  string    `json:"externalId"`
	Licence     string    `json:"licence"`
	Attribution string    `json:"attribution"`
	URL         string    `json:"url"`
	Updated     time.Time `json:"updated"`
}

// NoticeRef names a notice.
type NoticeRef struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	Version int64     `json:"version"`
	Kind    string    `json:"kind"`
	Time    time.Time `json:"time"`
}

// Incident is an incident with everything on record about it.
type Incident struct {
	Entry
	Provenance *Provenance `json:"provenance,omitzero"`
	Facts      []Fact      `json:"facts"`   // what holds now
	History    []Fact      `json:"history"` // what was ever recorded, of each key in the order of as-of
	Notices    []NoticeRef `json:"notices"`
}

// Notice is a published version of a notice.
type Notice struct {
	NoticeRef
	Incident    string `json:"incident"`
	Text        Text   `json:"text"` // Markdown
	SHA256      string `json:"sha256"`
	LedgerIndex int64  `json:"ledgerIndex"`
	Data        string `json:"data"`  // URL of the canonical bytes
	Proof       string `json:"proof"` // URL of the proof that they are in the ledger
}

// NoticeList is a page of notices.
type NoticeList struct {
	Notices []NoticeRef `json:"notices"`
	Next    string      `json:"next,omitzero"`
}

// Organisation is who answers for incidents.
type Organisation struct {
	OrganisationRef
	URL       string  `json:"url"`
	Aliases   []Text  `json:"aliases"`
	Incidents []Entry `json:"incidents"` // the newest 100
	Total     int     `json:"total"`
}

// OrganisationLine is an organisation in a list.
type OrganisationLine struct {
	OrganisationRef
	URL       string `json:"url"`
	Incidents int    `json:"incidents"`
}

// OrganisationList is a page of organisations, by id.
type OrganisationList struct {
	Organisations []OrganisationLine `json:"organisations"`
	Next          string             `json:"next,omitzero"`
}

// Dataset is a data set that incidents were imported from.
type Dataset struct {
	Name        string    `json:"name"`
	Incidents   int       `json:"incidents"`
	Licence     string    `json:"licence"`
	Attribution string    `json:"attribution"`
	Updated     time.Time `json:"updated"`
}

// DatasetList lists data sets.
type DatasetList struct {
	Datasets []Dataset `json:"datasets"`
}

// Term is a word of a vocabulary.
type Term struct {
	Word  string `json:"word"`
	Label Text   `json:"label"`
}

// Vocabulary lists the words of facets and the keys of facts.
type Vocabulary struct {
	Sector   []Term `json:"sector"`
	Cause    []Term `json:"cause"`
	Class    []Term `json:"class"`
	Size     []Term `json:"size"`
	Disclose []Term `json:"disclose"`
	Key      []Term `json:"key"`
}

// Problem is an error (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitzero"`
}

func (a *api) entry(base string, e archive.Entry) Entry {
	out := Entry{ID: e.ID, URL: base + "/incidents/" + e.ID, Title: Text(e.Title), Date: e.Date.Format(time.RFC3339), DateKey: e.DateKey,
		DatePrecision: precisions[e.DatePrecision],
		Disclosed:     e.Disclosed.String(), Cause: e.Cause, Sector: e.Sector, Country: e.Country, State: a.state(e.ID), Checkable: check.State(a.state(e.ID)).Sealed(),
		Classes: some(e.Classes), Certifications: some(e.Certifications), Dataset: e.Dataset, Updated: e.Updated.UTC().Truncate(time.Second),
		Detect: span(e.Detect), Contain: span(e.Contain), Disclose: span(e.Disclose), Notify: span(e.NotifyRegulator)}
	if e.Organisation != (language.Text{}) {
		out.Organisation = &OrganisationRef{e.OrganisationID, Text(e.Organisation)}
	}
	if e.Affected.Number != nil {
		out.Affected = &Count{*e.Affected.Number, e.Affected.Unit, e.Affected.Qualifier}
	}
	if out.Dataset == "" {
		out.Dataset = archive.Own
	}
	return out
}

func (a *api) entries(base string, list []archive.Entry) []Entry {
	out := []Entry{}
	for _, e := range list {
		out = append(out, a.entry(base, e))
	}
	return out
}

func span(s *archive.Span) *Span {
	if s == nil {
		return nil
	}
	return &Span{s.Minutes, precisions[s.Precision]}
}

// some is list, never null.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func text(t language.Text) *Text {
	if t == (language.Text{}) {
		return nil
	}
	out := Text(t)
	return &out
}

// factOf gives a fact; the history says when it was recorded, and a retraction in it.
func factOf(f incident.Fact, history bool) Fact {
	v := f.Value
	out := Fact{Key: f.Key, ID: f.Item, Certainty: string(f.Certainty), Source: f.Source, AsOf: f.AsOf.String(), Unsigned: f.Unsigned,
		Value: Value{Text: text(v.Text), Word: v.Word, Time: v.Time.String(), Promised: v.Promised.String(), Number: v.Number, Unit: v.Unit,
			Qualifier: v.Qualifier, Region: v.Region, Original: v.Original, Status: v.Status, URL: v.URL, Telephone: v.Telephone, Hours: text(v.Hours), Fetched: v.Fetched.String(),
			SHA256: v.SHA256, Quote: v.Quote, Licence: v.Licence}}
	if history {
		at := f.Recorded.UTC().Truncate(time.Second)
		out.Recorded, out.Retracted = &at, f.Retracted
	}
	return out
}

func noticeRef(base string, n incident.Notice) NoticeRef {
	return NoticeRef{n.ID, base + "/notices/" + n.ID, n.Version, n.Kind, n.Time.UTC()}
}

func noticeOf(base string, n incident.Notice) Notice {
	sum := n.SHA256()
	digest := hex.EncodeToString(sum[:])
	return Notice{NoticeRef: noticeRef(base, n), Incident: n.Incident, Text: Text(n.Text), SHA256: digest, LedgerIndex: n.LedgerIndex,
		Data: base + "/ledger/v1/data/" + digest, Proof: base + "/notices/" + n.ID + "/proof"}
}

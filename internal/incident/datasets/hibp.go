package datasets

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// What is shown with everything that comes from Have I Been Pwned: its breach data is under CC BY 4.0, with a link
// (https://haveibeenpwned.com/API/v3#License).
const (
	hibpName    = "Have I Been Pwned"
	hibpLicence = "CC BY 4.0"
	hibpBreach  = "https://haveibeenpwned.com/Breach/"
)

// hibpRow is a breach as the API gives it. Description is HTML in the site's own words and is not read: facts only.
type hibpRow struct {
	Name         string
	Title        string
	Domain       string
	BreachDate   string
	AddedDate    time.Time
	ModifiedDate time.Time
	PwnCount     int64
	DataClasses  []string
	IsVerified   *bool
	IsFabricated bool
	IsSensitive  bool
	IsRetired    bool
	IsSpamList   bool
	IsMalware    bool
	IsStealerLog bool
}

func readHIBP(name string, br *bufio.Reader) func() (incident.Record, error) {
	e := elements{name: name, r: br, line: 1}
	return func() (incident.Record, error) {
		raw, at, err := e.next()
		if err != nil {
			return incident.Record{}, err
		}
		var row hibpRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return incident.Record{}, jsonRow(at, err)
		}
		return row.record(at, sum(raw))
	}
}

// jsonRow is the error for an element that is no JSON of the right shape; it names the member.
func jsonRow(at incident.Place, err error) error {
	row := &incident.RowError{Place: at, Reason: "not JSON of this form"}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		row.Field = strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
		row.Reason = fmt.Sprintf("cannot be a JSON %s here", semantic.JSONKind)
		if semantic.Err != nil {
			row.Reason = cut(tidy(semantic.Err.Error()), 200)
		}
	} else {
		row.Reason = "not JSON: " + cut(tidy(err.Error()), 200)
	}
	return row
}

// record makes facts of a breach. Fabricated ones are refused: an archive of what happened does not list what did not
// (docs/decisions/imports.md).
func (b *hibpRow) record(at incident.Place, digest string) (incident.Record, error) {
	none := incident.Record{}
	refuse := func(field, reason string, args ...any) (incident.Record, error) {
		return none, &incident.RowError{Place: at, Field: field, Reason: fmt.Sprintf(reason, args...)}
	}
	title := tidy(b.Title)
	switch {
	case b.Name == "":
		return refuse("Name", "is missing")
	case title == "":
		return refuse("Title", "is missing")
	case b.PwnCount < 0:
		return refuse("PwnCount", "%d is not a count", b.PwnCount)
	case b.IsFabricated:
		return refuse("IsFabricated", "%s holds this breach to be made up; an archive of what happened does not list it", hibpName)
	case len(b.DataClasses) > 500:
		return refuse("DataClasses", "more than 500")
	}
	day, err := time.Parse(time.DateOnly, b.BreachDate)
	if err != nil {
		return refuse("BreachDate", "%q is not a date", cut(b.BreachDate, 40))
	}
	rec := incident.Record{Dataset: string(HIBP), ExternalID: b.Name, ID: rowID("hibp", b.Name), Licence: hibpLicence, Attribution: hibpName,
		URL: hibpBreach + url.PathEscape(b.Name), ReadNow: true, Place: at}
	asOf := b.ModifiedDate
	if asOf.IsZero() {
		asOf = b.AddedDate
	}
	if !asOf.IsZero() {
		rec.AsOf = incident.Moment{Time: asOf.UTC().Truncate(time.Minute), Precision: incident.Minute}
	}
	certainty := incident.Confirmed
	if b.IsVerified != nil && !*b.IsVerified {
		certainty = incident.Possible
	}
	add := func(key, item string, v incident.Value) {
		rec.Facts = append(rec.Facts, incident.Fact{Key: key, Item: item, Value: v, Certainty: certainty, Source: "hibp"})
	}
	if !b.IsSpamList && !b.IsMalware && !b.IsStealerLog {
		add("organisation", "", incident.Value{Text: language.Same(title)})
	}
	if domain := tidy(b.Domain); domain != "" {
		add("alias", "domain", incident.Value{Text: language.Same(domain)})
	}
	add("title", "", incident.Value{Text: b.title(title)})
	// The first of a month stands five times as often as any other day: it is how a month, or a year, is written there.
	when := incident.Value{Time: incident.Moment{Time: day, Precision: incident.Day}}
	if day.Day() == 1 || !b.AddedDate.IsZero() && b.AddedDate.UTC().Format(time.DateOnly) == b.BreachDate {
		when.Qualifier = "about"
	}
	add("window.start", "", when)
	add("affected.count", "", count(b.PwnCount, "accounts", "exact"))
	for _, f := range classFacts(hibpClasses, b.DataClasses) {
		add("data-class", f.Item, f.Value)
	}
	if b.IsMalware || b.IsStealerLog {
		add("cause", "", incident.Value{Word: "malware"})
	}
	rec.Facts = append(rec.Facts, incident.Fact{Key: "source", Item: "hibp", Certainty: incident.Confirmed,
		Value: incident.Value{Text: b.citation(), URL: rec.URL, SHA256: digest, Licence: hibpLicence}})
	return rec, nil
}

// title says what it is, in our words.
func (b *hibpRow) title(name string) language.Text {
	switch {
	case b.IsSpamList:
		return language.Text{JA: name + "：迷惑メールの送信先リスト", EN: name + ": a list of addresses for spam"}
	case b.IsStealerLog:
		return language.Text{JA: name + "：情報窃取型マルウェアの記録", EN: name + ": logs of information-stealing malware"}
	case b.IsMalware:
		return language.Text{JA: name + "：マルウェアが集めた情報", EN: name + ": data gathered by malware"}
	}
	return language.Text{JA: name + "：情報流出", EN: name + ": data breach"}
}

// citation names the source and how it marks the breach.
func (b *hibpRow) citation() language.Text {
	var ja, en []string
	mark := func(on bool, j, e string) {
		if on {
			ja, en = append(ja, j), append(en, e)
		}
	}
	mark(b.IsVerified != nil && !*b.IsVerified, "真偽は未確認", "unverified")
	mark(b.IsSensitive, "機微な漏えい", "sensitive")
	mark(b.IsRetired, "掲載終了", "retired")
	if len(ja) == 0 {
		return language.Same(hibpName)
	}
	return language.Text{JA: hibpName + "（" + strings.Join(ja, "、") + "）", EN: hibpName + " (" + strings.Join(en, ", ") + ")"}
}

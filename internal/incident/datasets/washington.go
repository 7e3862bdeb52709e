package datasets

import (
	"bufio"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// What is shown with the notifications to the Attorney General of Washington State, a public record of the State
// (RCW 19.255.010 and 42.56.590 want them).
const (
	washingtonName    = "Washington State Office of the Attorney General"
	washingtonLicence = "Public record of the State of Washington"
	washingtonURL     = "https://www.atg.wa.gov/data-breach-notifications"
	washingtonRegion  = "US-WA"
)

// pacific is the zone of a day in Washington. Which of its two offsets held does not matter to a day.
var pacific = time.FixedZone("", -8*60*60)

var usStates = strings.Fields(`AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK
	OR PA PR RI SC SD TN TX UT VT VA WA WV WI WY`)

// washingtonColumns are those that are read. The State's downloads differ from year to year and from door to door in
// which of them there are and how they are written (EntityState, entitystate); a record needs only the first two.
var washingtonColumns = []string{"Id", "Name", "DateSubmitted", "DateAware", "DateStart", "DateEnd", "WashingtoniansAffected", "DataBreachCause",
	"CyberattackType", "IndustryType", "BusinessType", "EntityState"}

// plainColumn is the name of a column without what differs between downloads.
func plainColumn(name string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "_", "").Replace(name))
}

// isWashington reports whether a header line is of the State's: two of its columns that nobody else has.
func isWashington(line string) bool {
	line = plainColumn(line)
	has := func(column string) bool { return strings.Contains(line, plainColumn(column)) }
	return has("WashingtoniansAffected") || has("DataBreachCause") && has("DateSubmitted")
}

func readWashington(name string, br *bufio.Reader) (func() (incident.Record, error), error) {
	s := &rows{name: name, r: br, line: 1}
	if err := s.header(); err != nil {
		return nil, err
	}
	written := s.columns
	s.columns = map[string]int{}
	for column, at := range written {
		as := column
		if i := slices.IndexFunc(washingtonColumns, func(c string) bool { return plainColumn(c) == plainColumn(column) }); i >= 0 {
			as = washingtonColumns[i]
		}
		if _, twice := s.columns[as]; twice {
			return nil, broken("remove one of them", "%s:1: two columns are %q", name, as)
		}
		s.columns[as] = at
	}
	for _, needed := range washingtonColumns[:2] {
		if _, ok := s.columns[needed]; !ok {
			return nil, broken("download it again from data.wa.gov with all columns, or say the form with --format", "%s:1: no column %q", name, needed)
		}
	}
	return func() (incident.Record, error) {
		row, err := s.next()
		if err != nil {
			return incident.Record{}, err
		}
		return washingtonRecord(row)
	}, nil
}

// washingtonRecord makes facts of a notification. It tells when an organisation told the Attorney General, which is not
// when it told the public; and how many people in Washington were affected, which is not how many were.
func washingtonRecord(r *row) (incident.Record, error) {
	none := incident.Record{}
	id := wholeNumber(r.get("Id"))
	if n, err := strconv.ParseUint(id, 10, 31); err != nil || strconv.FormatUint(n, 10) != id {
		return none, r.refuse("Id", "%q is not a number", cut(r.get("Id"), 40))
	}
	organisation := tidy(r.get("Name"))
	if organisation == "" {
		return none, r.refuse("Name", "is missing")
	}
	rec := incident.Record{Dataset: string(WashingtonAG), ExternalID: id, ID: rowID("wa", id), Licence: washingtonLicence,
		Attribution: washingtonName, URL: washingtonURL, ReadNow: true, Place: r.Place}
	add := func(key, item string, v incident.Value) {
		rec.Facts = append(rec.Facts, incident.Fact{Key: key, Item: item, Value: v, Certainty: incident.Confirmed, Source: "washington-ag"})
	}
	add("organisation", "", incident.Value{Text: language.Same(organisation)})
	add("title", "", incident.Value{Text: language.Text{JA: organisation + "：ワシントン州司法長官への届け出", EN: organisation + ": notified to the Attorney General of Washington"}})
	if sector, original := washingtonSector(r.get("IndustryType"), r.get("BusinessType")); sector != "" {
		add("sector", "", incident.Value{Word: sector, Original: original})
	}
	add("country", "", incident.Value{Word: "US"})
	if !slices.Contains(usStates, r.get("EntityState")) { // the organisation may stand elsewhere; those it told live there
		rec.Facts[len(rec.Facts)-1].Certainty = incident.Possible
	}
	for _, date := range []struct{ column, key string }{{"DateStart", "window.start"}, {"DateEnd", "window.end"}, {"DateAware", "discovered"},
		{"DateSubmitted", "regulator-notified"}} {
		m, err := washingtonDate(r.get(date.column))
		if err != nil {
			return none, r.refuse(date.column, "%q is not a date such as 2021 Feb 04 or 02/04/2021 (month, day, year)", cut(r.get(date.column), 40))
		}
		if m.IsZero() {
			continue
		}
		add(date.key, "", incident.Value{Time: m})
		if date.key == "regulator-notified" {
			rec.AsOf = m
		}
	}
	if text := r.get("WashingtoniansAffected"); text != "" && !strings.EqualFold(text, "unknown") {
		n, err := strconv.ParseInt(wholeNumber(text), 10, 64)
		if err != nil || n < 0 {
			return none, r.refuse("WashingtoniansAffected", "%q is not a count", cut(text, 40))
		}
		v := count(n, "persons", "exact")
		v.Region = washingtonRegion
		add("affected.part", strings.ToLower(washingtonRegion), v)
	}
	if cause, original := washingtonCause(r.get("DataBreachCause"), r.get("CyberattackType")); cause != "" {
		add("cause", "", incident.Value{Word: cause, Original: original})
	}
	citation := language.Text{JA: "ワシントン州司法長官への情報漏えいの届け出（第" + id + "号）", EN: "Data breach notification to the Washington State Attorney General, no. " + id}
	rec.Facts = append(rec.Facts, incident.Fact{Key: "source", Item: "washington-ag", Certainty: incident.Confirmed,
		Value: incident.Value{Text: citation, URL: washingtonURL, SHA256: sum(r.raw), Licence: washingtonLicence}})
	return rec, nil
}

// wholeNumber is a number without the thousands' commas, and without the decimals that a column with gaps gets where a
// program takes it for fractions.
func wholeNumber(s string) string { return strings.TrimSuffix(strings.ReplaceAll(s, ",", ""), ".0") }

// The forms of a date in the State's downloads and in what spreadsheets make of them. Dates of slashes begin with the
// month, as the State writes them, unless they begin with the year; a year has four digits, or nothing would tell it
// from a day.
var (
	washingtonDates  = []string{"2006 Jan 02", "1/2/2006", time.DateOnly, "2006/1/2", "Jan 2, 2006", "January 2, 2006", "2 Jan 2006", "2-Jan-2006"}
	washingtonClocks = []string{" 3:04:05 PM", "", "T15:04:05", " 15:04:05", " 15:04", " 3:04 PM", "T15:04:05Z07:00"}
)

// washingtonDate reads a day; the time of day is always midnight and says nothing.
func washingtonDate(s string) (incident.Moment, error) {
	if s == "" {
		return incident.Moment{}, nil
	}
	for _, clock := range washingtonClocks {
		for _, date := range washingtonDates {
			t, err := time.ParseInLocation(date+clock, s, pacific)
			if err != nil {
				continue
			}
			y, m, d := t.Date()
			if y < 1900 || y > 2999 {
				break
			}
			return incident.Moment{Time: time.Date(y, m, d, 0, 0, 0, 0, pacific), Precision: incident.Day}, nil
		}
	}
	return incident.Moment{}, errors.New("not a date")
}

// washingtonCauses maps the kind of attack. Unauthorised access is what we call an intrusion. A cyberattack of another or an
// unclear kind may be any of several causes, as theft or mistake may, and becomes "other" with its name.
var washingtonCauses = mapping{
	{"ransomware", []string{"Ransomware"}},
	{"malware", []string{"Malware"}},
	{"phishing", []string{"Phishing"}},
	{"web-skimming", []string{"Skimmers"}},
}

func washingtonCause(cause, attack string) (word, original string) {
	if cause == "" {
		return "", ""
	}
	original = cut(tidy(strings.TrimSuffix(cause+": "+attack, ": ")), 200)
	switch word = washingtonCauses.word(attack); {
	case word != "" && cause == "Cyberattack":
		return word, ""
	case word != "":
		return word, original
	case cause == "Unauthorized Access":
		return "intrusion", original
	}
	return "other", original
}

// washingtonSectors maps industries, and kinds of business where the industry is only "Business".
var washingtonSectors = mapping{
	{"health", []string{"Health"}},
	{"finance", []string{"Finance", "Cryptocurrency"}},
	{"education", []string{"Education"}},
	{"government", []string{"Government"}},
	{"nonprofit", []string{"Non-Profit/Charity"}},
	{"retail", []string{"Retail"}},
	{"professional", []string{"Professional Services", "Legal", "Human Resources"}},
	{"travel", []string{"Hospitality"}},
	{"manufacturing", []string{"Manufacturing"}},
	{"software", []string{"Software"}},
	{"internet", []string{"Web Services"}},
	{"media", []string{"Entertainment"}},
	{"construction", []string{"Construction", "Real Estate"}},
	{"transport", []string{"Transportation", "Shipping"}},
	{"telecom", []string{"Telecommunications"}},
}

func washingtonSector(industry, business string) (word, original string) {
	name := industry
	if business != "" {
		name = business
	}
	if name == "" {
		return "", ""
	}
	word = washingtonSectors.word(name)
	if word == "" {
		return "other", cut(tidy(strings.TrimSuffix(industry+": "+business, ": ")), 200)
	}
	if washingtonSectors.name(word) != name {
		original = name
	}
	return word, original
}

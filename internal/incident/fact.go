package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/language"
)

// Certainty says how sure a fact is.
type Certainty string

const (
	Confirmed Certainty = "confirmed"
	Possible  Certainty = "possible" // cannot be ruled out: 可能性がある
	Planned   Certainty = "planned"
	Unknown   Certainty = "unknown" // asked, and not known at the as-of
)

// Precision is how exactly a time is known.
type Precision int

const (
	Minute Precision = iota + 1
	Hour
	Day
	Month
	Year
)

// Moment is a time as a notice gives it: no more exact than its source, and with the zone it was said in.
// The zero Moment is no time at all.
type Moment struct {
	Time      time.Time // start of the span, in a fixed zone
	Precision Precision
}

// The forms of a moment, most exact first: RFC 3339 without seconds, and XML Schema's dates with a zone
// (https://www.w3.org/TR/xmlschema11-2/, 3.3.9 to 3.3.11).
var momentForms = []struct {
	precision Precision
	layout    string
}{
	{Minute, "2006-01-02T15:04Z07:00"},
	{Hour, "2006-01-02T15Z07:00"},
	{Day, "2006-01-02Z07:00"},
	{Month, "2006-01Z07:00"},
	{Year, "2006Z07:00"},
}

// ParseMoment reads 2013-07-18T10:09+09:00, 2013-07-18T10+09:00, 2013-07-18, 2013-07 or 2013. The zone may be left out
// where zone is not nil, and is then that one. Seconds are accepted where they are zero.
func ParseMoment(s string, zone *time.Location) (Moment, error) {
	if len(s) > 40 {
		return Moment{}, fmt.Errorf("%w: a time is at most 40 characters long", ErrTime)
	}
	for _, form := range momentForms {
		if t, err := time.Parse(form.layout, s); err == nil {
			return Moment{fixed(t), form.precision}, nil
		}
		if zone != nil {
			if t, err := time.ParseInLocation(strings.TrimSuffix(form.layout, "Z07:00"), s, zone); err == nil {
				return Moment{fixed(t), form.precision}, nil
			}
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil && t.Second() == 0 && t.Nanosecond() == 0 {
		return Moment{fixed(t), Minute}, nil
	}
	return Moment{}, fmt.Errorf("%w: %q", ErrTime, s)
}

// fixed gives t a zone that is only its offset, so that equal moments have equal bytes on every machine.
func fixed(t time.Time) time.Time {
	_, offset := t.Zone()
	if offset == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", offset))
}

// IsZero reports whether m is no time at all.
func (m Moment) IsZero() bool { return m.Precision == 0 }

// String returns the one form of m that facts and notices are stored in; ParseMoment reads it back.
func (m Moment) String() string {
	for _, form := range momentForms {
		if form.precision == m.Precision {
			return m.Time.Format(form.layout)
		}
	}
	return ""
}

// MarshalText returns the form of String.
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the form of String and no other.
func (m *Moment) UnmarshalText(text []byte) error {
	parsed, err := ParseMoment(string(text), nil)
	if err != nil {
		return err
	}
	if parsed.String() != string(text) {
		return fmt.Errorf("%w: %q is not in its stored form, %s", ErrTime, text, parsed)
	}
	*m = parsed
	return nil
}

// In writes m as the language does, no more exactly than it is known, without the zone.
func (m Moment) In(lang language.Lang) string {
	switch m.Precision {
	case Minute, Hour:
		return language.Date(lang, m.Time) + lang.Pick(" ", ", ") + language.Clock(lang, m.Time)
	case Day:
		return language.Date(lang, m.Time)
	case Month:
		return language.Month(lang, m.Time)
	case Year:
		return language.Year(lang, m.Time)
	}
	return ""
}

// inYear writes m where the year has just been said.
func (m Moment) inYear(lang language.Lang) string {
	if m.Precision == Year {
		return m.In(lang)
	}
	year := m.Time.Format(lang.Pick("2006年", " 2006"))
	return strings.Replace(m.In(lang), year, "", 1)
}

// End is the first instant that m certainly does not mean any more.
func (m Moment) End() time.Time {
	switch m.Precision {
	case Minute:
		return m.Time.Add(time.Minute)
	case Hour:
		return m.Time.Add(time.Hour)
	case Day:
		return m.Time.AddDate(0, 0, 1)
	case Month:
		return m.Time.AddDate(0, 1, 0)
	case Year:
		return m.Time.AddDate(1, 0, 0)
	}
	return m.Time
}

// Exact reports whether the time of day is known.
func (m Moment) Exact() bool { return m.Precision == Minute || m.Precision == Hour }

// Value is the value of a fact. Which fields are set follows from the key (see keys); the others are zero.
type Value struct {
	Text      language.Text `json:"text,omitzero"`      // titles, names, descriptions
	Word      string        `json:"word,omitzero"`      // a word of the key's vocabulary
	Time      Moment        `json:"time,omitzero"`      // when it happened; of a service: since when
	Promised  Moment        `json:"promised,omitzero"`  // an action: for when it was promised
	Number    *int64        `json:"number,omitzero"`    // how many; nil where not known
	Unit      string        `json:"unit,omitzero"`      // of Number: persons, records, accounts, attempts
	Qualifier string        `json:"qualifier,omitzero"` // of Number, Time or (an action) Promised: exact, about, at-most, cumulative
	Region    string        `json:"region,omitzero"`    // of Number in affected.part: where those people live, ISO 3166-2 (US-WA)
	Original  string        `json:"original,omitzero"`  // of Word: what the source calls it, where that says more or something else
	Status    string        `json:"status,omitzero"`    // of a service, action or secondary damage
	URL       string        `json:"url,omitzero"`       // source, contact
	Telephone string        `json:"telephone,omitzero"` // contact
	Hours     language.Text `json:"hours,omitzero"`     // contact
	Fetched   Moment        `json:"fetched,omitzero"`   // source: when it was read
	SHA256    string        `json:"sha256,omitzero"`    // source: of the bytes that were read
	Quote     string        `json:"quote,omitzero"`     // source: the few words of it that matter, in its own language
	Licence   string        `json:"licence,omitzero"`   // source: under which its data may be shown, where that matters
}

// Fact is one recorded value about an incident.
type Fact struct {
	Key       string    `json:"key"`
	Item      string    `json:"id,omitzero"` // of a listed key
	Value     Value     `json:"value,omitzero"`
	Certainty Certainty `json:"certainty"`
	Source    string    `json:"source,omitzero"` // the id of a source item, or a citation
	AsOf      Moment    `json:"asOf"`
	Retracted bool      `json:"retracted,omitzero"` // takes the item back; the value is empty

	Recorded time.Time `json:"-"` // when this program was told
	Author   string    `json:"-"` // whose it is: a data set's, a merged incident's; empty: the operator's
	Unsigned bool      `json:"-"` // shown by an earlier version before facts had to be signed, and in no notice yet
}

// form is the kind of value a key has.
type form int

const (
	formText form = iota + 1
	formTime
	formCount
	formWord
	formSource
	formService
	formAction
	formAddendum
	formExcluded
	formDamage
	formContact
	formCountry
	formDomain
	formNext // a time that is promised, or the word none
)

// keyForm describes a key: its form, whether it is listed, and for counts the units it may have.
type keyForm struct {
	form   form
	listed bool
	units  []string
	words  []string // formWord: nil means data classes
}

// keys are the typed keys of a fact, in the order in which they are shown.
var keyOrder = []string{
	"organisation", "alias", "domain", "sector", "country", "certification", "title", "scope.state",
	"disclosed", "window.start", "window.end", "discovered", "contained", "login-blocked", "regulator-notified",
	"persons-notified", "closed",
	"affected.count", "affected.part", "base.count", "attempts.count", "excluded", "data-class", "cause", "secondary-damage",
	"service", "action", "next-update", "addendum", "reply", "contact", "source",
}

// Keys lists the keys of facts in the order in which they are shown.
func Keys() []string { return slices.Clone(keyOrder) }

var keyForms = map[string]keyForm{
	"organisation":       {form: formText},
	"alias":              {form: formText, listed: true},
	"domain":             {form: formDomain, listed: true},
	"sector":             {form: formWord, words: labelled(sectors)},
	"country":            {form: formCountry},
	"certification":      {form: formText, listed: true},
	"title":              {form: formText},
	"scope.state":        {form: formWord, words: States},
	"disclosed":          {form: formTime},
	"window.start":       {form: formTime},
	"window.end":         {form: formTime},
	"discovered":         {form: formTime},
	"contained":          {form: formTime},
	"login-blocked":      {form: formTime},
	"regulator-notified": {form: formTime},
	"persons-notified":   {form: formTime},
	"closed":             {form: formTime},
	"affected.count":     {form: formCount, units: []string{"persons", "records", "accounts"}},
	"affected.part":      {form: formCount, listed: true, units: []string{"persons", "records", "accounts"}},
	"base.count":         {form: formCount, units: []string{"persons", "records", "accounts"}},
	"attempts.count":     {form: formCount, units: []string{"attempts"}},
	"excluded":           {form: formExcluded, listed: true, units: []string{"persons", "records", "accounts"}},
	"data-class":         {form: formWord, listed: true},
	"cause":              {form: formWord, words: labelled(causes)},
	"secondary-damage":   {form: formDamage, listed: true},
	"service":            {form: formService, listed: true},
	"action":             {form: formAction, listed: true},
	"next-update":        {form: formNext},
	"addendum":           {form: formAddendum, listed: true},
	"reply":              {form: formAddendum, listed: true},
	"contact":            {form: formContact},
	"source":             {form: formSource, listed: true},
}

// NoNext is the word of next-update by which an organisation says that no further notice is planned.
const NoNext = "none"

// Several reports whether a key is listed: it holds items, each with an id of its own.
func Several(key string) bool { return keyForms[key].listed }

// The words of a status, by what has one.
var (
	serviceStatuses = []string{"affected", "stopped", "resumed", "unrelated"}
	actionStatuses  = []string{"taken", "planned", "kept", "slipped", "lifted"}
	damageKinds     = []string{"enquiry", "login", "tampering", "misuse", "spread"}
	damageStatuses  = []string{"none-confirmed", "reported", "confirmed"}
	qualifiers      = []string{"exact", "about", "at-most", "cumulative"}
	certainties     = []string{string(Confirmed), string(Possible), string(Planned), string(Unknown)}
)

// The states of an incident's scope, as the statement gives them (docs/PROTOCOL.md).
const (
	StateInvestigating = "investigating" // the scope is not settled
	StateFinal         = "final"
	StateByMail        = "by-mail"   // sensitive: in no public index
	StateRetired       = "retired"   // no answer is given any more
	StateReopened      = "reopened"  // it was final and is examined again; what was sealed is still asked
	StateWithdrawn     = "withdrawn" // the id was a mistake
)

// States lists the words of scope.state.
var States = []string{StateInvestigating, StateFinal, StateByMail, StateRetired, StateReopened, StateWithdrawn}

package response

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
)

// A Declaration is what is known when a case begins.
type Declaration struct {
	ID           string // of the incident; "" makes one of the organisation's name and the date
	Title        string
	Organisation string
	English      string          // the organisation's name in English, where that is known: the id is made of it, and pages in English say it
	Known        incident.Moment // when any department knew (知った時点)
	Happened     incident.Moment // when it happened, as far as known; zero: it is not
	Says         string          // what is known, in words
	Part         string          // own, processor, client, joint; "" is own
	Illicit      bool            // a wrongful purpose is possible
	Persons      int64           // as far as known; 0: not known
	Commander    string
	Regimes      []string
	Playbook     string    // "" opens no tasks
	Update       time.Time // until when more is promised; zero: what the playbook proposes, where it does
}

const maxText = 20_000 // characters

func textOK(what, s string, wanted bool) error {
	switch {
	case wanted && strings.TrimSpace(s) == "":
		return fmt.Errorf("%w: %s is wanted", ErrEntry, what)
	case !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxText:
		return fmt.Errorf("%w: %s is at most %d characters of text", ErrEntry, what, maxText)
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return fmt.Errorf("%w: %s has a control character", ErrEntry, what)
		}
	}
	return nil
}

var parts = []string{"own", "processor", "client", "joint"}

// Declare opens a case: its incident is recorded as a draft, its regimes start their clocks, and the tasks of its playbook
// are opened. Nothing of it is public.
//
// Errors: ErrEntry, law.ErrUnknown; those of recording an incident.
func (c *Cases) Declare(ctx context.Context, who actor.Actor, d Declaration) (*Case, error) {
	if err := who.May(actor.Declare, ""); err != nil {
		return nil, fmt.Errorf("declare a case: %w", err)
	}
	if d.Part == "" {
		d.Part = "own"
	}
	if err := c.checkDeclaration(&d); err != nil {
		return nil, err
	}
	book, err := c.playbook(d.Playbook)
	if err != nil {
		return nil, err
	}
	named := d.ID != ""
	for n := 1; ; n++ {
		if !named {
			d.ID = proposedID(d, n, who.Person())
		}
		file, err := draft(d)
		if err != nil {
			return nil, err
		}
		if _, err = c.Incidents.Create(ctx, who, file); err == nil {
			break
		}
		if !errors.Is(err, incident.ErrExist) || n == maxSameDay {
			return nil, fmt.Errorf("declare a case: %w", err)
		}
		if who.Person() && !who.Sees(d.ID) { // what it is, and whether it has a case, is not theirs to hear
			if named {
				return nil, fmt.Errorf("declare a case: %w", err)
			}
			continue
		}
		inc, e := c.Incidents.Get(ctx, d.ID)
		if e != nil {
			return nil, fmt.Errorf("declare a case: %w", err)
		}
		// An incident that has no case yet gets one: it was recorded before, or by a declaration that did not end.
		free, e := c.free(ctx, inc)
		if e != nil {
			return nil, e
		}
		if free && (named || inc.Title("en") == d.Title && inc.Organisation("en") == cmp.Or(d.English, d.Organisation)) {
			break
		}
		if named {
			return nil, fmt.Errorf("declare a case: %w", err)
		}
	}
	return c.write(ctx, who.With(d.ID, actor.Full), d.ID, true, func(k *Case) ([]Body, error) {
		if k.Entries > 0 {
			return nil, fmt.Errorf("%w: it was declared before", ErrEntry)
		}
		out := []Body{{Declared: &Declared{Title: d.Title, Organisation: d.Organisation, Known: d.Known.String(), Happened: d.Happened.String(), Part: d.Part, Illicit: d.Illicit,
			Persons: d.Persons, Commander: d.Commander, Regimes: d.Regimes, Playbook: d.Playbook, Says: d.Says}}}
		return append(out, book.opens(d, c.now())...), nil
	})
}

// maxSameDay is how many cases of one organisation get their id from one day.
const maxSameDay = 50

// free reports whether an incident is one's own and has no case.
func (c *Cases) free(ctx context.Context, inc incident.Incident) (bool, error) {
	var n int
	if err := c.DB.QueryRowContext(ctx, `SELECT count(*) FROM response_case WHERE id = $1`, inc.ID).Scan(&n); err != nil {
		return false, fmt.Errorf("declare a case: %w", err)
	}
	_, imported, err := c.Incidents.Provenance(ctx, inc.ID)
	return n == 0 && !imported, err
}

func (c *Cases) checkDeclaration(d *Declaration) error {
	for what, s := range map[string]string{"a title": d.Title, "an organisation": d.Organisation} {
		if err := textOK(what, s, true); err != nil {
			return err
		}
	}
	switch {
	case d.Known.IsZero() || d.Known.Precision > incident.Day:
		return hint.Add(fmt.Errorf("%w: when it was known is wanted, to the day at least", ErrEntry), "when any department knew first, for example 2026-08-20T10:09+09:00")
	case d.Known.Time.After(c.now().Add(time.Hour)):
		return fmt.Errorf("%w: it was known at %s, which has not come yet", ErrEntry, d.Known)
	case d.Happened.Time.After(c.now().Add(time.Hour)):
		return fmt.Errorf("%w: it happened at %s, which has not come yet", ErrEntry, d.Happened)
	case !d.Happened.IsZero() && d.Happened.Time.After(d.Known.End()):
		return hint.Add(fmt.Errorf("%w: it was known at %s, and happened at %s", ErrEntry, d.Known, d.Happened), "nobody knows before it happens: the law counts from when any department knew")
	case !d.Update.IsZero() && !d.Update.After(c.now()):
		return fmt.Errorf("%w: more is promised until a time that is over", ErrEntry)
	case !slices.Contains(parts, d.Part):
		return fmt.Errorf("%w: part %q is none of %s", ErrEntry, d.Part, strings.Join(parts, ", "))
	case d.Persons < 0:
		return fmt.Errorf("%w: a number of persons is not below zero", ErrEntry)
	case d.ID != "" && !incident.ValidID(d.ID):
		return fmt.Errorf("%w: an id is 1 to 64 of a-z, 0-9 and -", ErrEntry)
	}
	for what, s := range map[string]string{"what is known": d.Says, "who commands": d.Commander} {
		if err := textOK(what, s, false); err != nil {
			return err
		}
	}
	for _, id := range d.Regimes {
		if _, err := c.regime(id); err != nil {
			return err
		}
	}
	return nil
}

var notID = regexp.MustCompile(`[^a-z0-9-]+`)

// proposedID is the organisation's name and the day; n counts where there are several. A member of the staff gets letters by chance
// instead: a number would tell them of a case that is hidden from them.
func proposedID(d Declaration, n int, letters bool) string {
	name := strings.Trim(notID.ReplaceAllString(incident.ItemID(cmp.Or(d.English, d.Organisation)), "-"), "-")
	id := strings.Trim(name[:min(len(name), 45)], "-") + "-" + d.Known.Time.Format("2006-01-02")
	switch {
	case letters:
		id += "-" + strings.ToLower(rand.Text()[:6])
	case n > 1:
		id += "-" + strconv.Itoa(n)
	}
	return strings.TrimPrefix(id, "-")
}

// draft is the incident as it is known when the case begins.
func draft(d Declaration) (*incident.FactsFile, error) {
	var organisation any = d.Organisation
	if d.English != "" {
		organisation = map[string]string{"ja": d.Organisation, "en": d.English}
	}
	facts := []map[string]any{
		{"key": "title", "value": d.Title}, {"key": "organisation", "value": organisation},
		{"key": "discovered", "value": d.Known.String()}, {"key": "scope.state", "value": "investigating"},
	}
	if d.Persons > 0 {
		facts = append(facts, map[string]any{"key": "affected.count", "value": d.Persons, "unit": "persons", "qualifier": "about", "certainty": "possible"})
	}
	src, err := yaml.Marshal(map[string]any{"id": d.ID, "facts": facts})
	if err != nil {
		return nil, fmt.Errorf("declare a case: %w", err)
	}
	return incident.ParseFactsFile("the declaration", src)
}

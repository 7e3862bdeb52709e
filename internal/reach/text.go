package reach

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/roster"
)

// variant is a text as one group of recipients gets it: those of one language of whom the same was exposed.
type variant struct {
	Lang     language.Lang `json:"lang"`
	Set      uint16        `json:"set"`
	Markdown string        `json:"markdown"`
}

// frozen is what is sent, word for word.
type frozen struct {
	Subject  language.Text `json:"subject"`
	Variants []variant     `json:"variants"`
}

// maxSets bounds how many texts there are: a set is what was exposed of somebody.
const maxSets = 500

// linkMark stands for the personal link in a text that many share. The character is one that no text may have.
const linkMark = "https://link.invalid/"

// render writes a campaign's texts for all that a roster's members may get, from the facts as they are now. An unknown fact is an error that
// names its place.
func (r *Reach) render(ctx context.Context, c *Spec, ro roster.Roster) (*frozen, error) {
	if len(c.languages()) == 0 { // the house has its own letter
		return &frozen{}, nil
	}
	in, err := r.Incident(ctx, c.Incident)
	if errors.Is(err, incident.ErrNotFound) {
		return nil, hint.Add(fmt.Errorf("%w: nothing of %s is public yet, and a mail says what the public is told", ErrInput, c.Incident), "publish its first notice: shirase publish "+c.Incident)
	}
	if err != nil {
		return nil, fmt.Errorf("the facts of %s: %w", c.Incident, err)
	}
	if len(ro.Sets) > maxSets {
		return nil, fmt.Errorf("%w: the roster has %d sets of what was exposed, and a campaign at most %d", ErrInput, len(ro.Sets), maxSets)
	}
	number := ""
	if r.Number != nil {
		if number, err = r.Number(ctx, c.Incident); err != nil {
			return nil, err
		}
	}
	out := &frozen{}
	for _, l := range c.languages() {
		subject := c.Subject.In(l)
		said, err := in.Render(l, "subject."+string(l), r.own(c, l, number, nil).Replace(subject))
		if err != nil {
			return nil, err
		}
		said = strings.TrimSpace(incident.Text(said, l))
		if l == language.JA {
			out.Subject.JA = said
		} else {
			out.Subject.EN = said
		}
		for set, classes := range ro.Sets {
			own := r.own(c, l, number, incident.ClassLabelsIn(l, in.Country(), classes))
			md := own.Replace(c.Text.In(l))
			if at := strings.Index(md, "{{you."); at >= 0 || strings.Contains(md, "{{notice.") {
				return nil, hint.Add(fmt.Errorf("%w: text.%s refers to what nobody knows of a recipient or a notice", ErrInput, l), "{{you.exposed}}, {{you.link}} (with link), {{notice.number}} and {{notice.url}} are known")
			}
			if md, err = in.Render(l, "text."+string(l), md); err != nil {
				return nil, err
			}
			out.Variants = append(out.Variants, variant{l, uint16(set), md})
		}
	}
	return out, nil
}

// own replaces what is not of the incident. What is not known stays, and is refused by whoever looks for it.
func (r *Reach) own(c *Spec, l language.Lang, number string, exposed []string) *strings.Replacer {
	pairs := []string{}
	add := func(mark, with string) {
		if with != "" {
			pairs = append(pairs, mark, with)
		}
	}
	add("{{you.exposed}}", incident.Plain(language.Join(l, exposed)))
	add("{{notice.number}}", incident.Plain(number))
	add("{{notice.url}}", strings.Trim(incident.Link(r.URL), "<>"))
	if c.Link != "" {
		add("{{you.link}}", "<"+linkMark+">")
	}
	return strings.NewReplacer(pairs...)
}

// languages are those that a campaign has texts in.
func (c *Spec) languages() (out []language.Lang) {
	if c.Text.JA != "" {
		out = append(out, language.JA)
	}
	if c.Text.EN != "" {
		out = append(out, language.EN)
	}
	return out
}

// languageFor is the language that a member is written to in.
func (c *Spec) languageFor(locale string) language.Lang {
	tag, _, _ := strings.Cut(strings.ToLower(locale), "-")
	all := c.languages()
	for _, l := range all {
		if string(l) == tag {
			return l
		}
	}
	if tag != "" && slices.Contains(all, language.EN) && tag != "und" { // who reads neither reads English sooner
		return language.EN
	}
	if c.Language != "" && slices.Contains(all, c.Language) {
		return c.Language
	}
	return all[0]
}

// check refuses what cannot be a campaign.
func (c *Spec) check(r *Reach) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrInput}, args...)...)
	}
	if err := c.checkChannel(); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(c.From.Address); c.Way() == Mail && (err != nil || a.Address != c.From.Address || a.Name != "") {
		return hint.Add(bad("from.address is not an address of mail"), "such as notice@example.jp, of the organisation's own domain")
	}
	if c.ReplyTo != "" {
		if a, err := mail.ParseAddress(c.ReplyTo); err != nil || a.Address != c.ReplyTo {
			return bad("replyTo is not an address of mail")
		}
	}
	if len(c.languages()) == 0 && c.Way() == Mail {
		return bad("it has no text")
	}
	for _, l := range c.languages() {
		if strings.TrimSpace(c.Subject.In(l)) == "" {
			return bad("it has a text in %s and no subject in it", l)
		}
		if err := incident.CheckText("text."+string(l), ownMarks.Replace(c.Text.In(l))); err != nil {
			return err
		}
		if err := incident.CheckText("subject."+string(l), ownMarks.Replace(c.Subject.In(l))); err != nil {
			return err
		}
		if strings.Contains(c.Text.In(l), linkMark) {
			return bad("text.%s has an address that stands for the personal link", l)
		}
	}
	if c.Language != "" && !slices.Contains(c.languages(), c.Language) {
		return bad("language is %q, and there is no text in it", c.Language)
	}
	if c.Link != "" {
		if u, err := url.Parse(c.Link); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || u.RawQuery != "" || len(c.Link) > 500 {
			return hint.Add(bad("link is no https address"), "such as https://notice.example.jp/reset/")
		}
	}
	for _, n := range c.Needs {
		if r.Conditions[n] == nil {
			return hint.Add(bad("it needs %q, and nobody here knows whether that is so", n), "known: "+strings.Join(keysOf(r.Conditions), ", "))
		}
	}
	for _, n := range c.Only {
		if r.Filters[n] == nil {
			return hint.Add(bad("it is only for %q, and nobody here knows who that is", n), "known: "+strings.Join(keysOf(r.Filters), ", "))
		}
	}
	if c.Active != "" && c.Active != InUse && c.Active != NotInUse {
		return hint.Add(bad("active is %q", c.Active), "active: yes is for those one of whose accounts is in use, active: no for the others; without it they come first")
	}
	for _, w := range c.Classes {
		if !incident.KnownClass(w) {
			return bad("there is no class %q", w)
		}
	}
	return nil
}

var ownMarks = strings.NewReplacer("{{you.exposed}}", "x", "{{you.link}}", "x", "{{notice.number}}", "x", "{{notice.url}}", "x")

// keysOf gives the names of what is known.
func keysOf[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	if len(out) == 0 {
		return []string{"none"}
	}
	return out
}

// promise is a reference to the reset's facts, in whatever space it is written.
var promise = regexp.MustCompile(`\{\{\s*(action|contact)\s+reset`)

// promises reports whether a text speaks of the reset: then it waits for it.
func (c *Spec) promises() bool {
	return slices.ContainsFunc([]string{c.Subject.JA, c.Subject.EN, c.Text.JA, c.Text.EN}, promise.MatchString)
}

// Content is a mail's content, as somebody gets it.
type Content struct {
	Lang    language.Lang
	Subject string
	Text    string // of the plain part
	HTML    string // the page of the other
}

// content makes both parts of a text.
func content(subject, md string, l language.Lang) (Content, error) {
	h, err := incident.HTML(md)
	if err != nil {
		return Content{}, err
	}
	return Content{l, subject, incident.Text(md, l), message.Page(string(l), subject, string(h))}, nil
}

// linked puts somebody's own link where the mark of it stands.
func (c Content) linked(link string) Content {
	c.Text, c.HTML = strings.ReplaceAll(c.Text, linkMark, link), strings.ReplaceAll(c.HTML, linkMark, link)
	return c
}

// in gives the content for a language and a set.
func (f *frozen) in(l language.Lang, set uint16) (Content, error) {
	i := slices.IndexFunc(f.Variants, func(v variant) bool { return v.Lang == l && v.Set == set })
	if i < 0 {
		return Content{}, fmt.Errorf("%w: it has no text for set %d in %s", ErrDamaged, set, l)
	}
	return content(f.Subject.In(l), f.Variants[i].Markdown, l)
}

func (c *Campaign) frozen() (*frozen, error) {
	var f frozen
	if err := json.Unmarshal(c.texts, &f); err != nil {
		return nil, fmt.Errorf("%w: its texts: %w", ErrDamaged, err)
	}
	return &f, nil
}

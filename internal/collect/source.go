package collect

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/goccy/go-yaml/ast"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/yaml"
)

// The kinds of sources.
const (
	Feed    = "feed"    // RSS, Atom, JSON Feed
	Sitemap = "sitemap" //
	List    = "list"    // a page that lists others, by a selector
	HIBP    = "hibp"    // the list of breaches of Have I Been Pwned's API
	Shirase = "shirase" // another instance, whose notices are verified
)

// Source is something that is looked at for disclosures.
type Source struct {
	ID, Kind, URL  string
	Settings       Settings
	On             bool
	Next, Read     time.Time
	Failures       int
	Said           string // what went wrong last
	Added          time.Time
	AddedBy        string
	etag, modified string
}

// Settings are how a source is read.
type Settings struct {
	Selector  string        `json:"selector,omitempty"` // of a list: CSS, the elements that are or hold the links
	Match     string        `json:"match,omitempty"`    // a pattern that a title or address has to have; "": any
	Language  string        `json:"language,omitempty"` // ja or en, for people
	Every     time.Duration `json:"every"`
	Most      int           `json:"most"` // pages that are taken in one round
	LedgerKey string        `json:"ledgerKey,omitempty"`

	// Of another instance, what was seen last.
	Size       int64             `json:"size,omitempty"`
	Checkpoint string            `json:"checkpoint,omitempty"`
	Notices    map[string]string `json:"notices,omitempty"` // digest by id
}

// Bounds of how a source is read.
const (
	minEvery     = 15 * time.Minute
	maxEvery     = 30 * 24 * time.Hour
	defaultEvery = 6 * time.Hour
	defaultMost  = 20
	maxMost      = 500
	maxTries     = 5
	maxSources   = 1000
)

// ParseSources reads a file of sources.
func ParseSources(name string, src []byte) ([]Source, error) {
	root, err := yaml.Parse(src, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrInput, err)
	}
	top, ok := root.(*ast.MappingNode)
	var list *ast.SequenceNode
	if ok && len(top.Values) == 1 && top.Values[0].Key.String() == "sources" {
		list, _ = top.Values[0].Value.(*ast.SequenceNode)
	}
	if list == nil {
		return nil, hint.Add(fmt.Errorf("%s: %w: it has no list named sources", name, ErrInput), "docs/handbook/collecting.md shows one")
	}
	var out []Source
	for _, n := range list.Values {
		one, ok := n.(*ast.MappingNode)
		if !ok {
			return nil, fmt.Errorf("%s:%d: %w: a source is a mapping", name, n.GetToken().Position.Line, ErrInput)
		}
		var s Source
		for _, v := range one.Values {
			text := ""
			switch x := v.Value.(type) {
			case *ast.StringNode:
				text = x.Value
			case *ast.IntegerNode:
				text = x.String()
			default:
				return nil, fmt.Errorf("%s:%d: %w: %s is no text", name, v.GetToken().Position.Line, ErrInput, v.Key)
			}
			if err := s.set(v.Key.String(), text); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, v.GetToken().Position.Line, err)
			}
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, one.GetToken().Position.Line, err)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w: it names no source", name, ErrInput)
	}
	return out, nil
}

func (s *Source) set(key, text string) (err error) {
	switch key {
	case "kind":
		s.Kind = text
	case "url":
		s.URL = text
	case "selector":
		s.Settings.Selector = text
	case "match":
		s.Settings.Match = text
	case "language":
		s.Settings.Language = text
	case "ledgerKey":
		s.Settings.LedgerKey = text
	case "every":
		if s.Settings.Every, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%w: every is a time such as 6h, and not %.40q", ErrInput, text)
		}
	case "most":
		if _, err := fmt.Sscan(text, &s.Settings.Most); err != nil {
			return fmt.Errorf("%w: most is a number", ErrInput)
		}
	default:
		return hint.Add(fmt.Errorf("%w: a source has no %.40q", ErrInput, key), "kind, url, selector, match, language, every, most, ledgerKey")
	}
	return nil
}

// check completes a source, or says why it cannot be one.
func (s *Source) check() error {
	u, err := fetch.Check(s.URL)
	if err != nil {
		return err
	}
	s.URL = u.String()
	o := &s.Settings
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.Most == 0 {
		o.Most = defaultMost
	}
	switch {
	case o.Every < minEvery || o.Every > maxEvery:
		return fmt.Errorf("%w: every is from %s to %s", ErrInput, minEvery, maxEvery)
	case o.Most < 1 || o.Most > maxMost:
		return fmt.Errorf("%w: most is from 1 to %d", ErrInput, maxMost)
	case o.Language != "" && o.Language != "ja" && o.Language != "en":
		return fmt.Errorf("%w: the language is ja or en", ErrInput)
	case (s.Kind == List) != (o.Selector != ""):
		return hint.Add(fmt.Errorf("%w: a list has a selector, and nothing else has", ErrInput), "such as ul.news a")
	case (s.Kind == Shirase) != (o.LedgerKey != ""):
		return hint.Add(fmt.Errorf("%w: another instance is known by its ledger's key, and nothing else has one", ErrInput), "its page /verify shows the key; compare it with one that you have from elsewhere")
	}
	switch s.Kind {
	case Feed, Sitemap, List, HIBP, Shirase:
	default:
		return hint.Add(fmt.Errorf("%w: %.40q is no kind of source", ErrInput, s.Kind), "feed, sitemap, list, hibp or shirase")
	}
	if s.Kind == List {
		if _, err := cascadia.ParseGroup(o.Selector); err != nil {
			return fmt.Errorf("%w: the selector: %w", ErrInput, err)
		}
	}
	if len(o.Match) > 500 {
		return fmt.Errorf("%w: the pattern is too long", ErrInput)
	}
	if _, err := regexp.Compile(o.Match); err != nil {
		return fmt.Errorf("%w: the pattern: %w", ErrInput, err)
	}
	if s.Kind == Shirase {
		if _, err := check.LedgerPolicy(o.LedgerKey); err != nil {
			return fmt.Errorf("%w: %w", ErrInput, err)
		}
		s.URL = strings.TrimSuffix(s.URL, "/")
	}
	return nil
}

// AddSources has sources looked at from now on. One that is there by its address is changed.
func (c *Collection) AddSources(ctx context.Context, who actor.Actor, list []Source) ([]Source, error) {
	if err := who.May(actor.Keys, ""); err != nil {
		return nil, fmt.Errorf("add sources: %w", err)
	}
	var out []Source
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		out = nil
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM collect_source`).Scan(&n); err != nil {
			return err
		}
		if n+len(list) > maxSources {
			return fmt.Errorf("%w: more than %d sources", ErrInput, maxSources)
		}
		for _, s := range list {
			if err := s.check(); err != nil {
				return err
			}
			s.ID, s.On, s.Added, s.AddedBy = newID("s"), true, c.Now(), who.String()
			var before string
			err := tx.QueryRowContext(ctx, `SELECT id, settings FROM collect_source WHERE url = $1`, s.URL).Scan(&s.ID, &before)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			var old Settings
			if before != "" && json.Unmarshal([]byte(before), &old) == nil && old.LedgerKey == s.Settings.LedgerKey { // what was seen of a ledger stays seen
				s.Settings.Size, s.Settings.Checkpoint, s.Settings.Notices = old.Size, old.Checkpoint, old.Notices
			}
			settings, merr := json.Marshal(s.Settings)
			if merr != nil {
				return merr
			}
			if before == "" {
				_, err = tx.ExecContext(ctx, `INSERT INTO collect_source (id, kind, url, settings, state, etag, modified, next_at, lease, failures, said, read_at, added_at, added_by) VALUES ($1, $2, $3, $4, 'on', '', '', $5, 0, 0, '', 0, $5, $6)`,
					s.ID, s.Kind, s.URL, string(settings), store.Micros(s.Added), s.AddedBy)
			} else {
				_, err = tx.ExecContext(ctx, `UPDATE collect_source SET kind = $2, settings = $3, state = 'on', next_at = $4, failures = 0, etag = '', modified = '' WHERE id = $1`, s.ID, s.Kind, string(settings), store.Micros(s.Added))
			}
			if err != nil {
				return err
			}
			out = append(out, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add sources: %w", err)
	}
	return out, nil
}

// EndSource has a source looked at no more.
func (c *Collection) EndSource(ctx context.Context, who actor.Actor, id string) error {
	if err := who.May(actor.Keys, ""); err != nil {
		return fmt.Errorf("end a source: %w", err)
	}
	res, err := c.DB.ExecContext(ctx, `UPDATE collect_source SET state = 'off' WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("end a source: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("end a source: %w: %.40q", ErrNotFound, id))
	}
	return nil
}

// ListSources lists the sources.
func (c *Collection) ListSources(ctx context.Context, who actor.Actor) ([]Source, error) {
	if err := who.May(actor.Record, ""); err != nil && who.May(actor.Keys, "") != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return c.sources(ctx, `ORDER BY added_at, id`)
}

func (c *Collection) sources(ctx context.Context, where string, args ...any) ([]Source, error) {
	rows, err := c.DB.QueryContext(ctx, `SELECT `+sourceColumns+` FROM collect_source `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Source
	for rows.Next() {
		s, err := scanSource(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, *s)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

const sourceColumns = `id, kind, url, settings, state, etag, modified, next_at, failures, said, read_at, added_at, added_by`

func scanSource(rows interface{ Scan(...any) error }) (*Source, error) {
	var s Source
	var settings, state string
	var next, readAt, addedAt int64
	if err := rows.Scan(&s.ID, &s.Kind, &s.URL, &settings, &state, &s.etag, &s.modified, &next, &s.Failures, &s.Said, &readAt, &addedAt, &s.AddedBy); err != nil {
		return nil, err
	}
	s.On, s.Next, s.Added = state == "on", store.FromMicros(next), store.FromMicros(addedAt)
	if readAt != 0 {
		s.Read = store.FromMicros(readAt)
	}
	return &s, json.Unmarshal([]byte(settings), &s.Settings)
}

// Poll reads the source that has waited longest; false where none is due. What it names and what is known of it are written in one
// transaction: killed before it, the source is read again; after it, no page is lost.
func (c *Collection) Poll(ctx context.Context) (bool, error) {
	var s *Source
	now := c.Now()
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		var err error
		if s, err = scanSource(tx.QueryRowContext(ctx, `SELECT `+sourceColumns+` FROM collect_source WHERE state = 'on' AND next_at <= $1 AND lease < $1 ORDER BY next_at LIMIT 1`, store.Micros(now))); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE collect_source SET lease = $2 WHERE id = $1`, s.ID, store.Micros(now.Add(4*leased)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a source: %w", err)
	}
	err = c.poll(ctx, s)
	c.came()
	if err == nil || ctx.Err() != nil {
		return true, ctx.Err()
	}
	_, uerr := c.DB.ExecContext(ctx, `UPDATE collect_source SET failures = failures + 1, lease = 0, said = $2, next_at = $3 WHERE id = $1`, s.ID, clip(err.Error(), 500), store.Micros(c.Now().Add(max(s.Settings.Every, backOff(s.Failures)))))
	return true, errors.Join(fmt.Errorf("read the source %s: %w", hostOf(s.URL), err), uerr)
}

func (c *Collection) poll(ctx context.Context, s *Source) error {
	if s.Kind == Shirase {
		return c.follow(ctx, s)
	}
	get := c.Web.Get
	if s.Kind == HIBP {
		get = c.Web.AskIfChanged
	}
	p, err := get(ctx, s.URL, fetch.Known{ETag: s.etag, LastModified: s.modified})
	if err != nil {
		return err
	}
	if p.Unchanged() {
		return c.polled(ctx, s, nil, s.etag, s.modified)
	}
	if !p.OK() {
		return fmt.Errorf("it answers %d %s", p.Status, http.StatusText(p.Status))
	}
	var pages []found
	switch s.Kind {
	case HIBP:
		if c.Dataset == nil {
			return errors.New("this process takes in no data sets")
		}
		if err := c.Dataset(ctx, "hibp", p.Body); err != nil {
			return err
		}
	case List:
		pages, err = selected(p.Body, p.Final, s.Settings.Selector)
	case Feed, Sitemap:
		var lists []string
		if pages, lists, err = listed(p.Body, p.Final); err == nil {
			for _, at := range lists[:min(len(lists), 20)] {
				more, err := c.Web.Get(ctx, at, fetch.Known{})
				if err != nil || !more.OK() {
					continue
				}
				if got, _, err := listed(more.Body, more.Final); err == nil {
					pages = append(pages, got...)
				}
			}
		}
	}
	if err != nil {
		return err
	}
	return c.polled(ctx, s, pages, short(p.Header.Get("ETag")), short(p.Header.Get("Last-Modified")))
}

// polled writes what a source named: the pages that match, and were not named before, wait to be read.
func (c *Collection) polled(ctx context.Context, s *Source, pages []found, etag, modified string) error {
	match, err := regexp.Compile(s.Settings.Match)
	if err != nil {
		return err
	}
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		now := store.Micros(c.Now())
		taken, left := 0, false
		for _, p := range pages {
			if s.Settings.Match != "" && !match.MatchString(p.title) && !match.MatchString(p.url) {
				continue
			}
			var known int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM collect_found WHERE url = $1`, p.url).Scan(&known); err != nil {
				return err
			}
			if known > 0 {
				continue
			}
			if taken == s.Settings.Most {
				left = true
				break
			}
			taken++
			if _, err := tx.ExecContext(ctx, `INSERT INTO collect_found (url, source, title, state, next_at, lease, tries, said, at) VALUES ($1, $2, $3, 'waiting', $4, 0, 0, '', $4)`, p.url, s.ID, p.title, now); err != nil {
				return err
			}
		}
		next := c.Now().Add(s.Settings.Every)
		if left { // the rest is asked for again soon, and whole
			etag, modified, next = "", "", c.Now().Add(minEvery)
		}
		settings, err := json.Marshal(s.Settings)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE collect_source SET etag = $2, modified = $3, next_at = $4, lease = 0, failures = 0, said = '', read_at = $5, settings = $6 WHERE id = $1`, s.ID, etag, modified, store.Micros(next), now, string(settings))
		return err
	})
}

// Take reads the page that a source named first; false where none waits. What it says is laid into the inbox. Killed in between, it is
// read again, and what lies there already is found by its words.
func (c *Collection) Take(ctx context.Context) (bool, error) {
	var at, source string
	var tries int
	now := c.Now()
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT url, source, tries FROM collect_found WHERE state = 'waiting' AND next_at <= $1 AND lease < $1 ORDER BY next_at, url LIMIT 1`, store.Micros(now)).Scan(&at, &source, &tries)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE collect_found SET lease = $2 WHERE url = $1`, at, store.Micros(now.Add(leased)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a page: %w", err)
	}
	d, err := c.get(ctx, at, fetch.Known{})
	if err == nil && d.Status != http.StatusOK {
		err = fmt.Errorf("it answers %d %s", d.Status, http.StatusText(d.Status))
	}
	if err == nil {
		_, err = c.lay(ctx, actor.Server(), d, source)
		c.came()
	}
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	state, said, next := "done", "", now
	if err != nil {
		said, next = clip(err.Error(), 500), c.Now().Add(backOff(tries))
		state = "waiting"
		if tries+1 >= maxTries || lasting(err) {
			state = "given-up"
		}
	}
	if _, uerr := c.DB.ExecContext(ctx, `UPDATE collect_found SET state = $2, said = $3, tries = tries + 1, next_at = $4, lease = 0 WHERE url = $1`, at, state, said, store.Micros(next)); uerr != nil {
		return true, fmt.Errorf("read a page: %w", uerr)
	}
	if err != nil {
		return true, fmt.Errorf("read a page of %s: %w", hostOf(at), err)
	}
	return true, nil
}

// lasting reports whether a page will not be read tomorrow either.
func lasting(err error) bool {
	for _, e := range []error{fetch.ErrURL, fetch.ErrAddress, fetch.ErrTooLarge, fetch.ErrRedirects, fetch.ErrRobots, read.ErrForm, read.ErrTooLarge, read.ErrLocked, read.ErrBroken} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Left counts the pages that were given up, and why, for whoever looks after the sources.
func (c *Collection) Left(ctx context.Context, who actor.Actor) (map[string]string, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("list pages that were given up: %w", err)
	}
	rows, err := c.DB.QueryContext(ctx, `SELECT url, said FROM collect_found WHERE state = 'given-up' ORDER BY at DESC LIMIT 500`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var at, said string
		if err := rows.Scan(&at, &said); err != nil {
			return nil, err
		}
		out[at] = said
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Work does what is due, one thing after the other, until ctx ends: sources, pages that they named, pages that are watched, proofs of
// those who wrote, and acceptances that somebody began and did not end.
func (c *Collection) Work(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		c.Round(ctx, failed)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Round does everything that is due now.
func (c *Collection) Round(ctx context.Context, failed func(error)) {
	if err := c.Finish(ctx); err != nil && ctx.Err() == nil {
		failed(err)
	}
	for _, step := range []func(context.Context) (bool, error){c.Poll, c.Take, c.LookAgain, c.Prove} {
		for ctx.Err() == nil {
			more, err := step(ctx)
			if err != nil && ctx.Err() == nil {
				failed(err)
			}
			if !more {
				break
			}
		}
	}
}

// below is an address of a server, by the path of another address of it.
func below(base, address string) (string, error) {
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	u, err := b.Parse(address)
	if err != nil {
		return "", err
	}
	u.Scheme, u.Host, u.User = b.Scheme, b.Host, nil
	return u.String(), nil
}

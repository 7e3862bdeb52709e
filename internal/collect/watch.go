package collect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/collect/fetch"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
)

// The states of a page that is watched.
const (
	Alive   = "alive"
	Changed = "changed"
	Away    = "gone"
)

// leased is how long a worker has for one page: more than the longest that reading one takes.
const leased = 5 * time.Minute

// again is when a page is looked at next: addenda come in the first days, and a page that goes, goes after years.
func again(age time.Duration) time.Duration {
	const day = 24 * time.Hour
	switch {
	case age < 2*day:
		return time.Hour
	case age < 14*day:
		return 6 * time.Hour
	case age < 90*day:
		return day
	case age < 730*day:
		return 7 * day
	}
	return 30 * day
}

// watch begins to watch a page whose item was accepted. Of a change, what was accepted is that it says something else now.
func (c *Collection) watch(ctx context.Context, tx *sql.Tx, id string, d *Document, kind string) error {
	now := c.Now()
	state := Alive
	switch kind {
	case Change:
		state = Changed
	case Gone:
		state = Away
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO collect_watch (url, incident, document, state, since, from_at, next_at, lease, failures, missing, seen_at) VALUES ($1, $2, $3, $4, $5, $5, $6, 0, 0, 0, $7)
		ON CONFLICT (url) DO UPDATE SET incident = excluded.incident, state = excluded.state, since = excluded.since`,
		d.URL, id, d.ID, state, store.Micros(now), store.Micros(now.Add(again(0))), store.Micros(d.Fetched))
	return err
}

// Watched is a page that is watched, as the archive shows its sources.
type Watched struct {
	URL, Incident, State string
	SHA256               string    // of what is preserved
	Fetched              time.Time // when that was read
	Since, Seen          time.Time // of the state; when it was last there
}

// Sources gives the state of each source of an incident that is watched.
func (c *Collection) Sources(ctx context.Context, id string) ([]Watched, error) {
	rows, err := c.DB.QueryContext(ctx, `SELECT w.url, w.incident, w.state, d.sha256, d.fetched, w.since, w.seen_at FROM collect_watch w JOIN collect_document d ON d.id = w.document WHERE w.incident = $1 ORDER BY w.url`, id)
	if err != nil {
		return nil, fmt.Errorf("read the sources of %s: %w", id, err)
	}
	defer rows.Close()
	var out []Watched
	for rows.Next() {
		var w Watched
		var fetched, since, seen int64
		if err := rows.Scan(&w.URL, &w.Incident, &w.State, &w.SHA256, &fetched, &since, &seen); err != nil {
			return nil, err
		}
		w.Fetched, w.Since, w.Seen = store.FromMicros(fetched), store.FromMicros(since), store.FromMicros(seen)
		out = append(out, w)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// watched is a row under a lease.
type watched struct {
	url, incident, document, state string
	from                           time.Time
	failures, missing              int
}

// LookAgain looks at the page that has waited longest to be looked at again; false where none is due.
func (c *Collection) LookAgain(ctx context.Context) (bool, error) {
	var w watched
	now := c.Now()
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		var from int64
		err := tx.QueryRowContext(ctx, `SELECT url, incident, document, state, from_at, failures, missing FROM collect_watch WHERE next_at <= $1 AND lease < $1 ORDER BY next_at LIMIT 1`, store.Micros(now)).
			Scan(&w.url, &w.incident, &w.document, &w.state, &from, &w.failures, &w.missing)
		if err != nil {
			return err
		}
		w.from = store.FromMicros(from)
		_, err = tx.ExecContext(ctx, `UPDATE collect_watch SET lease = $2 WHERE url = $1`, w.url, store.Micros(now.Add(leased)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look again: %w", err)
	}
	if err := c.lookAgain(ctx, w); err != nil {
		return true, fmt.Errorf("look again at %s: %w", hostOf(w.url), err)
	}
	return true, nil
}

func (c *Collection) lookAgain(ctx context.Context, w watched) error {
	was, err := documentOf(ctx, c.DB, w.document)
	if err != nil {
		return err
	}
	d, err := c.get(ctx, w.url, fetch.Known{ETag: was.ETag, LastModified: was.Modified})
	now := c.Now()
	next := store.Micros(now.Add(again(now.Sub(w.from))))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil: // it does not answer today: that says nothing of the page
		_, uerr := c.DB.ExecContext(ctx, `UPDATE collect_watch SET failures = failures + 1, lease = 0, next_at = $2 WHERE url = $1`, w.url, store.Micros(now.Add(backOff(w.failures))))
		return errors.Join(err, uerr)
	case d == nil || d.Status == http.StatusOK && d.Said == was.Said && w.state != Away:
		_, err := c.DB.ExecContext(ctx, `UPDATE collect_watch SET failures = 0, missing = 0, lease = 0, next_at = $2, seen_at = $3 WHERE url = $1`, w.url, next, store.Micros(now))
		return err
	case d.Status == http.StatusNotFound || d.Status == http.StatusGone:
		return c.missing(ctx, w, was, d, next)
	case d.Status != http.StatusOK:
		_, err := c.DB.ExecContext(ctx, `UPDATE collect_watch SET failures = failures + 1, lease = 0, next_at = $2 WHERE url = $1`, w.url, store.Micros(now.Add(backOff(w.failures))))
		return err
	}
	return c.changed(ctx, w, was, d, next)
}

// backOff is how long a page is left that does not answer.
func backOff(failures int) time.Duration { return time.Hour << min(failures, 7) }

// missing notes that a page is not there. Once may be a mishap; the second time it is told.
func (c *Collection) missing(ctx context.Context, w watched, was, d *Document, next int64) error {
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		now := c.Now()
		if w.missing+1 < 2 {
			_, err := tx.ExecContext(ctx, `UPDATE collect_watch SET missing = missing + 1, lease = 0, next_at = $2 WHERE url = $1`, w.url, store.Micros(now.Add(time.Hour)))
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE collect_watch SET missing = missing + 1, lease = 0, next_at = $2, state = $3, since = CASE WHEN state = $3 THEN since ELSE $4 END WHERE url = $1`, w.url, next, Away, store.Micros(now)); err != nil {
			return err
		}
		if w.state == Away {
			return nil
		}
		return insertItem(ctx, tx, &Item{ID: newID("i"), Kind: Gone, Relation: Addendum, State: Waiting, Document: was.ID, URL: w.url, Title: was.Title, Rank: rank(Gone, Addendum, 0), Incident: w.incident,
			Note: fmt.Sprintf("HTTP %d", d.Status), Created: now, CreatedBy: actor.Server().String()})
	})
}

// changed tells of a page that says something else. It is compared with what it said last, so that each change is told once.
func (c *Collection) changed(ctx context.Context, w watched, was, d *Document, next int64) error {
	lines := Diff(was.Text, d.Text)
	relation, differs := whatChanged(lines)
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		now := c.Now()
		state := Changed
		if !differs {
			state = w.state
			if state == Away {
				state = Alive // it is back
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE collect_watch SET document = $2, state = $3, since = CASE WHEN state = $3 THEN since ELSE $4 END, failures = 0, missing = 0, lease = 0, next_at = $5, seen_at = $4 WHERE url = $1`,
			w.url, d.ID, state, store.Micros(now), next); err != nil {
			return err
		}
		if !differs {
			return nil
		}
		title := d.Title
		if title == "" {
			title = firstLine(d.Text)
		}
		return insertItem(ctx, tx, &Item{ID: newID("i"), Kind: Change, Relation: relation, State: Waiting, Document: d.ID, Before: was.ID, URL: w.url, Title: title, Rank: rank(Change, relation, 0),
			Incident: w.incident, sketch: sketch(d.Text), Created: now, CreatedBy: actor.Server().String()})
	})
}

// A Line of a comparison.
type Line struct {
	Op   byte // ' ', '+' or '-'
	Text string
}

// maxCompared bounds how many lines are compared one by one.
const maxCompared = 2000

// Diff compares two texts line by line: what they share, what was taken away, what was added (longest common subsequence).
func Diff(before, after string) []Line {
	a, b := split(before), split(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out []Line
	for _, l := range a[:head] {
		out = append(out, Line{' ', l})
	}
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, l := range a[len(a)-tail:] {
		out = append(out, Line{' ', l})
	}
	return out
}

func split(s string) []string {
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func middle(a, b []string) (out []Line) {
	if len(a) > maxCompared || len(b) > maxCompared {
		for _, l := range a {
			out = append(out, Line{'-', l})
		}
		for _, l := range b {
			out = append(out, Line{'+', l})
		}
		return out
	}
	longest := make([][]int16, len(a)+1)
	for i := range longest {
		longest[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, Line{' ', a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || longest[i+1][j] >= longest[i][j+1]):
			out = append(out, Line{'-', a[i]})
			i++
		default:
			out = append(out, Line{'+', b[j]})
			j++
		}
	}
	return out
}

// noise are lines that change by themselves: a count of visitors, the day of today, a copyright's year.
var noise = regexp.MustCompile(`(?i)^(?:(?:アクセス|閲覧|訪問者)(?:数|カウンター)?[:：]?\s*[\d,，０-９]+.*|(?:本日|today)[^。]{0,40}|(?:©|\(c\)|copyright).*|[\d\s:/.,年月日時分秒-]+)$`)

// dayRE is a day that stands at an addition: who says when, says that.
var dayRE = regexp.MustCompile(`[0-9０-９]{1,4}\s*[年./-]\s*[0-9０-９]{1,2}\s*[月./-]\s*[0-9０-９]{1,2}|[0-9０-９]{1,2}月[0-9０-９]{1,2}日|(?i:january|february|march|april|may|june|july|august|september|october|november|december)\s+\d{1,2}`)

// whatChanged says what a change is: an addendum, a correction, or one that the page does not say.
func whatChanged(lines []Line) (relation string, differs bool) {
	plus, minus := "", ""
	for _, l := range lines {
		if noise.MatchString(l.Text) {
			continue
		}
		switch l.Op {
		case '+':
			plus += l.Text + "\n"
		case '-':
			minus += l.Text + "\n"
		}
	}
	says := added.MatchString(plus) || dayRE.MatchString(plus) && minus == ""
	switch {
	case plus == "" && minus == "":
		return "", false
	case correct.MatchString(plus):
		return Correction, true
	case says && len(minus) <= len(plus):
		return Addendum, true
	}
	return Silent, true
}

// changeFact is what an accepted change is recorded as: an addendum to the incident, with a few of the words that were added.
func changeFact(l *Look, relation string, now incident.Moment) incident.Fact {
	said := ""
	for _, line := range l.Lines {
		if line.Op == '+' && !noise.MatchString(line.Text) {
			said += line.Text + " "
		}
	}
	words := []rune(strings.TrimSpace(said))
	few := string(words[:min(len(words), 200)])
	if len(words) > 200 {
		few += "…"
	}
	text := language.Both("公表されたページに追記がありました：「"+few+"」", "The published page was added to: “"+few+"”")
	switch {
	case few == "":
		text = language.Both("公表されたページの一部が、断りなく消されました。前の内容は、ハッシュ値とともに保存しています。", "A part of the published page was removed without saying so. What it said before is preserved, with its digest.")
	case relation == Correction:
		text = language.Both("公表されたページが訂正されました：「"+few+"」", "The published page was corrected: “"+few+"”")
	case relation == Silent:
		text = language.Both("公表されたページが、断りなく書き換えられました。いまの内容：「"+few+"」", "The published page was changed without saying so. It says now: “"+few+"”")
	}
	at := incident.Moment{Time: l.Doc.Fetched.Truncate(time.Minute), Precision: incident.Minute}
	return incident.Fact{Key: "addendum", Item: l.ID, Certainty: incident.Confirmed, AsOf: now, Source: l.ID, Value: incident.Value{Text: text, Time: at}}
}

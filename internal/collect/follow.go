package collect

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/incident"
)

const (
	maxFollowed = 2000 // notices of one instance
	maxLists    = 100
)

// follow reads another instance: every notice that it lists, with the proof that its ledger holds those very bytes. What verifies is
// recorded as from there; what does not, or is another than was seen, or is not there any more, is told. Its ledger has to go on from
// the one that was seen before.
func (c *Collection) follow(ctx context.Context, s *Source) error {
	policy, err := check.LedgerPolicy(s.Settings.LedgerKey)
	if err != nil {
		return err
	}
	ids, err := c.noticesOf(ctx, s)
	if err != nil {
		return err
	}
	seen := s.Settings.Notices
	if seen == nil {
		seen = map[string]string{}
	}
	newest, err := c.goesOn(ctx, s, policy)
	if err != nil {
		return c.flagged(ctx, s, "ledger "+s.Settings.Checkpoint, fmt.Sprintf("Its ledger does not go on from the one that was seen before: %v", err), err)
	}
	var good []incident.Notice
	for _, id := range ids {
		data, n, err := c.proven(ctx, s, id, policy)
		if errors.Is(err, errUnproven) {
			if err := c.flag(ctx, s, "notice "+id, fmt.Sprintf("The notice %s is not what its ledger holds: %v", id, err)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		sum := fmt.Sprintf("%x", n.SHA256())
		if was := seen[id]; was != "" && was != sum {
			if err := c.flag(ctx, s, "notice "+id, fmt.Sprintf("The notice %s is another than was seen before, under the same name: %d bytes that its ledger holds elsewhere", id, len(data))); err != nil {
				return err
			}
			continue
		}
		seen[id] = sum
		good = append(good, *n)
	}
	for id := range seen {
		if !slices.Contains(ids, id) {
			if err := c.flag(ctx, s, "missing "+id, fmt.Sprintf("The notice %s was published, and is not listed any more", id)); err != nil {
				return err
			}
		}
	}
	if err := c.importNotices(ctx, s, good); err != nil {
		return err
	}
	s.Settings.Notices, s.Settings.Size, s.Settings.Checkpoint = seen, newest.Size, newest.Note
	return c.polled(ctx, s, nil, "", "")
}

// flagged tells of something, and has the source read on at its time.
func (c *Collection) flagged(ctx context.Context, s *Source, key, what string, err error) error {
	if !errors.Is(err, check.ErrFork) && !errors.Is(err, check.ErrRollback) && !errors.Is(err, check.ErrConsistency) && !errors.Is(err, check.ErrCheckpoint) {
		return err
	}
	if err := c.flag(ctx, s, key, what); err != nil {
		return err
	}
	return err
}

// flag lays into the inbox that another instance does not keep to its ledger, once for each thing.
func (c *Collection) flag(ctx context.Context, s *Source, key, what string) error {
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM collect_item WHERE kind = 'flag' AND source = $1 AND organisation = $2`, s.ID, clip(key, 300)).Scan(&known); err != nil || known > 0 {
			return err
		}
		return insertItem(ctx, tx, &Item{ID: newID("i"), Kind: Flag, Relation: Fresh, State: Waiting, URL: s.URL, Title: what, Organisation: key, Rank: rank(Flag, Fresh, 0), Source: s.ID, Note: what,
			Created: c.Now(), CreatedBy: actor.Server().String()})
	})
}

// noticesOf lists what an instance says that it published.
func (c *Collection) noticesOf(ctx context.Context, s *Source) ([]string, error) {
	var ids []string
	at := s.URL + "/api/v1/notices?limit=100"
	for range maxLists {
		var list struct {
			Notices []struct {
				ID string `json:"id"`
			} `json:"notices"`
			Next string `json:"next"`
		}
		if err := c.json(ctx, at, &list); err != nil {
			return nil, err
		}
		for _, n := range list.Notices {
			if !noticeID.MatchString(n.ID) {
				return nil, fmt.Errorf("it lists a notice without a name: %.80q", n.ID)
			}
			if ids = append(ids, n.ID); len(ids) > maxFollowed {
				return nil, fmt.Errorf("it lists more than %d notices", maxFollowed)
			}
		}
		if list.Next == "" {
			return ids, nil
		}
		var err error
		if at, err = below(s.URL, list.Next); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("its list of notices does not end")
}

var noticeID = regexp.MustCompile(`^[a-z0-9-]{1,64}-v[1-9][0-9]{0,8}$`)

func (c *Collection) json(ctx context.Context, at string, v any) error {
	p, err := c.Web.Ask(ctx, at)
	if err != nil {
		return err
	}
	if !p.OK() {
		return fmt.Errorf("it answers %d %s", p.Status, http.StatusText(p.Status))
	}
	if err := json.Unmarshal(p.Body, v); err != nil {
		return fmt.Errorf("what it answers is not its API: %w", err)
	}
	return nil
}

// errUnproven says that bytes are not what a ledger holds.
var errUnproven = errors.New("it does not verify")

// proven gets a notice and its proof, and verifies it. The bytes are preserved as they were given.
func (c *Collection) proven(ctx context.Context, s *Source, id string, policy *check.Policy) ([]byte, *incident.Notice, error) {
	var ref struct{ Data, Proof string }
	if err := c.json(ctx, s.URL+"/api/v1/notices/"+id, &ref); err != nil {
		return nil, nil, err
	}
	var got [2][]byte
	for i, address := range []string{ref.Data, ref.Proof} {
		at, err := below(s.URL, address)
		if err != nil {
			return nil, nil, err
		}
		p, err := c.Web.Ask(ctx, at)
		if err != nil {
			return nil, nil, err
		}
		if !p.OK() {
			return nil, nil, fmt.Errorf("%w: its %s answers %d", errUnproven, []string{"bytes", "proof"}[i], p.Status)
		}
		got[i] = p.Body
	}
	if _, err := check.Prove(check.KindNotice, got[0], string(got[1]), policy); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnproven, err)
	}
	n, err := incident.ParseNotice(got[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnproven, err)
	}
	if incident.NoticeID(n.Incident, n.Version) != id {
		return nil, nil, fmt.Errorf("%w: it is %s", errUnproven, incident.NoticeID(n.Incident, n.Version))
	}
	return got[0], &n, nil
}

// goesOn has an instance show that its ledger continues the one that was seen before.
func (c *Collection) goesOn(ctx context.Context, s *Source, policy *check.Policy) (*check.Checkpoint, error) {
	p, err := c.Web.Ask(ctx, s.URL+"/checkpoint")
	if err != nil {
		return nil, err
	}
	if !p.OK() {
		return nil, fmt.Errorf("its checkpoint answers %d", p.Status)
	}
	now, err := policy.Open(string(p.Body))
	if err != nil || s.Settings.Checkpoint == "" {
		return now, err
	}
	before, err := policy.Open(s.Settings.Checkpoint)
	if err != nil {
		return nil, err
	}
	return now, check.Extends(ctx, before, now, func(ctx context.Context, path string) ([]byte, error) {
		p, err := c.Web.Ask(ctx, s.URL+"/"+path)
		if err != nil {
			return nil, err
		}
		if !p.OK() {
			return nil, &check.StatusError{Status: p.Status}
		}
		return p.Body, nil
	})
}

// importNotices records what notices freeze, each incident as what its notices come to.
func (c *Collection) importNotices(ctx context.Context, s *Source, notices []incident.Notice) error {
	slices.SortFunc(notices, func(a, b incident.Notice) int {
		return cmp.Or(strings.Compare(a.Incident, b.Incident), cmp.Compare(a.Version, b.Version))
	})
	dataset := datasetOf(s.URL)
	var rows []incident.Record
	for i := 0; i < len(notices); {
		j := i
		held := map[[2]string]incident.Fact{}
		for ; j < len(notices) && notices[j].Incident == notices[i].Incident; j++ {
			if notices[j].Whole() {
				clear(held)
			}
			for _, f := range notices[j].Facts {
				held[[2]string{f.Key, f.Item}] = f
			}
		}
		last := notices[j-1]
		rec := incident.Record{Dataset: dataset, ExternalID: last.Incident, ID: clip(dataset+"-"+last.Incident, 64), URL: s.URL + "/incidents/" + last.Incident, Place: incident.Place{File: s.URL},
			Attribution: hostOf(s.URL)}
		at := incident.Moment{Time: last.Time.Truncate(time.Minute), Precision: incident.Minute}
		for _, f := range held {
			f.Author, f.Recorded = "", time.Time{}
			if f.Retracted || f.Key == "scope.state" || f.Key == "source" {
				continue // whether one can check is the other instance's to say
			}
			rec.Facts = append(rec.Facts, f)
		}
		rec.Facts = append(rec.Facts, incident.Fact{Key: "source", Item: "notice", Certainty: incident.Confirmed, AsOf: at,
			Value: incident.Value{URL: s.URL + "/notices/" + incident.NoticeID(last.Incident, last.Version), SHA256: fmt.Sprintf("%x", last.SHA256()), Fetched: incident.Moment{Time: c.Now().UTC().Truncate(time.Minute), Precision: incident.Minute}}})
		slices.SortFunc(rec.Facts, func(a, b incident.Fact) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Item, b.Item))
		})
		rows, i = append(rows, rec), j
	}
	_, err := c.Incidents.Import(ctx, actor.Server(), func() (incident.Record, error) {
		if len(rows) == 0 {
			return incident.Record{}, io.EOF
		}
		r := rows[0]
		rows = rows[1:]
		return r, nil
	}, incident.ImportOptions{Reject: func(row *incident.RowError) error {
		return c.flag(ctx, s, "import "+row.Error(), "A notice verifies and cannot be recorded: "+row.Error())
	}})
	return err
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// datasetOf names what comes from an instance by its host.
func datasetOf(address string) string {
	return strings.Trim(clip("from-"+strings.Trim(notName.ReplaceAllString(hostOf(address), "-"), "-"), 30), "-")
}

package monitor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/net/html"

	"shirase/check"
)

// shown compares what the server shows with what the ledger has. again says
// that the ledger has grown meanwhile.
func (m *Monitor) shown(ctx context.Context) (again bool, err error) {
	st, err := m.newestStatement(ctx)
	if err != nil {
		return false, err
	}
	if again, err = m.shownStatement(ctx, st); err != nil || again {
		return again, err
	}
	if again, err = m.shownIncidents(ctx, st); err != nil || again {
		return again, err
	}
	if again, err = m.shownNotices(ctx); err != nil || again {
		return again, err
	}
	return false, m.scripts(ctx)
}

func (m *Monitor) wrong(rule, what string, args ...any) {
	f := Finding{What: fmt.Sprintf(what, args...), Rule: rule, Index: -1}
	if b := m.state.Bindings; b != nil {
		f.Seq = b.Seq
	}
	m.add(f)
}

// shownStatement compares the statement that clients are given with the newest.
func (m *Monitor) shownStatement(ctx context.Context, newest *check.Statement) (again bool, err error) {
	raw, proof, err := m.askStatement(ctx)
	if err == nil && !m.isNewest(raw) { // another server may be behind for a moment
		if err := m.Wait(ctx, behind); err != nil {
			return false, err
		}
		raw, proof, err = m.askStatement(ctx)
	}
	var status *check.StatusError
	switch {
	case errors.As(err, &status) && status.Problem == "unwitnessed":
		m.wrong("unwitnessed", "the server answers no checks: no quorum of witnesses has cosigned its ledger for too long")
		return false, nil
	case errors.As(err, &status):
		if m.state.Last != nil || !gone(err) {
			m.wrong("shown", "the server gives no statement: %v", err)
		}
		return false, nil
	case errors.Is(err, check.ErrServer):
		m.wrong("shown", "what the server gives as its statement is none: %v", err)
		return false, nil
	case err != nil:
		return false, err
	}
	c, err := check.Prove(check.KindStatement, raw, proof, m.keys)
	if err != nil {
		m.wrong("shown", "the statement that the server gives is not in its ledger: %v", err)
		return false, nil
	}
	if c.Size > m.state.Next {
		return true, nil
	}
	if root, err := m.rootAt(c.Size); err != nil {
		return false, m.damaged(err)
	} else if root != c.Root {
		return false, m.forked(c)
	}
	switch {
	case !m.isNewest(raw):
		m.wrong("shown", "the server gives another statement than the newest of its ledger")
	case newest != nil && !m.Now().Before(newest.Expires.Time):
		m.wrong("expired", "the newest statement has expired")
	}
	return false, nil
}

func (m *Monitor) askStatement(ctx context.Context) (raw []byte, proof string, err error) {
	b, err := m.get.get(ctx, m.get.at("check/v1/statement"), "application/json", 2*check.MaxStatement)
	if err != nil {
		return nil, "", err
	}
	var reply struct {
		Statement check.Bytes `json:"statement"`
		Proof     string      `json:"proof"`
	}
	if err := json.Unmarshal(b, &reply, json.RejectUnknownMembers(true)); err != nil {
		return nil, "", fmt.Errorf("%w: %v", check.ErrServer, err)
	}
	return reply.Statement, reply.Proof, nil
}

func (m *Monitor) isNewest(raw []byte) bool {
	return m.state.Last != nil && check.StatementHash(raw) == m.state.Last.Hash
}

// rootAt is the root of the followed tree at a size.
func (m *Monitor) rootAt(size int64) (check.Hash, error) {
	if size == 0 {
		return sha256.Sum256(nil), nil
	}
	if size == m.tiles.tree.N {
		return check.Hash(m.tiles.tree.Hash), nil
	}
	h, err := tlog.TreeHash(size, m.tiles.hashes())
	return check.Hash(h), err
}

// forked reports a checkpoint that clients are shown and that is not of the
// ledger that was followed.
func (m *Monitor) forked(c *check.Checkpoint) error {
	own := m.checkpoint()
	var proof []check.Bytes
	if c.Size < own.Size && c.Size > 0 {
		var err error
		if proof, err = check.Consistency(m.tiles.hashes(), c.Size, own.Size); err != nil {
			return m.damaged(err)
		}
	}
	return m.split("fork", c, own, proof, fmt.Sprintf("the ledger has two histories: the check shows another one of %d entries than the ledger itself", c.Size))
}

// listed is an incident as the API lists it.
type listed struct {
	ID      string         `json:"id"`
	State   string         `json:"state,omitzero"`
	Unknown jsontext.Value `json:",unknown"`
}

// shownIncidents compares the states that the API tells with the statement's.
func (m *Monitor) shownIncidents(ctx context.Context, st *check.Statement) (again bool, err error) {
	shown := map[string]bool{}
	wrong := []func(){}
	next := m.get.at("api/v1/incidents").String() + "?dataset=own&limit=100"
	for pages := 0; next != "" && pages < 10_000; pages++ {
		var list struct {
			Incidents []listed       `json:"incidents"`
			Next      string         `json:"next,omitzero"`
			Unknown   jsontext.Value `json:",unknown"`
		}
		there, err := m.api(ctx, next, &list)
		if err != nil || !there {
			return false, err
		}
		for _, in := range list.Incidents {
			shown[in.ID] = true
			signed := ""
			if st != nil && st.Incident(in.ID) != nil {
				signed = string(st.Incident(in.ID).State)
			}
			if in.State != signed {
				wrong = append(wrong, func() {
					m.wrong("api-state", "the API says that %s is %s, and the statement says %s", in.ID, orNothing(in.State), orNothing(signed))
				})
			}
		}
		if next, err = m.following(next, list.Next); err != nil {
			m.wrong("api", "the API's list of incidents leads elsewhere")
			return false, nil
		}
	}
	if st != nil {
		for _, in := range st.Incidents {
			if !shown[in.ID] && in.State != check.Withdrawn {
				wrong = append(wrong, func() {
					m.wrong("api-incident", "the statement speaks of %s (%s), and the API does not list it", in.ID, in.State)
				})
			}
		}
	}
	return m.unlessGrown(ctx, wrong)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// unlessGrown reports what is wrong, unless the ledger has grown since it was followed.
func (m *Monitor) unlessGrown(ctx context.Context, wrong []func()) (again bool, err error) {
	if len(wrong) == 0 {
		return false, nil
	}
	now, err := m.newest(ctx)
	if err != nil || now == nil {
		return false, err
	}
	if now.Size > m.state.Next {
		return true, nil
	}
	for _, tell := range wrong {
		tell()
	}
	return false, nil
}

// api gets JSON of the API; false where there is no API.
func (m *Monitor) api(ctx context.Context, address string, v any) (bool, error) {
	u, err := url.Parse(address)
	if err != nil {
		return false, err
	}
	b, err := m.get.get(ctx, u, "application/json", maxList)
	if gone(err) {
		return false, nil
	}
	if err == nil {
		if jerr := json.Unmarshal(b, v); jerr != nil {
			err = fmt.Errorf("%w: %v", check.ErrServer, jerr)
		}
	}
	if refused(err) || errors.Is(err, check.ErrServer) {
		m.wrong("api", "the API does not answer as it should: %v", err)
		return false, nil
	}
	return err == nil, err
}

// following gives the address of the next page, which is the same server's.
func (m *Monitor) following(at, next string) (string, error) {
	if next == "" {
		return "", nil
	}
	base, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	u, err := base.Parse(next)
	if err != nil {
		return "", err
	}
	// It may name itself by another address than it was asked at.
	u.Scheme, u.Host = base.Scheme, base.Host
	if u.Path != base.Path {
		return "", errors.New("another path")
	}
	return u.String(), nil
}

// shownNotices compares the notices that the API lists with those of the
// ledger, and the newest of each incident with its bytes.
func (m *Monitor) shownNotices(ctx context.Context) (again bool, err error) {
	wrong := []func(){}
	counted := int64(0)
	next := m.get.at("api/v1/notices").String() + "?limit=100"
	for pages := 0; next != "" && pages < 100_000; pages++ {
		var list struct {
			Notices []listed       `json:"notices"`
			Next    string         `json:"next,omitzero"`
			Unknown jsontext.Value `json:",unknown"`
		}
		there, err := m.api(ctx, next, &list)
		if err != nil || !there {
			return false, err
		}
		counted += int64(len(list.Notices))
		for _, n := range list.Notices {
			if !m.knows(n.ID) {
				wrong = append(wrong, func() {
					m.wrong("api-notice", "the API lists the notice %s, and the ledger has none of that name", n.ID)
				})
			}
		}
		if next, err = m.following(next, list.Next); err != nil {
			m.wrong("api", "the API's list of notices leads elsewhere")
			return false, nil
		}
	}
	if counted != m.state.NoticeN {
		wrong = append(wrong, func() {
			m.wrong("api-notice", "the API lists %d notices, and the ledger has %d", counted, m.state.NoticeN)
		})
	}
	for _, id := range slices.Sorted(maps.Keys(m.state.Notices)) {
		n := m.state.Notices[id]
		name := fmt.Sprintf("%s-v%d", id, n.Version)
		var one struct {
			SHA256  string         `json:"sha256"`
			Index   int64          `json:"ledgerIndex"`
			Unknown jsontext.Value `json:",unknown"`
		}
		there, err := m.api(ctx, m.get.at("api/v1/notices/"+name).String(), &one)
		if err != nil {
			return false, err
		}
		if !there || one.SHA256 != n.Hash.String() || one.Index != n.Index {
			wrong = append(wrong, func() { m.wrong("api-notice", "the API does not show the notice %s as the ledger has it", name) })
		}
	}
	return m.unlessGrown(ctx, wrong)
}

// knows reports whether the ledger has a notice of that name.
func (m *Monitor) knows(id string) bool {
	incident, version, ok := cutLast(id, "-v")
	var v int64
	if _, err := fmt.Sscan(version, &v); !ok || err != nil || v < 1 {
		return false
	}
	n := m.state.Notices[incident]
	return n != nil && v <= n.Version
}

// pages are those that load the check's program.
var pages = []string{"", "verify"}

// maxScript bounds a page or a script, in bytes.
const maxScript = 8 << 20

// scripts compares the scripts that pages load with the newest record of them.
func (m *Monitor) scripts(ctx context.Context) error {
	var recorded map[string]string
	if m.state.Page != nil {
		data, err := m.get.get(ctx, m.get.at("ledger/v1/data/"+m.state.Page.Hash.String()), "application/json", maxData)
		if err != nil && !refused(err) {
			return err
		}
		if r, perr := parseRelease(data); err == nil && perr == nil && check.StatementHash(data) == m.state.Page.Hash {
			recorded = r.Scripts
		}
	}
	for _, from := range []*fetcher{m.get, m.second} {
		if from == nil {
			continue
		}
		for _, page := range pages {
			if err := m.page(ctx, from, page, recorded); err != nil {
				return err
			}
		}
	}
	return nil
}

// page fetches a page and every script that it loads.
func (m *Monitor) page(ctx context.Context, from *fetcher, page string, recorded map[string]string) error {
	at := from.at(page)
	body, err := from.get(ctx, at, "text/html", maxScript)
	if gone(err) {
		return nil // a host of the index alone
	}
	if refused(err) || errors.Is(err, check.ErrServer) {
		m.wrong("page-script", "the page %s is not given: %v", at, err)
		return nil
	}
	if err != nil {
		return err
	}
	urls, inline := scriptsOf(body)
	if inline {
		m.wrong("page-script", "the page %s has a script within it, which no record can name", at)
	}
	for _, src := range urls {
		u, err := at.Parse(src)
		if err != nil || u.Host != from.base.Host || u.Scheme != from.base.Scheme {
			m.wrong("page-script", "the page %s loads a script from elsewhere: %s", at, src)
			continue
		}
		script, err := from.get(ctx, u, "text/javascript", maxScript)
		if err != nil && !refused(err) && !errors.Is(err, check.ErrServer) {
			return err
		}
		sum := sha256.Sum256(script)
		if err != nil || !slices.Contains(slices.Collect(maps.Values(recorded)), hex.EncodeToString(sum[:])) {
			m.wrong("page-script", "the page %s loads the script %s, which the ledger's newest record does not name (SHA-256 %x)", at, u.Path, sum)
		}
	}
	return nil
}

// scriptsOf gives the addresses of the scripts that a page loads, and whether it
// has one within it.
func scriptsOf(page []byte) (urls []string, inline bool) {
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return urls, inline
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			attrs := map[string]string{}
			for _, a := range t.Attr {
				attrs[a.Key] = a.Val
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					inline = true
				}
			}
			switch {
			case t.Data == "html" && attrs["data-worker"] != "":
				urls = append(urls, attrs["data-worker"])
			case t.Data == "script" && attrs["src"] != "":
				urls = append(urls, attrs["src"])
			case t.Data == "script" && attrs["type"] != "application/ld+json":
				inline = true
			case t.Data == "link" && (attrs["rel"] == "modulepreload" || attrs["as"] == "script"):
				urls = append(urls, attrs["href"])
			}
		}
	}
}

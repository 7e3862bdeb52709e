package monitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/check"
)

// shown compares what the server shows with what the ledger has. again says
// that the ledger has grown meanwhile.
func (m *Monitor) shown(ctx context.Context) (again bool, err error) {
	st, err := m.newestStatement(ctx)
	if err != nil {
		return false, err
	}
	for _, look := range []func() (bool, error){
		func() (bool, error) { return m.shownStatement(ctx, st) },
		func() (bool, error) { return m.shownElsewhere(ctx) },
		func() (bool, error) { return m.shownIncidents(ctx, st) },
		func() (bool, error) { return m.shownNotices(ctx) },
	} {
		grown, err := look()
		if err != nil || grown && !m.last {
			return grown, err
		}
		again = again || grown
	}
	return again, m.scripts(ctx, st)
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
	raw, proof, err := m.askStatement(ctx, m.get)
	if err == nil && !m.isNewest(raw) { // another server may be behind for a moment
		if err := m.Wait(ctx, behind); err != nil {
			return false, err
		}
		raw, proof, err = m.askStatement(ctx, m.get)
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
	if ok, again, err := m.place(ctx, c, m.get, "the check"); err != nil || !ok {
		return again, err
	}
	switch {
	case !m.isNewest(raw):
		m.wrong("shown", "the server gives another statement than the newest of its ledger")
	case newest != nil && !m.Now().Before(newest.Expires.Time):
		m.wrong("expired", "the newest statement has expired")
	}
	return false, nil
}

// shownElsewhere places what the second address shows: its checkpoint, and what its check is proven against.
func (m *Monitor) shownElsewhere(ctx context.Context) (again bool, err error) {
	if m.second == nil {
		return false, nil
	}
	signed, err := m.second.get(ctx, m.second.at("checkpoint"), "text/plain", small)
	switch {
	case refused(err):
		m.wrong("checkpoint", "the second address gives no checkpoint: %v", err)
	case err != nil && !errors.Is(err, check.ErrServer):
		return false, err
	default:
		c, err := m.keys.Open(string(signed))
		if err != nil || c.Origin != m.origin {
			m.wrong("checkpoint", "the checkpoint of the second address is not signed by the ledger's key")
		} else if ok, again, err := m.place(ctx, c, m.second, "the second address"); err != nil || !ok {
			return again, err
		}
	}
	raw, proof, err := m.askStatement(ctx, m.second)
	if refused(err) || errors.Is(err, check.ErrServer) {
		return false, nil // it need not answer checks
	}
	if err != nil {
		return false, err
	}
	c, err := check.Prove(check.KindStatement, raw, proof, m.keys)
	if err != nil {
		m.wrong("shown", "the statement that the second address gives is not in the ledger: %v", err)
		return false, nil
	}
	_, again, err = m.place(ctx, c, m.second, "the second address's check")
	return again, err
}

func (m *Monitor) askStatement(ctx context.Context, from *fetcher) (raw []byte, proof string, err error) {
	b, err := from.get(ctx, from.at("check/v1/statement"), "application/json", 2*check.MaxStatement)
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
	if size == m.tiles.tree.N {
		return check.Hash(m.tiles.tree.Hash), nil
	}
	return treeHash(size, m.tiles.hashes())
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
	if !m.last {
		now, err := m.newest(ctx)
		if err != nil || now == nil {
			return false, err
		}
		if now.Size > m.state.Next {
			return true, nil
		}
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
	missing := m.noticeNames() // what the ledger has, and was not listed yet
	if missing == nil {
		return false, nil
	}
	seen := map[string]bool{}
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
		for _, n := range list.Notices {
			switch {
			case seen[n.ID]:
				wrong = append(wrong, func() { m.wrong("api-notice", "the API lists the notice %.200q twice", n.ID) })
			case !missing[n.ID]:
				wrong = append(wrong, func() {
					m.wrong("api-notice", "the API lists the notice %.200q, and the ledger has none of that name", n.ID)
				})
			}
			seen[n.ID] = true
			delete(missing, n.ID)
		}
		if next, err = m.following(next, list.Next); err != nil {
			m.wrong("api", "the API's list of notices leads elsewhere")
			return false, nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		wrong = append(wrong, func() { m.wrong("api-notice", "the ledger has the notice %s, and the API does not list it", name) })
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

// noticeNames gives the names of all notices of the ledger; nil where their
// numbers do not follow each other, which was reported.
func (m *Monitor) noticeNames() map[string]bool {
	left := m.state.NoticeN
	for _, n := range m.state.Notices {
		if left -= n.Version; left < 0 {
			return nil
		}
	}
	if left != 0 {
		return nil
	}
	names := map[string]bool{}
	for id, n := range m.state.Notices {
		for v := int64(1); v <= n.Version; v++ {
			names[fmt.Sprintf("%s-v%d", id, v)] = true
		}
	}
	return names
}

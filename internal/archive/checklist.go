package archive

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Heading is something a disclosure tells, with the keys that record it and the rules that ask for it.
type Heading struct {
	Word  string
	Label language.Text
	Rules string // citations, the same in both languages
	keys  []string
}

// headings are the checklist: what the rules ask to be told, as far as facts record it. The rules are those of Japan
// (個人情報保護法施行規則 8条1項, the nine items), of the GDPR (articles 33(3) and 34(2)) and of California (Civil
// Code 1798.82(d)(1), five headings). Sequence after what people ask first.
var headings = []Heading{
	{"what", language.Both("何が起きたか", "What happened"), "規則8条1項1号 · GDPR 33(3)(a) · Cal. What Happened", []string{"title", "service", "window.start", "window.end"}},
	{"when", language.Both("いつ起きたか", "When it happened"), "規則8条1項1号 · Cal. What Happened", []string{"window.start", "window.end"}},
	{"discovered", language.Both("いつ気づいたか", "When it was noticed"), "規則8条1項1号", []string{"discovered"}},
	{"classes", language.Both("どの情報か", "What information"), "規則8条1項2号 · GDPR 33(3)(a) · Cal. What Information Was Involved", []string{"data-class"}},
	{"count", language.Both("何人・何件か", "How many"), "規則8条1項3号 · GDPR 33(3)(a)", []string{"affected.count"}},
	{"excluded", language.Both("誰が対象でないか", "Who is not affected"), "–", []string{"excluded"}},
	{"cause", language.Both("原因", "Cause"), "規則8条1項4号", []string{"cause"}},
	{"damage", language.Both("二次被害の有無", "What followed from it"), "規則8条1項5号 · GDPR 33(3)(c)", []string{"secondary-damage"}},
	{"persons", language.Both("本人への対応", "Telling those affected"), "規則8条1項6号 · GDPR 34", []string{"persons-notified"}},
	{"public", language.Both("公表した日", "When it was made public"), "規則8条1項7号", []string{"disclosed"}},
	{"regulator", language.Both("監督機関への報告", "Notice to a regulator"), "GDPR 33(1)", []string{"regulator-notified"}},
	{"contained", language.Both("止めた時刻", "When it was stopped"), "GDPR 33(3)(d)", []string{"contained", "login-blocked"}},
	{"measures", language.Both("講じた措置", "What was done"), "規則8条1項8号 · GDPR 33(3)(d) · Cal. What We Are Doing", []string{"action"}},
	{"contact", language.Both("問い合わせ窓口", "Where to ask"), "GDPR 33(3)(b) · Cal. For More Information", []string{"contact"}},
	{"addenda", language.Both("追記・続報", "Addenda"), "GDPR 33(4)", []string{"addendum"}},
}

// Headings returns the checklist.
func Headings() []Heading { return slices.Clone(headings) }

// Mark says what the record of an incident has under a heading.
type Mark int

const (
	NotRecorded Mark = iota // which does not say that it was not told
	SaidUnknown             // it was said that it is not known yet
	Told
)

// Checklist marks every heading for an incident.
func Checklist(i incident.Incident) []Mark {
	out := make([]Mark, len(headings))
	for n, h := range headings {
		for _, f := range i.Facts {
			if !slices.Contains(h.keys, f.Key) {
				continue
			}
			if f.Certainty == incident.Unknown || f.Key == "cause" && f.Value.Word == unknownWord || f.Key == "affected.count" && f.Value.Number == nil {
				out[n] = max(out[n], SaidUnknown)
				continue
			}
			out[n] = Told
		}
	}
	return out
}

// ToldShare is how many incidents have a record under a heading.
type ToldShare struct {
	Heading Heading
	N       int
}

// toldCache keeps the shares: they need a pass over the index of facts, and the archive of a busy day changes often.
type toldCache struct {
	mu      sync.Mutex
	version int64
	at      time.Time
	shares  []ToldShare
	of      int
}

// toldAge is how old shares may be where the archive has changed since.
const toldAge = time.Minute

// Told returns of how many incidents of the archive each heading is recorded, and how many incidents there are.
func (p *Peers) Told(ctx context.Context) ([]ToldShare, int, error) {
	now, err := p.current(ctx)
	if err != nil {
		return nil, 0, err
	}
	p.told.mu.Lock()
	defer p.told.mu.Unlock()
	if p.told.shares != nil && (p.told.version == now.version || time.Since(p.told.at) < toldAge) {
		return p.told.shares, p.told.of, nil
	}
	keys := make([][]string, len(headings))
	for n, h := range headings {
		keys[n] = h.keys
	}
	counts, err := p.view.Having(ctx, keys)
	if err != nil {
		return nil, 0, fmt.Errorf("checklist: %w", err)
	}
	shares := make([]ToldShare, len(headings))
	for n, h := range headings {
		shares[n] = ToldShare{h, counts[n]}
	}
	p.told.version, p.told.at, p.told.shares, p.told.of = now.version, time.Now(), shares, len(now.list)
	return shares, len(now.list), nil
}

package publish

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
)

// read holds the text of a proposed notice against the facts, in both languages. What it finds is a difference like any other: it is
// published only for a reason, which is kept. What a text that the program has written lacks is lacking in the facts, and is told.
//
// Errors: ErrOverturned, for which there is no reason.
func (p *Publisher) read(ctx context.Context, prop *Proposal, inc incident.Incident, r Request) error {
	if !prop.Changed() {
		return nil
	}
	past, err := p.Incidents.History(ctx, inc.ID)
	if err != nil {
		return err
	}
	k := lint.Known{Incident: inc}
	for _, one := range past {
		for _, f := range one.Facts {
			if r.AsOf.IsZero() || !f.AsOf.Time.After(r.AsOf) {
				k.Recorded = append(k.Recorded, f)
			}
		}
	}
	if u, err := url.Parse(p.instance.URL); err == nil {
		k.Site = u.Hostname()
	}
	if err := p.overturned(ctx, prop, r); err != nil || prop.Notice == nil {
		return err
	}
	if n := prop.Notice; n.Kind == incident.KindCorrection || n.Kind == incident.KindRetraction {
		k.Kind = lint.Report // which mends what was said, and is no update
	}
	// An addendum may be urgent: that it names no next update is told, and does not hold it up.
	held := r.Notice != nil && r.Notice.Text != (language.Text{}) && prop.Notice.Kind != incident.KindAddendum
	for _, lang := range []language.Lang{language.JA, language.EN} {
		found, err := lint.Text([]byte(prop.Notice.Text.In(lang)), k)
		if err != nil {
			return fmt.Errorf("publish %s: read its text: %w", inc.ID, err)
		}
		for _, f := range found {
			what := fmt.Sprintf("the text in %s, line %d: %s (%s)", lang.Pick("Japanese", "English"), f.Line, f.What.EN, f.Remedy.EN)
			ja := fmt.Sprintf("%sの文章、%d行目：%s%s", lang.Pick("日本語", "英語"), f.Line, f.What.JA, f.Remedy.JA)
			if f.Warning || !held && f.Rule == "next" {
				prop.Missing = append(prop.Missing, language.Both(ja, what))
				continue
			}
			prop.Differences = append(prop.Differences, Difference{Code: "text-" + f.Rule, What: what, JA: ja})
		}
	}
	return nil
}

// overturned refuses what would be published before readers are told of a fact that overturns what they were told.
func (p *Publisher) overturned(ctx context.Context, prop *Proposal, r Request) error {
	notices, err := p.Incidents.Notices(ctx, prop.Incident)
	if err != nil || len(notices) == 0 {
		return err
	}
	untold, err := p.Incidents.Unpublished(ctx, prop.Incident, r.AsOf)
	if err != nil {
		return err
	}
	var all []string
	for _, o := range lint.Overturning(notices, untold) {
		if prop.Notice == nil || !told(prop.Notice, o.Fact) {
			all = append(all, o.What.EN)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return hint.Add(fmt.Errorf("publish %s: %w: %s", prop.Incident, ErrOverturned, strings.Join(all, "; ")), "publish the addendum that tells it first: shirase notice publish "+prop.Incident+" --kind addendum")
}

// told reports whether a notice tells of f, which was recorded or taken back. What is taken back is told by a whole text that does not
// have it any more: it takes the place of the one that had. Of a promise it does not: that one is to be told of by name.
func told(n *incident.Notice, f incident.Fact) bool {
	if f.Retracted && f.Key != "action" && (n.Kind == incident.KindFirst || n.Kind == incident.KindRevision) {
		return !slices.ContainsFunc(n.Facts, func(g incident.Fact) bool { return g.Key == f.Key && g.Item == f.Item && !g.Retracted })
	}
	return slices.ContainsFunc(n.Facts, tells(f))
}

// tells reports whether a fact of a notice says what f says.
func tells(f incident.Fact) func(incident.Fact) bool {
	return func(g incident.Fact) bool {
		return g.Key == f.Key && g.Item == f.Item && g.Retracted == f.Retracted && g.Value.Status == f.Value.Status && g.Value.Word == f.Value.Word
	}
}

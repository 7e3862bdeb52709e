package site

import (
	"time"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// What pages say to programs: schema.org, as JSON-LD in a data block, which is no script and runs nowhere.

// organisationData describes who answers for an incident.
func organisationData(lang language.Lang, i incident.Incident) map[string]any {
	name := i.Organisation(lang)
	if name == "" {
		return nil
	}
	out := map[string]any{"@type": "Organization", "name": name}
	if other := i.Organisation(lang.Other()); other != name {
		out["alternateName"] = other
	}
	return out
}

// incidentData describes the record of an incident as a report.
func incidentData(p sitePage, i incident.Incident, notices []incident.Notice) map[string]any {
	lang := p.Lang.Lang
	url := p.Base + "/incidents/" + i.ID
	out := map[string]any{"@context": "https://schema.org", "@type": "Report", "@id": url, "url": url, "name": i.Title(lang), "headline": i.Title(lang),
		"inLanguage": string(lang), "dateModified": i.Updated().Format(time.RFC3339), "identifier": i.ID}
	if f, ok := i.Fact("disclosed"); ok {
		out["datePublished"] = machineDate(f.Value.Time)
	}
	if o := organisationData(lang, i); o != nil {
		out["about"] = o
	}
	var from []string
	for _, f := range i.Listed("source") {
		if f.Value.URL != "" {
			from = append(from, f.Value.URL)
		}
	}
	if len(from) > 0 {
		out["isBasedOn"] = from
	}
	var parts []map[string]any
	for _, n := range notices {
		parts = append(parts, map[string]any{"@type": "Article", "@id": p.Base + "/notices/" + n.ID, "url": p.Base + "/notices/" + n.ID})
	}
	if len(parts) > 0 {
		out["hasPart"] = parts
	}
	out["publisher"] = map[string]any{"@type": "Organization", "name": p.Operator.Name, "url": p.Base}
	return out
}

// noticeData describes a notice as an article, with what later ones correct in it.
func noticeData(p sitePage, i incident.Incident, n incident.Notice, all []incident.Notice) map[string]any {
	lang := p.Lang.Lang
	url := p.Base + "/notices/" + n.ID
	out := map[string]any{"@context": "https://schema.org", "@type": "Article", "@id": url, "url": url, "headline": p.Title, "inLanguage": string(lang),
		"datePublished": n.Time.UTC().Format(time.RFC3339), "version": n.Version, "articleSection": kindOf(lang, n.Kind),
		"isPartOf": map[string]any{"@type": "Report", "@id": p.Base + "/incidents/" + n.Incident, "name": i.Title(lang)}}
	if o := organisationData(lang, i); o != nil {
		out["author"] = o
	}
	if n.About != 0 {
		out["isBasedOn"] = p.Base + "/notices/" + incident.NoticeID(n.Incident, n.About)
	}
	st := incident.Standings(all)[n.Version]
	var corrections []map[string]any
	for _, v := range st.Corrected {
		corrections = append(corrections, map[string]any{"@type": "CorrectionComment", "url": p.Base + "/notices/" + incident.NoticeID(n.Incident, v)})
	}
	if len(corrections) > 0 {
		out["correction"] = corrections
	}
	out["publisher"] = map[string]any{"@type": "Organization", "name": p.Operator.Name, "url": p.Base}
	if st.Withdrawn != 0 {
		out["creativeWorkStatus"] = "Withdrawn"
	}
	return out
}

// archiveData is a list of incidents in schema.org's words.
func archiveData(base string, p sitePage, list []archive.Entry) map[string]any {
	items := []any{}
	for i, e := range list {
		items = append(items, map[string]any{"@type": "ListItem", "position": i + 1, "url": base + "/incidents/" + e.ID, "name": e.Title.In(p.Lang.Lang)})
	}
	return map[string]any{"@context": "https://schema.org", "@type": "CollectionPage", "name": p.Title, "url": p.Canonical,
		"inLanguage": string(p.Lang.Lang), "mainEntity": map[string]any{"@type": "ItemList", "numberOfItems": len(items), "itemListElement": items}}
}

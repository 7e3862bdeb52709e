package api

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/web"
)

// sitemapPart is how many addresses one file of a sitemap holds (https://www.sitemaps.org/protocol.html).
const sitemapPart = 50_000

// sitemapAge is how long a map is used before it is made again: it reads the whole archive.
const sitemapAge = 10 * time.Minute

// sitemap is the map of the site as it was made last, in parts.
type sitemap struct {
	mu    sync.Mutex
	made  time.Time
	base  string
	parts []web.Content
	last  []time.Time
}

// pages are the addresses that are always there.
var pages = []string{"/", "/incidents", "/archive", "/organisations", "/learn", "/verify", "/how", "/feeds", "/api"}

// mapped returns the map, made anew where it is old.
func (a *api) mapped(ctx context.Context, base string) (parts []web.Content, last []time.Time, err error) {
	m := &a.sitemap
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.base == base && a.now().Sub(m.made) < sitemapAge && len(m.parts) > 0 {
		return m.parts, m.last, nil
	}
	b := sitemapBuilder{base: base}
	for _, p := range pages {
		b.add(p, time.Time{})
	}
	organisation, shelf := map[string]time.Time{}, map[string]time.Time{}
	err = a.Archive.EachEntry(ctx, func(e archive.Entry) error {
		b.add("/incidents/"+e.ID, e.Updated)
		if e.OrganisationID != "" && e.Updated.After(organisation[e.OrganisationID]) {
			organisation[e.OrganisationID] = e.Updated
		}
		for _, path := range shelvesOf(e) {
			if e.Updated.After(shelf[path]) {
				shelf[path] = e.Updated
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(shelf)) {
		b.add(path, shelf[path])
	}
	for after := ""; ; {
		list, err := a.Archive.Organisations(ctx, after, 500)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range list {
			b.add("/organisations/"+o.ID, organisation[o.ID])
			after = o.ID
		}
		if len(list) < 500 {
			break
		}
	}
	for after := (incident.Notice{}); ; {
		list, err := a.Archive.NoticesAfter(ctx, after, 100)
		if err != nil {
			return nil, nil, err
		}
		for _, n := range list {
			b.add("/notices/"+n.ID, n.Time)
			after = n
		}
		if len(list) < 100 {
			break
		}
	}
	b.end()
	m.made, m.base, m.parts, m.last = a.now(), base, b.parts, b.times
	return m.parts, m.last, nil
}

// shelvesOf are the pages of a year, a month, a cause and a sector that list an incident.
func shelvesOf(e archive.Entry) []string {
	out := []string{e.Date.Format("/archive/2006")}
	if e.DatePrecision <= incident.Month {
		out = append(out, e.Date.Format("/archive/2006-01"))
	}
	if e.Cause != "" {
		out = append(out, "/archive/cause/"+e.Cause)
	}
	if e.Sector != "" {
		out = append(out, "/archive/sector/"+e.Sector)
	}
	return out
}

// sitemapBuilder writes addresses into parts.
type sitemapBuilder struct {
	base  string
	out   bytes.Buffer
	n     int
	last  time.Time
	parts []web.Content
	times []time.Time
}

const sitemapSpace = `xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"`

func (b *sitemapBuilder) add(path string, modified time.Time) {
	if b.n == 0 {
		b.out.WriteString(xml.Header + "<urlset " + sitemapSpace + ">\n")
	}
	b.out.WriteString("<url><loc>")
	xml.EscapeText(&b.out, []byte(b.base+path))
	b.out.WriteString("</loc>")
	if !modified.IsZero() {
		b.out.WriteString("<lastmod>" + modified.UTC().Format(time.RFC3339) + "</lastmod>")
		if modified.After(b.last) {
			b.last = modified
		}
	}
	b.out.WriteString("</url>\n")
	if b.n++; b.n == sitemapPart {
		b.end()
	}
}

func (b *sitemapBuilder) end() {
	if b.n == 0 {
		return
	}
	b.out.WriteString("</urlset>\n")
	b.parts = append(b.parts, web.NewContent("application/xml", "public, max-age=600", "", bytes.Clone(b.out.Bytes())))
	b.times = append(b.times, b.last)
	b.out.Reset()
	b.n, b.last = 0, time.Time{}
}

func (a *api) sitemapIndex(w http.ResponseWriter, r *http.Request) error {
	base := a.base(r)
	parts, last, err := a.mapped(r.Context(), base)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(xml.Header + "<sitemapindex " + sitemapSpace + ">\n")
	for i := range parts {
		out.WriteString("<sitemap><loc>")
		xml.EscapeText(&out, []byte(fmt.Sprintf("%s/sitemap/%d.xml", base, i+1)))
		out.WriteString("</loc>")
		if !last[i].IsZero() {
			out.WriteString("<lastmod>" + last[i].UTC().Format(time.RFC3339) + "</lastmod>")
		}
		out.WriteString("</sitemap>\n")
	}
	out.WriteString("</sitemapindex>\n")
	serve(w, r, web.NewContent("application/xml", "public, max-age=600", "", out.Bytes()), time.Time{})
	return nil
}

func (a *api) sitemapPart(w http.ResponseWriter, r *http.Request) error {
	name, ok := strings.CutSuffix(r.PathValue("part"), ".xml")
	n, err := strconv.Atoi(name)
	if !ok || err != nil {
		return errNotHere
	}
	parts, last, err := a.mapped(r.Context(), a.base(r))
	if err != nil {
		return err
	}
	if n < 1 || n > len(parts) || strconv.Itoa(n) != name {
		return errNotHere
	}
	serve(w, r, parts[n-1], last[n-1])
	return nil
}

package lint

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

var (
	links   = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"'）)】」』、。]+|\b(?:[a-z0-9-]+\.)+(?:com|net|org|jp|info|biz|co|io|site|online|help|support|xyz|example)\b(?:/[^\s<>"'）)】」』、。]*)?`)
	address = regexp.MustCompile(`[A-Za-z0-9._%+-]+@$`)
)

// links finds addresses that readers are sent to and that nobody has allowed: one letter is enough to send them elsewhere.
func (l *linter) links() {
	allowed, own := slices.Clone(l.Hosts), map[string]bool{}
	for _, f := range l.Incident.Facts {
		if u, err := url.Parse(f.Value.URL); err == nil && u.Host != "" {
			allowed = append(allowed, u.Hostname())
			if f.Key == "contact" {
				own[domain(u.Hostname())] = true
			}
		}
	}
	if l.Site != "" {
		allowed = append(allowed, l.Site)
	}
	for _, m := range links.FindAllIndex(l.text, -1) {
		if address.Match(l.text[max(0, m[0]-80):m[0]]) {
			continue // the domain of a mail address
		}
		text := strings.ReplaceAll(string(l.text[m[0]:m[1]]), `\`, "") // Markdown's escapes
		written := text
		if !strings.Contains(text, "://") {
			text = "https://" + text
		}
		u, err := url.Parse(strings.TrimRight(text, ".,;:"))
		switch {
		case err != nil || !slices.ContainsFunc(allowed, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }):
			l.add("link", m[0], m[1], both("一字ずつ確かめてください。正しければ、事実（お問い合わせ・情報源）として記録するか、許可するホストに加えてください（--host）。", "check every letter; if it is right, record it as the fact contact or source, or allow its host (--host)"),
				both(fmt.Sprintf("%sは、この事案のアドレスにありません。", written), fmt.Sprintf("%s is not among the addresses of this incident", written)))
		case strings.EqualFold(u.Hostname(), l.Site) && len(own) > 0 && !own[domain(u.Hostname())] && net.ParseIP(u.Hostname()) == nil && !local(u.Hostname()):
			l.add("domain", m[0], m[1], both("組織のドメインの下で公開してください。できないときは、組織のサイトからこのアドレスへ案内してください。", "serve it under the organisation's domain, or have the organisation's own site lead there"),
				both(fmt.Sprintf("確認ページ %s が、組織のドメインの下にありません。偽のページと見分けがつきません。", u.Hostname()), fmt.Sprintf("the page for checking, %s, is not under the organisation's domain: readers cannot tell it from a look-alike", u.Hostname())))
			l.found[len(l.found)-1].Warning = true
		}
	}
}

func local(host string) bool { return host == "localhost" || strings.HasSuffix(host, ".localhost") }

// domain is what somebody can register of a host's name (https://publicsuffix.org), or the name where that is not known.
func domain(host string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(host)); err == nil {
		return d
	}
	return strings.ToLower(host)
}

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
	// An address with its scheme, however many strokes follow it: browsers go to https:host and https:\\host too. A host alone is one where
	// it ends as hosts do that readers type.
	links = regexp.MustCompile(`(?i)\bhttps?:[/\\]*[^\s<>"'）)】」』、。/\\][^\s<>"'）)】」』、。]*|\b(?:[a-z0-9-]+\.)+(?:` + ends + `)\b(?:/[^\s<>"'）)】」』、。]*)?`)
	// Where Markdown leads: to the end of the brackets, whatever the address has in it. It needs no scheme.
	leads = regexp.MustCompile(`(?:\]\([ \t\n]*<?|\]:[ \t]*<?|<|(?i:href|src)[ \t]*=[ \t]*["']?)((?i:https?:|[/\\]{2})[^\s<>]*)`)
	// What goes on behind a quotation mark, where a browser reads on: what stands before @ is no host.
	goesOn  = regexp.MustCompile(`^["'][A-Za-z0-9._~!$&'()*+,;=:%-]*@`)
	address = regexp.MustCompile(`[A-Za-z0-9._%+-]+@$`)
)

// ends are the last labels of hosts that are looked for where no scheme stands before them. No file's name ends so.
const ends = `com|net|org|jp|info|biz|co|io|site|online|help|support|xyz|example|app|dev|top|shop|cc|page|cloud|tv|ru|cn|uk|eu|fr|kr|tw|hk|asia|tokyo|club|click|tech|ly|gg|vip|icu|buzz|mobi`

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
	ours := func(host string) bool {
		return slices.ContainsFunc(allowed, func(h string) bool { return strings.EqualFold(h, host) })
	}
	for _, m := range links.FindAllIndex(l.text, -1) {
		if address.Match(l.text[max(0, m[0]-80):m[0]]) {
			continue // the domain of a mail address
		}
		host, ok := hostIn(string(l.text[m[0]:m[1]]))
		switch {
		case !ok || !ours(host) || goesOn.Match(l.text[m[1]:]):
			l.strange(m[0], m[1])
		case strings.EqualFold(host, l.Site) && len(own) > 0 && !own[domain(host)] && net.ParseIP(host) == nil && !local(host):
			l.add("domain", m[0], m[1], both("組織のドメインの下で公開してください。できないときは、組織のサイトからこのアドレスへ案内してください。", "serve it under the organisation's domain, or have the organisation's own site lead there"),
				both(fmt.Sprintf("確認ページ %s が、組織のドメインの下にありません。偽のページと見分けがつきません。", host), fmt.Sprintf("the page for checking, %s, is not under the organisation's domain: readers cannot tell it from a look-alike", host)))
			l.found[len(l.found)-1].Warning = true
		}
	}
	for _, m := range leads.FindAllSubmatchIndex(l.text, -1) {
		to := string(l.text[m[2]:m[3]])
		if i := strings.IndexByte(to, ')'); i >= 0 && l.text[m[0]] == ']' {
			to = to[:i]
		}
		if host, ok := hostIn(to); !ok || !ours(host) {
			l.strange(m[2], m[2]+len(to))
		}
	}
}

// strange says that an address is none of the incident's.
func (l *linter) strange(from, to int) {
	written := strings.ReplaceAll(string(l.text[from:to]), `\`, "") // Markdown's escapes
	l.add("link", from, to,
		both("一字ずつ確かめてください。正しければ、事実（お問い合わせ・情報源）として記録するか、許可するホストに加えてください（--host）。", "check every letter; if it is right, record it as the fact contact or source, or allow its host (--host)"),
		both(fmt.Sprintf("%sは、この事案のアドレスにありません。", written), fmt.Sprintf("%s is not among the addresses of this incident", written)))
}

// dots are what browsers read as the dot between the labels of a host (UTS 46, section 2.3).
var dots = strings.NewReplacer("。", ".", "．", ".", "｡", ".")

// hostIn is the host that a browser goes to from an address as it is written (https://url.spec.whatwg.org), or false where no reader
// could say which: one with a user's name in it, which looks like the host.
func hostIn(text string) (string, bool) {
	rest := text
	if i := strings.IndexByte(rest, ':'); i > 0 && (strings.EqualFold(rest[:i], "https") || strings.EqualFold(rest[:i], "http")) {
		rest = rest[i+1:]
	}
	rest = strings.TrimLeft(rest, `/\`)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if strings.Contains(rest, "@") {
		return "", false
	}
	rest = dots.Replace(strings.ReplaceAll(rest, `\`, "")) // Markdown's escapes
	u, err := url.Parse("https://" + strings.TrimRight(rest, ".,;:"))
	if err != nil {
		return "", false
	}
	return u.Hostname(), true
}

func local(host string) bool { return host == "localhost" || strings.HasSuffix(host, ".localhost") }

// domain is what somebody can register of a host's name (https://publicsuffix.org), or the name where that is not known.
func domain(host string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(host)); err == nil {
		return d
	}
	return strings.ToLower(host)
}

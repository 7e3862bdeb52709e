package incident

import (
	"fmt"
	"testing"
)

func TestDomain(t *testing.T) {
	for s, want := range map[string]string{
		"example.co.jp": "example.co.jp", " Example.COM. ": "example.com", "www.example.com": "example.com", "例え.テスト": "xn--r8jz45g.xn--zckzah",
		"a-b.example": "a-b.example", "https://example.com": "", "example.com/x": "", "example.com:443": "", "user@example.com": "", "example": "", "": "", ".": "",
		"192.0.2.1": "", "[::1]": "", "a..b": "", "a b.com": "", "_dmarc.example.com": "", "www.com": "",
	} {
		if got := Domain(s); got != want {
			t.Errorf("%q: %q, not %q", s, got, want)
		}
		if got := Domain(want); got != want {
			t.Errorf("%q does not stay itself: %q", want, got)
		}
	}
}

func TestDomainFact(t *testing.T) {
	const file = "id: shop-2026\nasOf: \"2026-11-20T16:00+09:00\"\nfacts:\n  - {key: domain, id: shop, value: %s}\n"
	for value, ok := range map[string]bool{"shop.example": true, "\"https://shop.example\"": false, "WWW.shop.example": false, "shop": false} {
		_, err := ParseFactsFile("facts.yaml", fmt.Appendf(nil, file, value))
		if (err == nil) != ok {
			t.Errorf("%s: %v", value, err)
		}
	}
}

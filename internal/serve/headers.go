package serve

import (
	"net/http"
	"strings"
)

// policy is the Content-Security-Policy of every response (https://www.w3.org/TR/CSP3/): what is not listed is
// refused, nothing inline runs, and nothing is fetched from elsewhere. A worker is held by the policy that comes with
// its own script, so assets carry it too.
var policy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self' data:",
	"connect-src 'self'",
	"worker-src 'self'",
	"form-action 'self'",
	"frame-ancestors 'none'",
	"base-uri 'none'",
}, "; ")

// permissions turns off what no page of Shirase uses.
const permissions = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
	"hid=(), magnetometer=(), microphone=(), midi=(), payment=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()"

// values are the headers that every response has, ready to be put into many: nobody changes them, and whoever sets one of
// these headers anew puts a value of its own in the place.
var values = []struct {
	name  string
	value []string
}{
	{"Content-Security-Policy", []string{policy}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Permissions-Policy", []string{permissions}},
	{"X-Content-Type-Options", []string{"nosniff"}},
}

// transport is said over TLS only (RFC 6797, 7.2).
var transport = []string{"max-age=63072000"}

// secure sets the headers that every response has. What a handler sets itself stands.
func secure(h http.Header, tls bool) {
	for _, v := range values {
		h[v.name] = v.value
	}
	if tls {
		h["Strict-Transport-Security"] = transport
	}
}

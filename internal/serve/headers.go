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

// secure sets the headers that every response has. What a handler sets itself stands.
func secure(h http.Header, tls bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	if tls {
		h.Set("Strict-Transport-Security", "max-age=63072000") // RFC 6797: over plain HTTP it must not be sent
	}
}

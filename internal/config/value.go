package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"shirase/internal/serve"
)

// kind is the form that a value has in the file, and in JSON.
type kind int

const (
	text  kind = iota
	span       // a length of time, with its unit
	rate       // so much a second, and so much at once
	truth      // true or false
	count      // a whole number
	list       // of texts
)

// errForm says that a value is not what the key's form says; other errors of parsing say more.
var errForm = errors.New("wrong form")

// one makes a key of a value that is one text.
func one[T any](k Key, of kind, at func(*Settings) *T, parse func(string) (T, error), format func(T) string) Key {
	k.kind = of
	k.get = func(s *Settings) []string {
		if t := format(*at(s)); t != "" {
			return []string{t}
		}
		return nil
	}
	k.set = func(s *Settings, texts []string) error {
		v, err := parse(strings.Join(texts, ""))
		if err == nil {
			*at(s) = v
		}
		return err
	}
	return k
}

// words makes a key of a text; valid judges it, and "" is always valid.
func words(k Key, at func(*Settings) *string, valid func(string) bool) Key {
	return one(k, text, at, func(s string) (string, error) {
		if s != "" && !valid(s) {
			return "", errForm
		}
		return s, nil
	}, func(s string) string { return s })
}

// path makes a key of the path of a file or folder, which is relative to the file that names it.
func path(k Key, at func(*Settings) *string) Key {
	k.Form = "the path of a file or folder"
	k = words(k, at, func(s string) bool { return !strings.ContainsAny(s, "\x00\n") })
	k.path = true
	return k
}

// duration makes a key of a length of time from least to most.
func duration(k Key, at func(*Settings) *time.Duration, least, most time.Duration) Key {
	return one(k, span, at, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > most {
			return 0, errForm
		}
		return d, nil
	}, shortDuration)
}

// shortDuration writes 1h30m as that, and not as 1h30m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// number makes a key of a whole number from least to most.
func number(k Key, at func(*Settings) *int, least, most int) Key {
	return one(k, count, at, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, errForm
		}
		return n, nil
	}, strconv.Itoa)
}

// boolean makes a key of true or false.
func boolean(k Key, at func(*Settings) *bool) Key {
	k.Form = "true or false"
	return one(k, truth, at, func(s string) (bool, error) {
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, errForm
	}, strconv.FormatBool)
}

// choice makes a key of one of some words, which stand for values.
func choice[T comparable](k Key, at func(*Settings) *T, names []string, values []T) Key {
	k.Form = strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	return one(k, text, at, func(s string) (T, error) {
		if i := slices.Index(names, s); i >= 0 {
			return values[i], nil
		}
		var none T
		return none, errForm
	}, func(v T) string { return names[slices.Index(values, v)] })
}

// rateForm is how a rate is written.
const rateForm = "a rate such as 100/s burst 4000: so many a second, and so many at once after a rest"

// perSecond makes a key of a rate.
func perSecond(k Key, at func(*Settings) *serve.Rate) Key {
	k.Form = rateForm
	return one(k, rate, at, parseRate, formatRate)
}

func parseRate(s string) (serve.Rate, error) {
	f := strings.Fields(s)
	if len(f) != 3 || f[1] != "burst" || !strings.HasSuffix(f[0], "/s") {
		return serve.Rate{}, errForm
	}
	r, err := strconv.ParseFloat(strings.TrimSuffix(f[0], "/s"), 64)
	burst, err2 := strconv.Atoi(f[2])
	if err != nil || err2 != nil || math.IsNaN(r) {
		return serve.Rate{}, errForm
	}
	if r <= 0 || burst < 1 || r > 1e9 || burst > 1e9 {
		return serve.Rate{}, fmt.Errorf("%q: both numbers are above zero, and at most 1000000000", s)
	}
	return serve.Rate{PerSecond: r, Burst: burst}, nil
}

func formatRate(r serve.Rate) string {
	return strconv.FormatFloat(r.PerSecond, 'f', -1, 64) + "/s burst " + strconv.Itoa(r.Burst)
}

// several makes a key of a list.
func several[T any](k Key, at func(*Settings) *[]T, parse func(string) (T, error), format func(T) string) Key {
	k.kind = list
	k.get = func(s *Settings) []string {
		var out []string
		for _, v := range *at(s) {
			out = append(out, format(v))
		}
		return out
	}
	k.set = func(s *Settings, texts []string) error {
		var out []T
		for _, t := range texts {
			v, err := parse(t)
			if errors.Is(err, errForm) {
				return fmt.Errorf("%q is not %s", clip(t), k.Form)
			} else if err != nil {
				return err
			}
			out = append(out, v)
		}
		*at(s) = out
		return nil
	}
	return k
}

// listenAddress reports whether s is what a server can listen on.
func listenAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && 0 <= n && n <= 65535
}

// databaseURL reports whether s is the URL of a PostgreSQL database.
func databaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql")
}

// securityContact reads whom to tell of a weakness (RFC 9116, 2.5.3).
func securityContact(s string) (string, error) {
	uri := s
	if strings.Contains(s, "@") && !strings.Contains(s, ":") {
		uri = "mailto:" + s
	}
	u, err := url.Parse(uri)
	if err != nil || !slices.Contains([]string{"https", "mailto", "tel"}, u.Scheme) || strings.ContainsAny(s, "\r\n \t") {
		return "", errForm
	}
	return s, nil
}

// domainName reads a name of DNS that an authority can give a certificate for, and writes it as DNS has it.
func domainName(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil || !strings.Contains(name, ".") || len(name) > 253 || strings.ContainsAny(name, "*:/@ ") {
		return "", errForm
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", errForm
	}
	return name, nil
}

// levels of a log.
var (
	levelNames = []string{"info", "warn", "error"}
	levels     = []slog.Level{slog.LevelInfo, slog.LevelWarn, slog.LevelError}
)

// clip shortens a value for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	goyaml "github.com/goccy/go-yaml"

	"shirase/internal/hint"
	"shirase/internal/yaml"
)

// Rules are what an instance is told of the applications behind the gate: the file that gate.file names.
type Rules struct {
	Routes []Route
	Allow  []Allow
	// Accounts says what is done with an account of which nothing can be known: pass, or wait.
	Accounts Undecided
	// Keep is how long what was known last is gone by; 0: for as long as nothing newer is known.
	Keep time.Duration
}

// Undecided is what is done where nothing can be decided.
type Undecided string

// Where nothing is known, a route is open or closed.
const (
	UndecidedOpen   Undecided = "open"
	UndecidedClosed Undecided = "closed"
)

// Route is a named set of paths.
type Route struct {
	Name      string    `yaml:"name"`
	Paths     []string  `yaml:"paths"`
	Undecided Undecided `yaml:"undecided"`

	patterns []pattern
}

// Allow is what passes in every state: all that is said of it has to be so.
type Allow struct {
	Name     string   `yaml:"name"`
	Paths    []string `yaml:"paths"`
	Methods  []string `yaml:"methods"`
	Networks []string `yaml:"networks"`

	patterns []pattern
	networks []netip.Prefix
}

type rulesFile struct {
	Routes   []Route `yaml:"routes"`
	Allow    []Allow `yaml:"allow"`
	Accounts struct {
		Undecided Undecided `yaml:"undecided"`
	} `yaml:"accounts"`
	Keep string `yaml:"keep"`
}

// Limits of the file.
const (
	maxRules  = 64 << 10
	maxRoutes = 100
	maxPaths  = 200 // of all
)

var routeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// ParseRules reads the file of routes. name is the file's in errors. Errors: ErrInput.
func ParseRules(name string, src []byte) (Rules, error) {
	var f rulesFile
	root, err := yaml.Parse(src, maxRules)
	if err == nil && root != nil {
		err = goyaml.NodeToValue(root, &f, goyaml.Strict())
	}
	if err != nil {
		return Rules{}, fileError(name, err)
	}
	out := Rules{Routes: f.Routes, Allow: f.Allow, Accounts: f.Accounts.Undecided}
	if err := out.compile(f.Keep); err != nil {
		return Rules{}, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

func fileError(name string, err error) error {
	var ours *yaml.Error
	var theirs goyaml.Error
	switch {
	case errors.As(err, &ours) && ours.Line > 0:
		return hint.Add(fmt.Errorf("%s:%d:%d: %w: %s", name, ours.Line, ours.Column, ErrInput, ours.Problem), ours.Remedy)
	case errors.As(err, &ours):
		return hint.Add(fmt.Errorf("%s: %w: %s", name, ErrInput, ours.Problem), ours.Remedy)
	case errors.As(err, &theirs) && theirs.GetToken() != nil && theirs.GetToken().Position != nil:
		p := theirs.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %w: %s", name, p.Line, p.Column, ErrInput, theirs.GetMessage())
	}
	return fmt.Errorf("%s: %w: it is not YAML that can be read", name, ErrInput)
}

// compile checks the rules and makes them ready.
func (r *Rules) compile(keep string) (err error) {
	if keep != "" {
		if r.Keep, err = time.ParseDuration(keep); err != nil || r.Keep < time.Minute {
			return fmt.Errorf("%w: keep is no time from 1m up, such as 24h", ErrInput)
		}
	}
	if r.Accounts == "" {
		r.Accounts = UndecidedOpen
	}
	if !r.Accounts.valid() {
		return fmt.Errorf("%w: accounts.undecided is open or closed", ErrInput)
	}
	paths := 0
	names := []string{}
	for i := range r.Routes {
		x := &r.Routes[i]
		switch {
		case !routeName.MatchString(x.Name):
			return fmt.Errorf("%w: routes[%d]: a name is 1 to 40 of a-z, 0-9 and -", ErrInput, i)
		case slices.Contains(names, x.Name):
			return fmt.Errorf("%w: there are two routes %s", ErrInput, x.Name)
		case len(x.Paths) == 0:
			return fmt.Errorf("%w: route %s has no paths", ErrInput, x.Name)
		case !x.Undecided.valid():
			return hint.Add(fmt.Errorf("%w: route %s does not say what is done while nothing can be decided", ErrInput, x.Name), "undecided: open lets it pass, undecided: closed does not")
		}
		names = append(names, x.Name)
		if x.patterns, err = patterns(x.Paths); err != nil {
			return fmt.Errorf("route %s: %w", x.Name, err)
		}
		paths += len(x.Paths)
	}
	for i := range r.Allow {
		x := &r.Allow[i]
		if err := x.compile(); err != nil {
			return fmt.Errorf("allow[%d]: %w", i, err)
		}
		paths += len(x.Paths) + len(x.Networks)
	}
	if len(r.Routes) > maxRoutes || paths > maxPaths {
		return fmt.Errorf("%w: at most %d routes, and %d paths and networks in all", ErrInput, maxRoutes, maxPaths)
	}
	return nil
}

func (u Undecided) valid() bool { return u == UndecidedOpen || u == UndecidedClosed }

func (x *Allow) compile() (err error) {
	if !routeName.MatchString(x.Name) {
		return fmt.Errorf("%w: a name is 1 to 40 of a-z, 0-9 and -", ErrInput)
	}
	if len(x.Paths) == 0 && len(x.Networks) == 0 {
		return fmt.Errorf("%w: %s names neither paths nor networks, and would let everything pass", ErrInput, x.Name)
	}
	if x.patterns, err = patterns(x.Paths); err != nil {
		return err
	}
	for i, m := range x.Methods {
		if x.Methods[i] = strings.ToUpper(m); strings.Trim(x.Methods[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || m == "" {
			return fmt.Errorf("%w: %q is no method", ErrInput, m)
		}
	}
	for _, n := range x.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			a, err := netip.ParseAddr(n)
			if err != nil {
				return fmt.Errorf("%w: %q is no network such as 192.0.2.0/24", ErrInput, n)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Bits() == 0 {
			return fmt.Errorf("%w: %s is everybody", ErrInput, n)
		}
		x.networks = append(x.networks, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()).Masked())
	}
	return nil
}

// lets reports whether a request passes by this: its path has to be written plainly, so that nothing passes by what it might be taken for.
func (x *Allow) lets(t target) bool {
	if len(x.Methods) > 0 && !slices.Contains(x.Methods, t.method) {
		return false
	}
	if len(x.networks) > 0 && !slices.ContainsFunc(x.networks, func(p netip.Prefix) bool { return t.from.IsValid() && p.Contains(t.from) }) {
		return false
	}
	return len(x.patterns) == 0 || t.plain && slices.ContainsFunc(x.patterns, func(p pattern) bool { return p.exactly(t.path) })
}

// route gives the rule of a name.
func (r *Rules) route(name string) (*Route, bool) {
	for i := range r.Routes {
		if r.Routes[i].Name == name {
			return &r.Routes[i], true
		}
	}
	return nil, false
}

// undecided says what is done with a request where nothing is known: the strictest route that it may be of decides.
func (r *Rules) undecided(t target) Undecided {
	for i := range r.Routes {
		if r.Routes[i].Undecided == UndecidedClosed && t.in(r.Routes[i].patterns) {
			return UndecidedClosed
		}
	}
	return UndecidedOpen
}

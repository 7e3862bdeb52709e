package config

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/hint"
)

// Format is the version of the data folder that this program writes, and the newest it reads.
const Format = 1

// InstanceFile is the name of an instance's own settings in its data folder. It is written last when an instance is made,
// so that a folder has one only when it is whole.
const InstanceFile = "shirase.json"

// Errors of reading an instance.
var (
	ErrNone  = errors.New("no data folder here")
	ErrNewer = errors.New("the data folder is of a newer version")
)

// Instance is what a data folder is.
type Instance struct {
	Format int    `json:"format"`
	Engine string `json:"engine"` // sqlite or postgres
	// FormerURL is where people reach the instance, in folders that were made before it became a setting of how an instance
	// is operated, which is above it.
	FormerURL string `json:"url,omitzero"`
	Region    string `json:"phoneRegion"`
	// Operator is who runs the instance, as its pages name it, in Japanese and in English.
	Operator Name `json:"operator,omitzero"`
	// Contact is where questions, corrections and replies go: mailto: or https.
	Contact string `json:"contact,omitzero"`
	// Imprint and Privacy are pages of the operator's own site.
	Imprint string `json:"imprint,omitzero"`
	Privacy string `json:"privacy,omitzero"`
	Demo    *Demo  `json:"demo,omitzero"`
	// Exercise is what makes an instance one in which nothing is real, for ever.
	Exercise *Exercise `json:"exercise,omitzero"`
}

// Name is a name in both languages; either may be empty.
type Name struct {
	JA string `json:"ja,omitzero"`
	EN string `json:"en,omitzero"`
}

// Demo is what makes an instance a demonstration.
type Demo struct {
	Scale       float64 `json:"scale"`
	Affected    string  `json:"affected"`
	NotAffected string  `json:"notAffected"`
}

// Exercise is the scenario that an instance was made to play.
type Exercise struct {
	Scenario string `json:"scenario"`
}

// ReadInstance reads what a data folder is, without opening anything. Errors: ErrNone, ErrNewer.
func ReadInstance(data string) (Instance, error) {
	var i Instance
	file := filepath.Join(data, InstanceFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return i, hint.Add(fmt.Errorf("%w: %s", ErrNone, data), "make one: shirase init; or look around first: shirase demo")
	}
	if err != nil {
		return i, fmt.Errorf("read the data folder's settings: %w", err)
	}
	// The version first: a newer format may have members this program does not know.
	var v struct {
		Format  int            `json:"format"`
		Unknown jsontext.Value `json:",unknown"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return i, fmt.Errorf("read %s: %w", file, err)
	}
	if v.Format > Format {
		return i, hint.Add(fmt.Errorf("%w: %s has version %d, and this program reads up to %d", ErrNewer, data, v.Format, Format),
			"use the newer shirase that wrote it")
	}
	if err := json.Unmarshal(b, &i, json.RejectUnknownMembers(true)); err != nil {
		return i, fmt.Errorf("read %s: %w", file, err)
	}
	return i, nil
}

// Encode gives the bytes of InstanceFile.
func (i Instance) Encode() ([]byte, error) {
	b, err := json.Marshal(i, jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("write the data folder's settings: %w", err)
	}
	return append(b, '\n'), nil
}

// Adopt takes over what an instance is, and its URL where nothing above it says one.
func (s *Settings) Adopt(i Instance) {
	s.Instance = i
	if i.FormerURL != "" && s.From("url").Kind == FromDefault && s.Operation.Domain == "" {
		s.Operation.URL = i.FormerURL
		s.from["url"] = Source{Kind: FromInstance}
	}
	for _, k := range Keys() {
		if k.Instance && k.Text(s) != "" {
			s.from[k.Name] = Source{Kind: FromInstance}
		}
	}
}

// maxName bounds an operator's name, in characters.
const maxName = 200

// plainName reports whether s is a name as a page can show it: on one line, with nothing in it that cannot be seen.
func plainName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// webAddress reports whether s is the address of a page.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// receiverAddress reports whether s is where a receiver takes what is pushed: without a path it would be another's.
func receiverAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && webAddress(s) && strings.Trim(u.Path, "/") != "" && u.Fragment == ""
}

// instanceAddress reports whether s can be where an instance is reached: what follows in it are the instance's own paths.
func instanceAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && webAddress(s) && u.RawQuery == "" && u.Fragment == ""
}

// contactAddress reports whether s is an address that a page can lead to.
func contactAddress(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "mailto" {
		return webAddress(s)
	}
	_, err = mail.ParseAddress(u.Opaque)
	return err == nil && u.RawQuery == ""
}

// regionCode reports whether s has the form of a country's code.
func regionCode(s string) bool {
	return len(s) == 2 && strings.ToUpper(s) == s && strings.ToLower(s) != s
}

package reach

import (
	"errors"
	"fmt"
	"time"

	goyaml "github.com/goccy/go-yaml"

	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/yaml"
)

// maxFile bounds a file that a campaign is made of, in bytes.
const maxFile = 512 << 10

// campaignFile is such a file.
type campaignFile struct {
	Incident string `yaml:"incident"`
	Channel  string `yaml:"channel"`
	Audience struct {
		Part    string   `yaml:"part"`
		Locales []string `yaml:"locales"`
		Classes []string `yaml:"classes"`
		Only    []string `yaml:"only"`
		Active  string   `yaml:"active"`

		Unreached string `yaml:"unreached"`
	} `yaml:"audience"`
	From struct {
		JA      string `yaml:"ja"`
		EN      string `yaml:"en"`
		Address string `yaml:"address"`
	} `yaml:"from"`
	ReplyTo string `yaml:"replyTo"`
	Subject struct {
		JA string `yaml:"ja"`
		EN string `yaml:"en"`
	} `yaml:"subject"`
	Text struct {
		JA string `yaml:"ja"`
		EN string `yaml:"en"`
	} `yaml:"text"`
	Language string   `yaml:"language"`
	Link     string   `yaml:"link"`
	Needs    []string `yaml:"needs"`
	Rates    struct {
		PerSecond float64            `yaml:"perSecond"`
		PerDomain map[string]float64 `yaml:"perDomain"`
		RampUp    string             `yaml:"rampUp"`
	} `yaml:"rates"`
	Start string `yaml:"start"`
}

// ParseFile reads the file that a campaign is made of. name is the file's in errors, which have line and column. Errors: ErrInput.
func ParseFile(name string, src []byte) (s Spec, rates Rates, start time.Time, err error) {
	var f campaignFile
	root, err := yaml.Parse(src, maxFile)
	if err == nil && root != nil {
		err = goyaml.NodeToValue(root, &f, goyaml.Strict())
	}
	if err != nil {
		return s, rates, start, fileError(name, err)
	}
	s = Spec{Incident: f.Incident, Channel: Channel(f.Channel), Part: f.Audience.Part, Locales: f.Audience.Locales, Classes: f.Audience.Classes, Only: f.Audience.Only, Active: f.Audience.Active, Unreached: f.Audience.Unreached,
		From: Sender{Name: language.Both(f.From.JA, f.From.EN), Address: f.From.Address}, ReplyTo: f.ReplyTo, Subject: language.Both(f.Subject.JA, f.Subject.EN), Text: language.Both(f.Text.JA, f.Text.EN),
		Language: language.Lang(f.Language), Link: f.Link, Needs: f.Needs}
	rates = Rates{PerSecond: f.Rates.PerSecond, PerDomain: f.Rates.PerDomain}
	if f.Rates.RampUp != "" {
		if err := rates.RampUp.UnmarshalText([]byte(f.Rates.RampUp)); err != nil {
			return s, rates, start, fmt.Errorf("%s: %w: rates.rampUp is no time such as 90m", name, ErrInput)
		}
	}
	if f.Start != "" {
		if start, err = time.Parse("2006-01-02T15:04Z07:00", f.Start); err != nil {
			if start, err = time.Parse(time.RFC3339, f.Start); err != nil {
				return s, rates, start, hint.Add(fmt.Errorf("%s: %w: start is no time with its zone", name, ErrInput), "such as 2026-12-01T10:00+09:00")
			}
		}
	}
	if s.Incident == "" {
		return s, rates, start, hint.Add(fmt.Errorf("%s: %w: it names no incident", name, ErrInput), "incident: ID")
	}
	return s, rates, start, nil
}

// fileError keeps the place and the message, and not the excerpt of the file.
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

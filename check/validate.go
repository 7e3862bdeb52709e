package check

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxKeys bounds the keys of a statement of version 2, ended ones included.
const maxKeys = 64

// Validate checks the statement against itself: order, limits, and that every
// sealed incident's revision is in exactly one layer whose sources add up.
func (s *Statement) Validate() error {
	err := s.validate()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStatement, err)
	}
	return nil
}

var (
	regionPattern = regexp.MustCompile(`^[A-Z]{2}$`)
	langPattern   = regexp.MustCompile(`^[a-z]{2}$`)
	classPattern  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}(:[a-z][a-z0-9-]{0,19})?$`)
)

func (s *Statement) validate() error {
	life, err := s.life()
	switch {
	case err != nil:
		return err
	case s.Seq < 1 || s.Seq > maxInt:
		return errors.New("seq is out of range")
	case (s.Seq == 1) != (s.Prev == Hash{}):
		return errors.New("prev is zero in the first statement and only there")
	case !s.Expires.After(s.Time.Time) || s.Expires.Sub(s.Time.Time) > life:
		return fmt.Errorf("expires is not within %.0f hours after time", life.Hours())
	case !regionPattern.MatchString(s.PhoneRegion):
		return errors.New("phoneRegion is not two capital letters")
	}
	if err := s.validateKeys(); err != nil {
		return err
	}
	if err := s.validateIncidents(); err != nil {
		return err
	}
	return s.validateLayers()
}

// life checks the version and what it says of the ledger, and gives how long
// such a statement may be valid.
func (s *Statement) life() (time.Duration, error) {
	switch {
	case s.V != 1 && s.V != 2:
		return 0, fmt.Errorf("v is %d, and this program reads 1 and 2", s.V)
	case (s.V == 2) != (s.Ledger != nil):
		return 0, errors.New("ledger is in every statement of version 2, and in no other")
	case s.V == 1:
		return MaxLife, nil
	case s.Ledger.Key == s.Ledger.Next:
		return 0, errors.New("ledger: a key cannot follow itself")
	}
	p, err := parseStatementPolicy(s.Ledger.Policy)
	switch {
	case err != nil:
		return 0, fmt.Errorf("ledger: %w", err)
	case p.quorum == nil:
		return LifeAlone, nil
	}
	return LifeWitnessed, nil
}

func (s *Statement) validateKeys() error {
	open := 0
	seen := map[PublicKey]bool{}
	for i, k := range s.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		switch {
		case !ValidIncident(k.ID):
			return fmt.Errorf("%s: id is not [a-z0-9-]{1,64}", at)
		case i > 0 && s.Keys[i-1].ID >= k.ID:
			return fmt.Errorf("%s: keys are not in the order of their ids", at)
		case k.LocatorBits < 1 || k.LocatorBits > MaxLocatorBits:
			return fmt.Errorf("%s: locatorBits is not 1 to 24", at)
		case s.V == 1 && k.State != "":
			return fmt.Errorf("%s: a state, which version 1 does not have", at)
		case k.Held != nil && k.State != KeyEnded:
			return fmt.Errorf("%s: what it held is said of a key that has ended", at)
		case s.V == 2 && k.State != KeyLive && k.State != KeyCompromised && k.State != KeyEnded:
			return fmt.Errorf("%s: state is not live, compromised or ended", at)
		case s.V == 2 && seen[k.Public]:
			return fmt.Errorf("%s: another key has the same bytes", at)
		}
		if _, err := decodeElement(k.Public[:]); err != nil {
			return fmt.Errorf("%s: public: %w", at, err)
		}
		seen[k.Public] = true
		if k.State != KeyEnded {
			open++
		}
	}
	if open > 2 || len(s.Keys) > maxKeys {
		return fmt.Errorf("more than two keys that are not ended, or more than %d in all", maxKeys)
	}
	return nil
}

func (s *Statement) validateIncidents() error {
	for i := range s.Incidents {
		in := &s.Incidents[i]
		if i > 0 && s.Incidents[i-1].ID >= in.ID {
			return fmt.Errorf("incidents[%d]: incidents are not in the order of their ids", i)
		}
		if err := in.validate(s.V); err != nil {
			return fmt.Errorf("incidents[%d]: %w", i, err)
		}
	}
	return nil
}

func (in *Incident) validate(v int) error {
	switch {
	case !ValidIncident(in.ID):
		return errors.New("id is not [a-z0-9-]{1,64}")
	case !revisionPattern.MatchString(in.Revision):
		return errors.New("revision is not a decimal without leading zeros")
	case !textOK(in.Organisation):
		return errors.New("organisation is empty or too long")
	case len(in.Title) < 1 || len(in.Title) > 16:
		return errors.New("title is wanted in 1 to 16 languages")
	}
	for lang, t := range in.Title {
		if !langPattern.MatchString(lang) || !textOK(t) {
			return errors.New("title is not a text by two-letter language")
		}
	}
	if err := validateExposed(in.Counts, in.Sets); err != nil {
		return err
	}
	switch in.State {
	case Final, Reopened:
		if in.Revision == "0" || len(in.Sets) == 0 || len(in.Counts) == 0 {
			return errors.New("a sealed incident has a revision from 1, counts and sets")
		}
	case Investigating, ByMail, Retired, Withdrawn:
	default:
		return fmt.Errorf("state %q is unknown", in.State)
	}
	if v == 1 {
		if in.State == Reopened || in.State == Withdrawn || in.Unreadable != nil || in.Superseded != nil {
			return errors.New("a state or member that version 1 does not have")
		}
		return nil
	}
	return in.validateV2()
}

// validateV2 checks what version 2 has beside.
func (in *Incident) validateV2() error {
	if in.Unreadable == nil || in.Superseded == nil {
		return errors.New("unreadable and superseded are wanted")
	}
	for kind, n := range in.Unreadable {
		if (!indexed(kind) && kind != Rows) || n < 1 || n > maxInt {
			return errors.New("unreadable has an unknown kind or a number below one")
		}
	}
	if len(in.Superseded) > 0 && !in.State.Sealed() {
		return fmt.Errorf("it is %s and lists superseded revisions", in.State)
	}
	for i := range in.Superseded {
		s := &in.Superseded[i]
		at := fmt.Sprintf("superseded[%d]", i)
		switch {
		case !revisionPattern.MatchString(s.Revision) || s.Revision == "0":
			return fmt.Errorf("%s: revision is not a decimal from 1", at)
		case i > 0 && number(in.Superseded[i-1].Revision) >= number(s.Revision):
			return fmt.Errorf("%s: revisions are not in their order", at)
		case number(s.Revision) >= number(in.Revision):
			return fmt.Errorf("%s: its revision is not before the incident's own", at)
		case len(s.Sets) == 0 || len(s.Counts) == 0:
			return fmt.Errorf("%s: counts and sets are wanted", at)
		}
		if err := validateExposed(s.Counts, s.Sets); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

// number returns a revision that matches revisionPattern as a number.
func number(revision string) int64 {
	n, _ := strconv.ParseInt(revision, 10, 64)
	return n
}

// indexed reports whether a kind of identity may be in the index.
func indexed(kind string) bool { return kind == "email" || kind == "phone" || kind == "account" }

func validateExposed(counts map[string]int64, sets [][]string) error {
	if len(sets) > maxSets {
		return errors.New("more than 65536 sets")
	}
	for kind, n := range counts {
		if !indexed(kind) || n < 1 || n > maxInt {
			return errors.New("counts has an unknown kind or a number below one")
		}
	}
	for _, set := range sets {
		if len(set) < 1 || len(set) > 64 || !slices.IsSorted(set) || len(slices.Compact(slices.Clone(set))) != len(set) {
			return errors.New("a set is not 1 to 64 classes in order")
		}
		for _, c := range set {
			if !classPattern.MatchString(c) {
				return fmt.Errorf("%q is not a data class", c)
			}
		}
	}
	return nil
}

// placed is a revision of an incident that a layer holds.
type placed struct{ incident, revision string }

func (s *Statement) validateLayers() error {
	in := map[placed]bool{}
	roots := map[Hash]bool{}
	for i := range s.Layers {
		l := &s.Layers[i]
		if i > 0 && bytes.Compare(s.Layers[i-1].ID[:], l.ID[:]) >= 0 {
			return fmt.Errorf("layers[%d]: layers are not in the order of their ids", i)
		}
		if err := s.validateLayer(l, in); err != nil {
			return fmt.Errorf("layers[%d]: %w", i, err)
		}
		for _, src := range l.Sources {
			if s.V == 2 && roots[src.Root] {
				return fmt.Errorf("layers[%d]: two sources have the same root", i)
			}
			roots[src.Root] = true
		}
	}
	for i := range s.Layers {
		if l := &s.Layers[i]; s.V == 2 && len(l.Sources) > 1 && roots[l.Root] {
			return fmt.Errorf("layers[%d]: its root is a source's, and it has several", i)
		}
	}
	if err := s.validateHeld(in, roots); err != nil {
		return err
	}
	for i := range s.Incidents {
		inc := &s.Incidents[i]
		if inc.State.Sealed() && !in[placed{inc.ID, inc.Revision}] {
			return fmt.Errorf("incidents[%d]: %s is %s and in no layer", i, inc.ID, inc.State)
		}
		for j := range inc.Superseded {
			if !in[placed{inc.ID, inc.Superseded[j].Revision}] {
				return fmt.Errorf("incidents[%d]: superseded[%d] is in no layer", i, j)
			}
		}
	}
	return nil
}

// validateHeld checks what is said of ended keys: revisions that are in no layer
// and under no other key, before the current ones of their incidents.
func (s *Statement) validateHeld(in map[placed]bool, roots map[Hash]bool) error {
	served := map[Hash]bool{}
	for i := range s.Layers {
		served[s.Layers[i].ID] = true
	}
	for i := range s.Keys {
		for j := range s.Keys[i].Held {
			h := &s.Keys[i].Held[j]
			err := s.validateOneHeld(h)
			switch at := (placed{h.Incident, h.Revision}); {
			case err != nil:
			case j > 0 && !sourcesInOrder(s.Keys[i].Held[j-1].source(), h.source()):
				err = errors.New("not in the order of incidents and revisions")
			case in[at] || roots[h.Root] || served[h.Root]:
				err = errors.New("the revision or its layer is elsewhere too")
			default:
				in[at], roots[h.Root] = true, true
			}
			if err != nil {
				return fmt.Errorf("keys[%d]: held[%d]: %w", i, j, err)
			}
		}
	}
	return nil
}

func (s *Statement) validateOneHeld(h *Held) error {
	in := s.Incident(h.Incident)
	switch {
	case in == nil:
		return errors.New("of no incident")
	case !revisionPattern.MatchString(h.Revision) || h.Revision == "0":
		return errors.New("revision is not a decimal from 1")
	case in.State.Sealed() && number(h.Revision) >= number(in.Revision):
		return errors.New("its revision is not before the incident's own")
	case len(h.Sets) == 0 || len(h.Counts) == 0:
		return errors.New("counts and sets are wanted")
	}
	if err := validateExposed(h.Counts, h.Sets); err != nil {
		return err
	}
	for _, n := range h.Counts { // at most three kinds
		if n > MaxEntries {
			return errors.New("counts are out of range")
		}
	}
	return nil
}

func (h *Held) source() Source { return Source{h.Incident, h.Revision, h.N(), h.Root} }

func (s *Statement) validateLayer(l *Layer, in map[placed]bool) error {
	k := s.Key(l.Key)
	switch {
	case k == nil:
		return errors.New("its key is not among the keys")
	case k.State == KeyEnded:
		return errors.New("its key is ended")
	case l.N < 1 || l.N > MaxEntries:
		return errors.New("n is out of range")
	case l.Bits != BucketBits(l.N, k.LocatorBits):
		return fmt.Errorf("bits is %d and follows from n as %d", l.Bits, BucketBits(l.N, k.LocatorBits))
	case l.ID != l.Root:
		return errors.New("id is not the root")
	case l.Pad < bucketSize(0, l.Bits) || l.Pad > MaxPad:
		return errors.New("pad is out of range")
	case len(l.Sources) == 0:
		return errors.New("it has no sources")
	case len(l.Sources) == 1 && l.Sources[0].Root != l.Root:
		return errors.New("its one source has another root")
	}
	var sum int64
	for j, src := range l.Sources {
		if j > 0 && !sourcesInOrder(l.Sources[j-1], src) {
			return errors.New("sources are not in the order of incidents and revisions")
		}
		if err := s.validateSource(src, l.N); err != nil {
			return err
		}
		at := placed{src.Incident, src.Revision}
		if in[at] {
			return fmt.Errorf("revision %s of incident %s is in two layers", src.Revision, src.Incident)
		}
		in[at] = true
		sum += src.N
	}
	if sum != l.N {
		return fmt.Errorf("n is %d and its sources add up to %d", l.N, sum)
	}
	return nil
}

func sourcesInOrder(a, b Source) bool {
	return a.Incident < b.Incident || a.Incident == b.Incident && number(a.Revision) < number(b.Revision)
}

// validateSource checks that a source is a revision that its incident lists,
// with as many entries as that counts.
func (s *Statement) validateSource(src Source, n int64) error {
	inc := s.Incident(src.Incident)
	if inc == nil {
		return fmt.Errorf("source %q is of no incident", src.Incident)
	}
	counts, _, ok := inc.Exposed(src.Revision)
	switch {
	case !ok:
		return fmt.Errorf("source %q is of no revision that its incident lists", src.Incident)
	case src.N < 1 || src.N > n:
		return fmt.Errorf("source %s: n is out of range", src.Incident)
	}
	var counted int64
	for _, c := range counts {
		if counted += c; counted > maxInt {
			return fmt.Errorf("incident %s: counts overflow", src.Incident)
		}
	}
	if counted != src.N {
		return fmt.Errorf("incident %s counts %d entries and its source holds %d", src.Incident, counted, src.N)
	}
	return nil
}

// textOK bounds a text that people read.
func textOK(s string) bool {
	return s != "" && len(s) <= 1000 && utf8.ValidString(s)
}

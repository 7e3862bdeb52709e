package check

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/identity"
)

// MaxAnswer bounds an answer file, in bytes.
const MaxAnswer = 64 << 20

// ErrAnswer says that an answer file is malformed or contradicts itself.
var ErrAnswer = errors.New("not a valid answer file")

// Bytes are bytes written as unpadded base64url.
type Bytes []byte

// MarshalText returns unpadded base64url.
func (b Bytes) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

// UnmarshalText reads strict unpadded base64url.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := decode64(string(text), -1)
	*b = v
	return err
}

// PersonalData is the sentence every answer file carries.
const PersonalData = "This file is personal data: it names an address and says what was found. Give it only to whom you would tell that."

// Answer is what a check returns with all that proves it: an answer file.
type Answer struct {
	V            int            `json:"v"`    // 1 or 2
	Type         string         `json:"type"` // "shirase answer"
	PersonalData string         `json:"personalData"`
	Claimed      Time           `json:"claimed"` // the asker's own clock: a claim, not evidence
	Identity     AnswerIdentity `json:"identity"`
	Verdict      Verdict        `json:"verdict"`
	Statement    Bytes          `json:"statement"`
	Proof        string         `json:"proof"` // c2sp.org/tlog-proof@v1 of the statement
	Evaluations  []Evaluation   `json:"evaluations"`
	Buckets      []AnswerBucket `json:"buckets,omitzero"` // version 1
	Groups       []AnswerGroup  `json:"groups,omitzero"`  // version 2, as the two below
	Sources      []AnswerGroup  `json:"sources,omitzero"` // of sources that were compared with folds
	Cap          int            `json:"cap,omitzero"`     // how many bits all keys together could show

	// Known to whoever checked or verified it, and in no file.
	Checkpoint *Checkpoint `json:"-"`
	Vouched    Vouched     `json:"-"`
}

// AnswerIdentity is whom the answer is about: kind and canonical value.
type AnswerIdentity struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// Evaluation is what one evaluator key made of the identity.
type Evaluation struct {
	Key       string `json:"key"`
	Blind     Bytes  `json:"blind"`     // 32 bytes
	Evaluated Bytes  `json:"evaluated"` // 32 bytes
	Proof     Bytes  `json:"proof"`     // 64 bytes
}

// AnswerBucket is one layer's bucket as it travelled, without padding. The
// bucket's number is not in the file: it follows from the identity.
type AnswerBucket struct {
	Layer Hash  `json:"layer"`
	Bytes Bytes `json:"bytes"`
}

// AnswerGroup is one layer's group of buckets as it travelled, without padding.
// Its number is not in the file.
type AnswerGroup struct {
	Layer Hash  `json:"layer"` // its root
	P     int   `json:"p"`     // how many bits its buckets share
	Bytes Bytes `json:"bytes"`
}

const answerType = "shirase answer"

// Encode returns the answer file.
func (a *Answer) Encode() ([]byte, error) {
	b, err := json.Marshal(a, json.FormatNilSliceAsNull(false), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	if len(b) >= MaxAnswer {
		return nil, fmt.Errorf("encode an answer: %w: longer than %d bytes, which nobody would read", ErrAnswer, MaxAnswer)
	}
	return append(b, '\n'), nil
}

// ParseAnswer reads an answer file. Unknown and duplicate members are refused.
// It proves nothing: VerifyAnswer does.
func ParseAnswer(b []byte) (*Answer, error) {
	if len(b) > MaxAnswer {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrAnswer, MaxAnswer)
	}
	a := new(Answer)
	if err := parseExactly(b, a); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	v1 := a.V == 1 && a.Buckets != nil && a.Groups == nil && a.Sources == nil && a.Cap == 0
	v2 := a.V == 2 && a.Buckets == nil && a.Groups != nil && a.Sources != nil && (a.Cap == CapBits || a.Cap == RaisedBits)
	if !v1 && !v2 || a.Type != answerType || a.PersonalData != PersonalData {
		return nil, fmt.Errorf("%w: it is not version 1 or 2 of %q", ErrAnswer, answerType)
	}
	return a, nil
}

// e164Pattern is the form of a canonical telephone number. Which numbers exist
// changes with the numbering plans; a saved answer must not.
var e164Pattern = regexp.MustCompile(`^\+[1-9][0-9]{4,14}$`)

// canonicalIdentity requires that the identity is written canonically, so
// that a file cannot be about one address and show another.
func canonicalIdentity(a AnswerIdentity) (identity.Identity, error) {
	id := identity.Identity{Kind: identity.Kind(a.Kind), Value: a.Value}
	var canonical identity.Identity
	var err error
	switch id.Kind {
	case identity.KindEmail:
		canonical, err = identity.ParseEmail(a.Value)
	case identity.KindPhone:
		if e164Pattern.MatchString(a.Value) {
			canonical = id
		}
	case identity.KindAccount:
		organisation, account, _ := strings.Cut(a.Value, "\x00")
		canonical, err = identity.NewAccount(organisation, account)
	}
	if err != nil {
		return identity.Identity{}, fmt.Errorf("%w: identity: %w", ErrAnswer, err)
	}
	if canonical != id || id.Value == "" {
		return identity.Identity{}, fmt.Errorf("%w: identity: kind and value are not canonical", ErrAnswer)
	}
	return id, nil
}

func (s *Statement) layer(id Hash) *Layer {
	for i := range s.Layers {
		if s.Layers[i].ID == id {
			return &s.Layers[i]
		}
	}
	return nil
}

// Bucket returns the number of the bucket of a layer of 2^bits buckets.
func (y *Output) Bucket(bits int) int64 { return bucketOf(y[:3], bits) }

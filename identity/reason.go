package identity

// A Reason is why a text is no identity: a short code that never changes, for
// programs. Its Text is for people.
type Reason string

// The reasons. Where several apply, the documented order of the steps decides,
// so that every implementation gives the same one.
const (
	NotUTF8             Reason = "not-utf8"
	TooLong             Reason = "too-long"
	Empty               Reason = "empty"
	UnassignedCharacter Reason = "unassigned-character"
	TooManyMarks        Reason = "too-many-marks"
	ControlCharacter    Reason = "control-character"

	NoAtSign           Reason = "no-at-sign"
	LocalPartEmpty     Reason = "local-part-empty"
	LocalPartTooLong   Reason = "local-part-too-long"
	LocalPartNotASCII  Reason = "local-part-not-ascii"
	LocalPartQuoted    Reason = "local-part-quoted"
	LocalPartCharacter Reason = "local-part-character"

	DomainEmpty       Reason = "domain-empty"
	DomainLiteral     Reason = "domain-literal"
	DomainCharacter   Reason = "domain-character"
	DomainEmptyLabel  Reason = "domain-empty-label"
	DomainPunycode    Reason = "domain-punycode"
	DomainHyphen      Reason = "domain-hyphen"
	DomainMark        Reason = "domain-mark"
	DomainJoiner      Reason = "domain-joiner"
	DomainBidi        Reason = "domain-bidi"
	DomainLabelLength Reason = "domain-label-too-long"
	DomainTooLong     Reason = "domain-too-long"
	DomainNoDot       Reason = "domain-no-dot"
	DomainNumeric     Reason = "domain-numeric"

	PhoneRegion    Reason = "phone-region"
	PhoneCharacter Reason = "phone-character"
	PhoneNoRegion  Reason = "phone-no-region"
	PhoneInvalid   Reason = "phone-invalid"

	OrganisationInvalid Reason = "organisation-invalid"
)

// Text explains the reason in one English clause, without a full stop.
func (r Reason) Text() string {
	if t, ok := reasonText[r]; ok {
		return t
	}
	return string(r)
}

var reasonText = map[Reason]string{
	NotUTF8:             "it is not valid UTF-8 text",
	TooLong:             "it is too long",
	Empty:               "it is empty",
	UnassignedCharacter: "it holds a character that is not in Unicode 15.0",
	TooManyMarks:        "it holds more than 8 combining marks in a row",
	ControlCharacter:    "it holds a control character",

	NoAtSign:           "there is no @ in it",
	LocalPartEmpty:     "there is nothing before the @",
	LocalPartTooLong:   "the part before the @ is longer than 64 characters",
	LocalPartNotASCII:  "the part before the @ holds a character that is not ASCII",
	LocalPartQuoted:    "the quoted part before the @ holds characters that need the quotes",
	LocalPartCharacter: "the part before the @ holds a character that is not allowed there, such as a space or another @",

	DomainEmpty:       "there is nothing after the @",
	DomainLiteral:     "the part after the @ is an address in brackets, not a domain",
	DomainCharacter:   "the domain holds a character that is not allowed there",
	DomainEmptyLabel:  "the domain has two dots in a row or begins with one",
	DomainPunycode:    "the domain has a label that begins with xn-- and is not valid",
	DomainHyphen:      "the domain has a label with a hyphen at its beginning, at its end, or two as its third and fourth characters",
	DomainMark:        "the domain has a label that begins with a combining mark",
	DomainJoiner:      "the domain has a zero width joiner where none is allowed",
	DomainBidi:        "the domain mixes writing directions in a way that is not allowed",
	DomainLabelLength: "the domain has a label longer than 63 characters in its ASCII form",
	DomainTooLong:     "the domain is longer than 253 characters in its ASCII form",
	DomainNoDot:       "the domain has no dot; is its ending missing, such as .com or .jp?",
	DomainNumeric:     "the domain ends in a number, so it is not the domain of a mail address",

	PhoneRegion:    "the default region is not a two-letter code of a country or territory",
	PhoneCharacter: "it holds a character that is not part of a telephone number",
	PhoneNoRegion:  "it does not begin with + and a country code",
	PhoneInvalid:   "it is not a telephone number that can exist",

	OrganisationInvalid: "the organisation's id is not 1 to 64 of a-z, 0-9 and -",
}

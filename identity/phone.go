package identity

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// ParsePhone returns the E.164 form of a telephone number, '+' and digits, or an
// [*Error] with the reason why s is none.
//
// A number that does not begin with '+' is read as dialled in defaultRegion, an
// upper-case ISO 3166-1 code such as "JP" (with that region's prefix for calls
// abroad, if it has one); where defaultRegion is empty such a number is refused
// (phone-no-region). Another region that is not known: phone-region.
//
// The steps: 1 to 6 of [ParseEmail], with its reasons. Then separators are
// removed wherever they are: the characters of step 6 and
//
//	( ) [ ] . / - U+00AD U+2010–U+2015 U+2212 U+30FC
//
// What is left must be decimal digits 0-9, one '+' before them or none
// (phone-character): no letters, no extension. The metadata of libphonenumber
// then say how it is read and whether such a number can exist (phone-invalid);
// a number's E.164 form does not change with their version, whether it is valid may.
func ParsePhone(s, defaultRegion string) (Identity, error) {
	value, reason := phone(s, defaultRegion)
	if reason != "" {
		return Identity{}, &Error{KindPhone, reason}
	}
	return Identity{KindPhone, value}, nil
}

func phone(s, region string) (string, Reason) {
	if region != "" && phonenumbers.GetCountryCodeForRegion(region) == 0 {
		return "", PhoneRegion
	}
	if len(s) > MaxInput {
		return "", TooLong
	}
	s, reason := normalize(s)
	if reason != "" {
		return "", reason
	}
	if trim(s) == "" {
		return "", Empty
	}
	s = strings.Map(func(c rune) rune {
		if isSeparator(c) {
			return -1
		}
		return c
	}, s)
	digits, plus := strings.CutPrefix(s, "+")
	switch {
	case digits == "" || strings.Trim(digits, "0123456789") != "":
		return "", PhoneCharacter
	case !plus && region == "":
		return "", PhoneNoRegion
	}
	number, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return "", PhoneInvalid
	}
	return phonenumbers.Format(number, phonenumbers.E164), ""
}

func isSeparator(c rune) bool {
	return isTrimmed(c) || strings.ContainsRune("()[]./-", c) ||
		c == 0xad || 0x2010 <= c && c <= 0x2015 || c == 0x2212 || c == 0x30fc
}

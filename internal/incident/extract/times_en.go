package extract

import "regexp"

var joinEN = regexp.MustCompile(`^\s?(?:,\s)?(?:and|to|through|until|till|-|–|—|and ending(?: on)?|up to)\s(?:on\s|or about\s|approximately\s|about\s)*$`)

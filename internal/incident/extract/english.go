package extract

import (
	"regexp"
	"time"
)

var englishTitle = regexp.MustCompile(`(?i:^(?:re: ?|subject: ?)?.{0,60}(?:notice of|notification of|notice regarding|statement (?:on|regarding|about)|update on|incident notice|important (?:notice|security|information)|data (?:breach|security incident|incident|privacy event)|security incident|cyber ?security incident|cyber incident).{0,70}$)`)

func scanTimesEN(s string, lines []line, zone **time.Location) []*when { return nil }
func scanAmountsEN(s string, lines []line) []*amount                   { return nil }
func (r *reader) whoEN()                                               {}
func (r *reader) whenEN()                                              {}
func (r *reader) countsEN()                                            {}
func (r *reader) classesEN()                                           {}
func (r *reader) causeEN()                                             {}
func (r *reader) damageEN()                                            {}
func (r *reader) contactEN()                                           {}

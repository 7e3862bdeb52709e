// Package law holds what laws and standards ask for after a breach, as data: one file a regime (docs/LAW.md), and the
// holidays that move deadlines. Package internal/law reads them.
package law

import "embed"

// Files are the regimes, NAME.yaml, and the calendars, holidays/NAME.txt: a date a line.
//
//go:embed *.yaml holidays/*.txt
var Files embed.FS

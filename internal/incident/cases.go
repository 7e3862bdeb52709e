package incident

import (
	"embed"
	"fmt"
	"io"
	"path"
)

//go:embed cases/*.yaml
var cases embed.FS

// CasesDataset is the name of the data set of Cases.
const CasesDataset = "cases"

// Cases returns the small archive that the program brings along: disclosures of other organisations, recorded in our own
// words from the sources they name. They are imported like any other data set.
func Cases() (func() (Record, error), error) {
	list, err := cases.ReadDir("cases")
	if err != nil {
		return nil, fmt.Errorf("cases: %w", err)
	}
	return func() (Record, error) {
		if len(list) == 0 {
			return Record{}, io.EOF
		}
		name := list[0].Name()
		list = list[1:]
		src, err := cases.ReadFile(path.Join("cases", name))
		if err != nil {
			return Record{}, err
		}
		file, err := ParseFactsFile(name, src)
		if err != nil {
			return Record{}, err
		}
		return Record{Dataset: CasesDataset, ExternalID: file.ID, ID: file.ID, Facts: file.Facts, Place: Place{File: name, Line: 1}}, nil
	}, nil
}

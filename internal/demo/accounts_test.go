package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"testing"

	"shirase/internal/incident"
)

func TestWrite(t *testing.T) {
	for _, scale := range []float64{1e-6, 0.0001, 0.003} {
		var a, b bytes.Buffer
		sample, err := Write(t.Context(), &a, scale, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Write(t.Context(), &b, scale, nil); err != nil || sha256.Sum256(a.Bytes()) != sha256.Sum256(b.Bytes()) {
			t.Fatalf("not the same bytes again: %v", err)
		}
		rows, err := csv.NewReader(&a).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		total, affected, _ := Figures(scale)
		if int64(len(rows)-1) != total {
			t.Fatalf("%d rows, want %d", len(rows)-1, total)
		}
		seen := map[string]bool{}
		for _, r := range rows[1:] {
			if r[3] == "JP" && r[4] == "password" {
				affected--
				if r[1] == "" || seen[r[1]] {
					t.Fatalf("an account in scope without an address of its own: %v", r)
				}
			} else if r[1] == sample.Affected {
				t.Fatal("the sample is not in scope")
			}
			if r[1] != "" {
				seen[r[1]] = true
			}
		}
		if affected != 0 {
			t.Fatalf("%d too few in scope", affected)
		}
		if !seen[sample.Affected] || !seen[sample.NotAffected] || sample.Affected == sample.NotAffected {
			t.Fatalf("%+v", sample)
		}
	}
}

func TestFigures(t *testing.T) {
	if total, affected, err := Figures(1); total != 2_700_000 || affected != 1_692_496 || err != nil {
		t.Fatal(total, affected, err)
	}
	for _, bad := range []float64{0, -1, 101} {
		if _, _, err := Figures(bad); err == nil {
			t.Errorf("a scale of %v", bad)
		}
	}
}

func TestCity(t *testing.T) {
	f, err := incident.ParseFactsFile("example-city.yaml", City())
	if err != nil || !slices.ContainsFunc(f.Facts, func(f incident.Fact) bool {
		return f.Key == "scope.state" && f.Value.Word == incident.StateInvestigating
	}) {
		t.Fatal(err)
	}
}

// TestWriteEnds: accounts are made until the context ends.
func TestWriteEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	told := 0
	_, err := Write(ctx, io.Discard, 1, func(int64, int64) {
		if told++; told == 3 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || told != 3 {
		t.Errorf("told %d times: %v", told, err)
	}
}

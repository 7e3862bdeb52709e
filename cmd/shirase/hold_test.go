package main

import (
	"errors"
	"path/filepath"
	"testing"

	"shirase/internal/closing"
)

// TestHoldAsked: each room that lets go or removes what a legal hold keeps asks for it, as it is opened.
func TestHoldAsked(t *testing.T) {
	f := folder{t: t, data: filepath.Join(t.TempDir(), "data")}
	f.do("init")
	f.do("case", "declare", "--id", "shop", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00")
	a, in := opened(t, f.data)
	defer in.close()
	ctx := t.Context()
	desk, err := a.enquiries(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	campaigns, err := a.campaigns(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true} {
		if on {
			f.do("case", "hold", "shop", "--why", "a claim")
		}
		if held, err := desk.Held(ctx, in.db, "shop"); err != nil || held != on {
			t.Errorf("enquiries: %v, %v", held, err)
		}
		if held, err := campaigns.Held(ctx, in.db, "shop"); err != nil || held != on {
			t.Errorf("campaigns: %v, %v", held, err)
		}
		if err := cases.Held(ctx, in.db, "shop"); errors.Is(err, closing.ErrHeld) != on || !on && err != nil {
			t.Errorf("cases: %v", err)
		}
	}
}

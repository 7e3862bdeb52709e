package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/language"
	"shirase/internal/serve"
	"shirase/internal/store"
)

// TestCallsKept: where no mail server is set, staff records calls all the same, and what it recorded is looked through for what is over.
func TestCallsKept(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if exit := run(t.Context(), []string{"init", "--data", data}, io.Discard, os.Stderr); exit != exitDone {
		t.Fatalf("exit %d", exit)
	}
	a := appAt(data, io.Discard, io.Discard)
	in := must(a.open(t.Context()))(t)
	t.Cleanup(in.close)
	d := must(a.enquiries(t.Context(), in))(t)
	if d.Deliver != nil {
		t.Fatal("a mail server is set")
	}
	if _, err := d.Record(t.Context(), actor.Operator(), "shop-2026", enquiry.Recorded{Channel: enquiry.Telephone, Topic: "data", Lang: language.JA, Text: "x", Person: enquiry.Person{Name: "山田"}}); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	looked, seal := false, d.Seal
	d.Seal = func(ctx context.Context, id string, make bool) (*store.Sealer, error) { // who tidies asks whether the case is there
		looked = true
		end()
		return seal(ctx, id, make)
	}
	server := serve.New(serve.Options{Log: in.log})
	if err := a.mountEnquiries(t.Context(), in, server); err != nil {
		t.Fatal(err)
	}
	if err := server.Run(ctx, must(serve.Listen("127.0.0.1:0"))(t), func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Error("nobody has looked for what is over")
	}
}

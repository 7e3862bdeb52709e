package outward

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestShut: a shut way refuses before anything is looked up, whatever context is made of the one that is shut, and an open one does not.
func TestShut(t *testing.T) {
	shut := Shut(t.Context(), nil)
	derived, cancel := context.WithCancel(context.WithoutCancel(shut))
	defer cancel()
	for name, ctx := range map[string]context.Context{"itself": shut, "derived": derived} {
		r, err := http.NewRequestWithContext(ctx, "POST", "http://nobody.invalid/", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&http.Client{Transport: Transport(nil)}).Do(r); !errors.Is(err, ErrShut) {
			t.Errorf("%s: a request: %v", name, err)
		}
		if _, err := Dial(ctx, &net.Dialer{}, "tcp", "nobody.invalid:1"); !errors.Is(err, ErrShut) {
			t.Errorf("%s: a connection: %v", name, err)
		}
		if mail, is := Mail(ctx); !is {
			t.Errorf("%s: mail goes out", name)
		} else if _, err := mail(); !errors.Is(err, ErrShut) {
			t.Errorf("%s: mail: %v", name, err)
		}
	}
	if err := Check(t.Context(), "x"); err != nil || IsShut(t.Context()) {
		t.Error(err)
	}
	if _, is := Mail(t.Context()); is {
		t.Error("a real instance's mail goes into a sink")
	}
}

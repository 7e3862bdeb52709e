package hint

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestOf(t *testing.T) {
	err := Add(fmt.Errorf("read the file: %w", io.ErrUnexpectedEOF), "get it again")
	if err.Error() != "read the file: unexpected EOF" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a hint changes what went wrong: %v", err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{err, "get it again"}, {fmt.Errorf("import: %w", err), "get it again"}, {errors.Join(io.EOF, err), "get it again"},
		{Add(err, "ask for another"), "ask for another"}, {Add(err, ""), "get it again"}, {Add(io.EOF, ""), ""}, {io.EOF, ""}, {nil, ""},
	} {
		if got := Of(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if err := Add(io.EOF, ""); err != io.EOF {
		t.Errorf("an empty hint makes another error: %v", err)
	}
}

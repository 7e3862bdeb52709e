package response

import "testing"

// TestOutside: a copy that was taken out stays out, whatever is recorded after it, and of two that have a piece one gives it back.
func TestOutside(t *testing.T) {
	for _, x := range []struct {
		custody []string
		want    int64
	}{
		{nil, 0}, {[]string{"read", "verified"}, 0}, {[]string{"exported"}, 1}, {[]string{"exported", "returned"}, 1}, {[]string{"exported", "read"}, 1},
		{[]string{"exported", "handed-over", "returned"}, 1}, {[]string{"handed-over", "returned"}, 0}, {[]string{"handed-over", "handed-over", "returned"}, 1},
		{[]string{"returned", "handed-over"}, 1}, {[]string{"handed-over", "returned", "read"}, 0},
	} {
		var links []Link
		for _, what := range x.custody {
			links = append(links, Link{Custody: Custody{What: what}})
		}
		if n := outside(links); n != x.want {
			t.Errorf("%v: %d are elsewhere, and not %d", x.custody, n, x.want)
		}
	}
}

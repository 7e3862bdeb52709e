package site

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/web"
)

// event is a point of the timeline.
type event struct {
	at    incident.Moment
	what  string
	style string // of its dot: "key", "missed" or ""
}

// milestones are the single-valued times of an incident, in the words of a timeline.
var milestones = []struct{ key, ja, en string }{
	{"window.start", "最初の痕跡", "First trace"},
	{"discovered", "発見", "Discovered"},
	{"window.end", "最後の痕跡", "Last trace"},
	{"contained", "遮断", "Contained"},
	{"login-blocked", "全アカウントのログインを遮断", "Sign-in blocked for all"},
	{"disclosed", "公表", "Made public"},
	{"closed", "対応を終了", "Response closed"},
}

// happened lists what the timeline shows, in the order of time: milestones, addenda, promises that were not kept, and
// liftings. The other actions are in a table of their own.
func happened(lang web.Lang, i incident.Incident) []event {
	var out []event
	for _, m := range milestones {
		if f, ok := i.Fact(m.key); ok {
			out = append(out, event{f.Value.Time, lang.Pick(m.ja, m.en), "key"})
		}
	}
	for n, f := range i.Listed("addendum") {
		out = append(out, event{f.Value.Time, lang.Pick(fmt.Sprintf("追記 %d", n+1), fmt.Sprintf("Addendum %d", n+1)), ""})
	}
	for _, f := range i.Listed("action") {
		switch {
		case f.Value.Status == "lifted" && !f.Value.Time.IsZero():
			out = append(out, event{f.Value.Time, f.Value.Text.In(lang) + lang.Pick("（解除）", " (lifted)"), "key"})
		case f.Value.Status == "slipped" && !f.Value.Promised.IsZero():
			out = append(out, event{f.Value.Promised, f.Value.Text.In(lang) + lang.Pick("（予定どおりに行われず）", " (promised, not kept)"), "missed"})
		}
	}
	// A day without a time stands before what is known to have happened within it.
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.at.Time.Unix(), b.at.Time.Unix()) })
	return merge(out, lang)
}

// merge joins milestones of the very same time into one point.
func merge(events []event, lang web.Lang) []event {
	var out []event
	for _, e := range events {
		if n := len(out); n > 0 && e.style == "key" && out[n-1].style == "key" && out[n-1].at.String() == e.at.String() {
			out[n-1].what += lang.Pick("、", "; ") + e.what
			continue
		}
		out = append(out, e)
	}
	return out
}

// events is the timeline as a table.
func events(lang web.Lang, i incident.Incident) []line {
	at := zoned(lang, i)
	var out []line
	for _, e := range happened(lang, i) {
		out = append(out, line{When: web.Timed(e.at.String(), at(e.at)), What: e.what})
	}
	return out
}

// Measures of the drawing, in its own units (pixels at full size).
const (
	axisX      = 128 // of the axis, from the left
	textX      = axisX + 20
	lineHeight = 21
	typeSize   = 14
)

// drawingWidths are those of a desk and of a telephone: text in a drawing does not wrap, so there are two, and the
// stylesheet shows one.
var drawingWidths = []struct {
	name  string
	width int
}{{"broad", 560}, {"narrow", 345}}

// timeline draws what happened, downwards, with gaps that grow with the time between (by its logarithm, so that 48
// minutes and two weeks both show) and say how long it was. The table beside it says the same in words, so for
// whoever does not see it the drawing is one image with a name.
func timeline(lang web.Lang, i incident.Incident) template.HTML {
	list := happened(lang, i)
	if len(list) < 2 {
		return ""
	}
	var out template.HTML
	for _, d := range drawingWidths {
		out += drawing(lang, i, list, d.name, d.width)
	}
	return out
}

func drawing(lang web.Lang, i incident.Incident, list []event, name string, width int) template.HTML {
	var points, window strings.Builder
	y, day := 24.0, ""
	last, windowTop, windowBottom := y, math.NaN(), math.NaN()
	start, _ := i.Fact("window.start")
	end, _ := i.Fact("window.end")
	for n, e := range list {
		if n > 0 {
			gap := e.at.Time.Sub(list[n-1].at.Time)
			height := gapHeight(gap)
			if e.at.Precision == incident.Minute && list[n-1].at.Precision == incident.Minute && gap >= 10*time.Minute {
				height = max(height, 50) // room for a line between the two
				fmt.Fprintf(&points, `<text class="gap" x="%d" y="%.0f">%s</text>`, textX, y+height/2+5, template.HTMLEscapeString(web.Duration(lang, gap)))
			}
			y += height
		}
		if !start.Value.Time.IsZero() && e.at.String() == start.Value.Time.String() {
			windowTop = y
		}
		if !end.Value.Time.IsZero() && e.at.String() == end.Value.Time.String() {
			windowBottom = y
		}
		if today := dayLabel(lang, e.at); today != day {
			day = today
			fmt.Fprintf(&points, `<text class="day" x="0" y="%.0f">%s</text>`, y+5, template.HTMLEscapeString(day))
		}
		if e.at.Exact() {
			fmt.Fprintf(&points, `<text class="when" x="%d" y="%.0f" text-anchor="end">%s</text>`, axisX-16, y+5, template.HTMLEscapeString(web.Clock(lang, e.at.Time)))
		}
		fmt.Fprintf(&points, `<circle class="dot %s" cx="%d" cy="%.0f" r="6"/>`, e.style, axisX, y)
		last = y
		for k, part := range balance(e.what, float64(width-textX-4)) {
			if k > 0 {
				y += lineHeight
			}
			fmt.Fprintf(&points, `<text x="%d" y="%.0f">%s</text>`, textX, y+5, template.HTMLEscapeString(part))
		}
	}
	if windowBottom > windowTop {
		fmt.Fprintf(&window, `<rect class="window" x="%d" y="%.0f" width="12" height="%.0f" rx="6"/>`, axisX-6, windowTop, windowBottom-windowTop)
	}
	return template.HTML(fmt.Sprintf(`<svg class="timeline %s" viewBox="0 0 %d %.0f" role="img" aria-label="%s"><line class="axis" x1="%d" y1="24" x2="%d" y2="%.0f"/>%s%s</svg>`,
		name, width, y+20, template.HTMLEscapeString(lang.Pick("経緯の図。同じ内容の表が、下にあります。", "Timeline. The table below says the same.")),
		axisX, axisX, last, window.String(), points.String()))
}

// gapHeight is the distance between two points.
func gapHeight(gap time.Duration) float64 {
	hours := max(gap.Hours(), 0)
	return 30 + 16*math.Log1p(hours)
}

// dayLabel is the day or month of a point.
func dayLabel(lang web.Lang, m incident.Moment) string {
	if m.Precision == incident.Month {
		return m.Time.Format(lang.Pick("2006年1月", "Jan 2006"))
	}
	return m.Time.Format(lang.Pick("1月2日", "2 Jan"))
}

// balance breaks text into as few lines as fit width, and these into even ones, so that no line is left with a single
// character.
func balance(text string, width float64) []string {
	lines := wrap(text, width)
	for narrower := width - typeSize; narrower > width/2; narrower -= typeSize {
		tried := wrap(text, narrower)
		if len(tried) > len(lines) {
			break
		}
		lines = tried
	}
	return lines
}

// wrap breaks text into lines of at most width, measured roughly: an ideograph is as wide as the type is high,
// anything else a little more than half of that.
func wrap(text string, width float64) []string {
	var lines []string
	var current strings.Builder
	used := 0.0
	for _, part := range pieces(text) {
		w := 0.0
		for _, c := range part {
			if c < 0x2000 {
				w += typeSize * .56
			} else {
				w += typeSize
			}
		}
		if used+w > width && used > 0 {
			lines = append(lines, strings.TrimSpace(current.String()))
			current.Reset()
			used = 0
		}
		current.WriteString(part)
		used += w
	}
	return append(lines, strings.TrimSpace(current.String()))
}

// pieces splits text where a line may break: after a space, and before an ideograph or kana, except before what must
// not begin a line and after what must not end one (JIS X 4051).
func pieces(text string) []string {
	var out []string
	var current strings.Builder
	for _, c := range text {
		breaks := c >= 0x2E80 && !strings.HasSuffix(current.String(), "（") && !strings.HasSuffix(current.String(), "「")
		if breaks && !strings.ContainsRune("、。，．）」』】〉》！？ーっゃゅょッャュョ々〜", c) && current.Len() > 0 {
			out = append(out, current.String())
			current.Reset()
		}
		current.WriteRune(c)
		if c == ' ' {
			out = append(out, current.String())
			current.Reset()
		}
	}
	return append(out, current.String())
}

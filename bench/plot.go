package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A plot draws lines on two logarithmic axes. The libraries that draw give a picture one
// set of colours; this one is read on white and on black, so it brings its own style.
type plot struct {
	title, x string // of the picture and of its horizontal axis
	lines    []line
}

// A line is one system. Bases are dashed.
type line struct {
	name    string
	carrier string
	dashed  bool
	points  [][2]float64
}

// Sizes of the picture, in pixels.
const (
	plotWidth, plotHeight = 760, 420
	plotLeft, plotRight   = 70, 150 // the legend is at the right
	plotTop, plotBottom   = 40, 50
	innerWidth            = plotWidth - plotLeft - plotRight
	innerHeight           = plotHeight - plotTop - plotBottom
	plotStyle             = `<style>` +
		`svg{font:12px system-ui,sans-serif}.b{fill:#fff}text{fill:#24292f}.g{stroke:#d8dee4;stroke-width:1}` +
		`path{fill:none;stroke-width:2}.redis{stroke:#cf222e}.rabbitmq{stroke:#bc4c00}.http{stroke:#0969da}.nats{stroke:#1a7f37}` +
		`.jobs{stroke:#8250df}.d{stroke-dasharray:6 4}` +
		`@media(prefers-color-scheme:dark){.b{fill:#0d1117}text{fill:#e6edf3}.g{stroke:#30363d}` +
		`.redis{stroke:#ff7b72}.rabbitmq{stroke:#ffa657}.http{stroke:#79c0ff}.nats{stroke:#7ee787}.jobs{stroke:#d2a8ff}}</style>`
)

// curvePlot is the medians along a curve.
func curvePlot(r results, all []scenario, curve string) plot {
	points := pointsOf(all, curve)
	p := plot{title: "Calls per second by " + curveName(curve), x: curveName(curve)}
	for _, s := range present(r, points...) {
		l := line{name: s.name, carrier: s.carrier, dashed: s.base == "" && s.name != natsName}
		if s.jobs {
			l.carrier = "jobs"
		}
		for _, sc := range points {
			if rate := r.median(sc.name, s.name, outcome.rate); rate > 0 {
				l.points = append(l.points, [2]float64{sc.x, rate})
			}
		}
		if len(l.points) > 0 {
			p.lines = append(p.lines, l)
		}
	}
	return p
}

// curveName says for people what changes along a curve.
func curveName(curve string) string {
	switch what, callers, _ := strings.Cut(curve, "-"); what {
	case byPayload:
		return "payload (bytes, 64 callers)"
	case byBacklog:
		return "backlog (requests that were queued before the worker started)"
	case byWorkers:
		return "workers (" + callers + " callers)"
	}
	return curve
}

// An axis maps a range of values to pixels, by their logarithms.
type axis struct{ low, high, from, to float64 }

func (a axis) at(v float64) float64 {
	if a.high <= a.low {
		return (a.from + a.to) / 2
	}
	return a.from + (a.to-a.from)*(math.Log(v)-math.Log(a.low))/(math.Log(a.high)-math.Log(a.low))
}

// decades are the powers of ten within an axis, with both its ends if there are none.
func (a axis) decades() (ticks []float64) {
	for v := math.Pow(10, math.Ceil(math.Log10(a.low)-1e-9)); v <= a.high*1.000001; v *= 10 {
		ticks = append(ticks, v)
	}
	return ticks
}

// axes span the data; the vertical one whole powers of ten.
func (p plot) axes() (x, y axis) {
	x = axis{math.Inf(1), 0, plotLeft, plotLeft + innerWidth}
	y = axis{math.Inf(1), 0, plotTop + innerHeight, plotTop}
	for _, l := range p.lines {
		for _, at := range l.points {
			x.low, x.high = min(x.low, at[0]), max(x.high, at[0])
			y.low, y.high = min(y.low, at[1]), max(y.high, at[1])
		}
	}
	y.low, y.high = math.Pow(10, math.Floor(math.Log10(y.low))), math.Pow(10, math.Ceil(math.Log10(y.high)))
	if y.high <= y.low {
		y.high = 10 * y.low
	}
	return x, y
}

func (p plot) svg() string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	x, y := p.axes()
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, html.EscapeString(p.title))
	put(`%s<rect class="b" width="100%%" height="100%%"/>`, plotStyle)
	put(`<text x="%d" y="22" font-size="15">%s</text>`, plotLeft, html.EscapeString(p.title))
	for _, v := range y.decades() {
		put(`<path class="g" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, y.at(v), plotLeft+innerWidth, plotLeft-8, y.at(v)+4, thousands(int64(v)))
	}
	for _, v := range p.marks(x) {
		put(`<path class="g" d="M%.1f %dV%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			x.at(v), plotTop, plotTop+innerHeight, x.at(v), plotTop+innerHeight+18, thousands(int64(v)))
	}
	put(`<text x="%d" y="%d" text-anchor="middle">%s</text>`, plotLeft+innerWidth/2, plotHeight-10, html.EscapeString(p.x))
	for i, l := range p.lines {
		class := l.carrier
		if l.dashed {
			class += " d"
		}
		var d strings.Builder
		for j, at := range l.points {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(j, 1)], x.at(at[0]), y.at(at[1]))
		}
		if len(l.points) == 1 {
			d.WriteString("h3") // a line without length is not seen
		}
		put(`<path class="%s" d="%s"/>`, class, d.String())
		height := plotTop + 10 + 22*i
		put(`<path class="%s" d="M%d %dh26"/><text x="%d" y="%d">%s</text>`,
			class, plotLeft+innerWidth+14, height, plotLeft+innerWidth+46, height+4, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// marks are the values that were measured, as long as they are few enough to be read;
// otherwise powers of ten.
func (p plot) marks(x axis) (marks []float64) {
	seen := map[float64]bool{}
	for _, l := range p.lines {
		for _, at := range l.points {
			if !seen[at[0]] {
				seen[at[0]] = true
				marks = append(marks, at[0])
			}
		}
	}
	if len(marks) > 11 {
		return x.decades()
	}
	return marks
}

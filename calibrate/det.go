package calibrate

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The picture's frame, in pixels, and the range of both axes, as exponents of 10.
const (
	detWidth, detHeight      = 760, 560
	detLeft, detRight        = 80, 560
	detTop, detBottom        = 50, 490
	fmrLow, fmrHigh          = -6.0, -1.5
	fnmrLow, fnmrHigh        = -3.0, 0.0
	detStyle                 = "font-family='sans-serif' font-size='13'"
	detPointsPerDecade       = 24
	leastMatchesOnCurve      = 3.0 // a curve ends where fewer false matches are left
	detLegendX, detLegendTop = detRight + 16, detTop + 14
)

var detColours = []string{"#1b6ca8", "#2a9d4a", "#c2410c"}

// drawDET draws the false non-match rate against the false match rate on left-out
// people, codes as full lines, floats as broken ones.
func drawDET(name string, p pooledTrials) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' %s>\n",
		detWidth, detHeight, detWidth, detHeight, detStyle)
	fmt.Fprintf(&b, "<rect width='%d' height='%d' fill='white'/>\n", detWidth, detHeight)
	fmt.Fprintf(&b, "<text x='%d' y='28' font-size='16'>%s: detection error trade-off, people left out</text>\n",
		detLeft, html.EscapeString(name))
	detGrid(&b)
	for i, fusion := range fusions {
		detCurve(&b, p.code[i], detColours[i], "")
		detCurve(&b, p.float[i], detColours[i], " stroke-dasharray='6 4'")
		for k, way := range []struct{ name, dash string }{{"code", ""}, {"float", " stroke-dasharray='6 4'"}} {
			y := detLegendTop + 22*(2*i+k)
			fmt.Fprintf(&b, "<line x1='%d' y1='%d' x2='%d' y2='%d' stroke='%s' stroke-width='2'%s/>\n",
				detLegendX, y-4, detLegendX+30, y-4, detColours[i], way.dash)
			fmt.Fprintf(&b, "<text x='%d' y='%d'>%s photos, %s</text>\n", detLegendX+38, y, fusion, way.name)
		}
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func detX(exponent float64) float64 {
	return detLeft + (detRight-detLeft)*(exponent-fmrLow)/(fmrHigh-fmrLow)
}

func detY(exponent float64) float64 {
	return detBottom - (detBottom-detTop)*(exponent-fnmrLow)/(fnmrHigh-fnmrLow)
}

func detGrid(b *strings.Builder) {
	line := func(x1, y1, x2, y2 float64, colour string) {
		fmt.Fprintf(b, "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s'/>\n", x1, y1, x2, y2, colour)
	}
	power := func(x, y float64, anchor string, exponent float64) {
		fmt.Fprintf(b, "<text x='%.1f' y='%.1f' text-anchor='%s'>10<tspan dy='-6' font-size='10'>%.0f</tspan></text>\n", x, y, anchor, exponent)
	}
	for e := fmrLow; e <= fmrHigh; e++ {
		for m := 1.0; m < 10; m++ {
			colour := "#e5e7eb"
			if m == 1 {
				colour = "#9ca3af"
				power(detX(e), detBottom+22, "middle", e)
			}
			if at := e + math.Log10(m); at <= fmrHigh {
				line(detX(at), detTop, detX(at), detBottom, colour)
			}
		}
	}
	for e := fnmrLow; e <= fnmrHigh; e++ {
		for m := 1.0; m < 10; m++ {
			colour := "#e5e7eb"
			if m == 1 {
				colour = "#9ca3af"
				power(detLeft-8, detY(e)+5, "end", e)
			}
			if at := e + math.Log10(m); at <= fnmrHigh {
				line(detLeft, detY(at), detRight, detY(at), colour)
			}
		}
	}
	fmt.Fprintf(b, "<text x='%d' y='%d' text-anchor='middle'>false match rate</text>\n", (detLeft+detRight)/2, detBottom+48)
	fmt.Fprintf(b, "<text x='24' y='%d' text-anchor='middle' transform='rotate(-90 24 %d)'>false non-match rate</text>\n",
		(detTop+detBottom)/2, (detTop+detBottom)/2)
}

// detCurve draws one curve, as far as it is in the frame and was measured.
func detCurve(b *strings.Builder, t *trials, colour, dash string) {
	var points []string
	for step := 0; ; step++ {
		e := fmrHigh - float64(step)/detPointsPerDecade
		rate := math.Pow(10, e)
		if e < fmrLow || rate*float64(t.impostor) < leastMatchesOnCurve {
			break
		}
		threshold, ok := t.threshold(rate)
		if !ok {
			continue
		}
		miss := math.Log10(1 - below(t.genuine, threshold))
		if miss < fnmrLow {
			continue
		}
		points = append(points, fmt.Sprintf("%.1f,%.1f", detX(e), detY(miss)))
	}
	fmt.Fprintf(b, "<polyline points='%s' fill='none' stroke='%s' stroke-width='2'%s/>\n", strings.Join(points, " "), colour, dash)
}

package main

import (
	"fmt"
	"math"
	"strings"
)

// colours of the contenders, told apart with any kind of colour vision (Okabe
// and Ito).
var colours = map[string]string{
	"netrig": "#0072B2", "shell": "#D55E00", "mininet": "#009E73", "plain": "#CC79A7", "floor": "#7f7f7f",
}

const (
	labelWidth = 400
	plotWidth  = 480
	rowHeight  = 24
	top        = 64
)

// plot is a row of dots for each work: how long each contender takes, on a
// logarithmic scale.
func plot(all []contest) string {
	low, high := math.Inf(1), math.Inf(-1)
	rows := 0
	for _, c := range all {
		if c.Work == "throughput" {
			continue
		}
		rows++
		for _, r := range c.Results {
			if v := median(r.Seconds); v > 0 {
				low, high = min(low, math.Log10(v)), max(high, math.Log10(v))
			}
		}
	}
	low, high = math.Floor(low), max(math.Ceil(high), math.Floor(low)+1)
	x := func(seconds float64) float64 {
		return labelWidth + (math.Log10(seconds)-low)/(high-low)*plotWidth
	}
	height := top + rows*rowHeight + 16
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", labelWidth+plotWidth+40, height, labelWidth+plotWidth+40, height)
	fmt.Fprintf(&s, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	at := 16
	for _, col := range columns {
		fmt.Fprintf(&s, `<circle cx="%d" cy="18" r="5" fill="%s"/><text x="%d" y="22">%s</text>`+"\n", at, colours[col.name], at+10, col.title)
		at += 40 + 8*len(col.title)
	}
	for power := int(low); power <= int(high); power++ {
		at := x(math.Pow10(power))
		fmt.Fprintf(&s, `<line x1="%.0f" x2="%.0f" y1="%d" y2="%d" stroke="#ddd"/><text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", at, at, top-8, height-8, at, top-14, tick(power))
	}
	row := 0
	for _, c := range all {
		if c.Work == "throughput" {
			continue
		}
		y := top + row*rowHeight + rowHeight/2
		row++
		fmt.Fprintf(&s, `<text x="8" y="%d">%s</text>`+"\n", y+4, c.title())
		for i := len(columns) - 1; i >= 0; i-- { // netrig last, and so on top
			if v := median(c.of(columns[i].name).Seconds); v > 0 {
				fmt.Fprintf(&s, `<circle cx="%.1f" cy="%d" r="5" fill="%s"><title>%s: %s</title></circle>`+"\n", x(v), y, colours[columns[i].name], columns[i].title, duration(v))
			}
		}
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// tick names a power of ten of seconds.
func tick(power int) string {
	if power < 0 && power >= -3 {
		return fmt.Sprintf("%.0f ms", math.Pow10(power+3))
	}
	if power < -3 {
		return fmt.Sprintf("%.0f µs", math.Pow10(power+6))
	}
	return fmt.Sprintf("%.0f s", math.Pow10(power))
}

package main

import (
	"fmt"
	"strings"
)

// ratios is one paragraph: the main works, and how many times as long the
// others take.
func ratios(all []contest) string {
	var parts []string
	for _, c := range all {
		own := median(c.of("netrig").Seconds)
		if own == 0 || !mainWork(c) {
			continue
		}
		var others []string
		for _, col := range columns[1:] {
			if v := median(c.of(col.name).Seconds); v > 0 && col.name != "floor" {
				others = append(others, fmt.Sprintf("%s %s×", col.title, figures(v/own)))
			}
		}
		part := fmt.Sprintf("%s: %s", c.title(), duration(own))
		if len(others) > 0 {
			part += " (" + strings.Join(others, ", ") + ")"
		}
		parts = append(parts, part)
	}
	return "Medians of one run, and how many times as long others took for the same: " + strings.Join(parts, "; ") + ".\n"
}

// mainWork tells whether a work is told of in the README.
func mainWork(c contest) bool {
	return c.Work == "pair" || c.Work == "masquerade" || (c.Work == "bridge" || c.Work == "permanent") && c.Size == 50
}

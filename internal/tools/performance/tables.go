package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// column is a contender and what the tables call it.
type column struct{ name, title string }

var columns = []column{
	{"netrig", "netrig"}, {"shell", "shell script"}, {"mininet", "Mininet"}, {"plain", "plain Go"}, {"floor", "floor"},
}

// inOrder puts works in the order in which they are told, and small before large: parts of them
// may have been run before others.
func inOrder(a, b contest) int {
	works := []string{"pair", "masquerade", "bridge", "learned", "permanent", "chain", "capture"}
	return cmp.Or(cmp.Compare(slices.Index(works, a.Work), slices.Index(works, b.Work)), cmp.Compare(a.Size, b.Size))
}

// title is what the tables call a work.
func (c contest) title() string {
	switch c.Work {
	case "pair":
		return "two nodes on a cable, one ping"
	case "masquerade":
		return "a router that masquerades, one ping, captured everywhere"
	case "bridge":
		return fmt.Sprintf("a bridge with %d nodes, one ping", c.Size)
	case "learned":
		return fmt.Sprintf("%d nodes, each pings each: %d pings", c.Size, c.Size*(c.Size-1))
	case "permanent":
		return fmt.Sprintf("%d nodes, neighbours permanent: %d pings", c.Size, c.Size*(c.Size-1))
	case "chain":
		return fmt.Sprintf("%d routers in a row, one ping", c.Size)
	case "capture":
		return fmt.Sprintf("%s frames of %d bytes, recorded at both ends", thousands(c.Times), c.Size)
	}
	return fmt.Sprintf("%s %d", c.Work, c.Size)
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// duration writes seconds with three figures.
func duration(s float64) string {
	switch {
	case s < 1:
		return figures(1000*s) + " ms"
	default:
		return figures(s) + " s"
	}
}

func figures(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// times is a cell of what another takes, and how much that is of netrig's.
func times(value, own float64) string {
	if own == 0 {
		return duration(value)
	}
	return fmt.Sprintf("%s (%s×)", duration(value), figures(value/own))
}

func tables(all []contest, machine string) string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s. Medians; in brackets, how many times what netrig takes. Pings lost are those of all rounds together.\n\n", machine)
	header(&t, "work", columns...)
	var refused []string
	for _, c := range all {
		if c.Work == "throughput" {
			continue
		}
		own := median(c.of("netrig").Seconds)
		fmt.Fprintf(&t, "| %s |", c.title())
		for i, col := range columns {
			r := c.of(col.name)
			value := median(r.Seconds)
			switch {
			case r.Refused != "":
				refused = append(refused, fmt.Sprintf("%s, %s: %s", col.title, c.title(), r.Refused))
				fmt.Fprintf(&t, " [%d] |", len(refused))
			case value == 0:
				t.WriteString(" – |")
			case i == 0:
				fmt.Fprintf(&t, " **%s**%s |", duration(value), lost(r))
			default:
				fmt.Fprintf(&t, " %s%s |", times(value, own), lost(r))
			}
		}
		t.WriteString("\n")
	}
	if len(refused) > 0 {
		t.WriteString("\n")
		for i, text := range refused {
			fmt.Fprintf(&t, "[%d] %s.  \n", i+1, text)
		}
	}
	captures(&t, all)
	throughput(&t, all)
	afterwards(&t, all)
	return t.String()
}

func header(t *strings.Builder, first string, columns ...column) {
	fmt.Fprintf(t, "| %s |", first)
	for _, c := range columns {
		fmt.Fprintf(t, " %s |", c.title)
	}
	t.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(columns)) + "\n")
}

// lost is a remark about pings without an answer.
func lost(r result) string {
	if r.Lost == 0 || len(r.Bits) > 0 || r.Kilobytes > 0 {
		return ""
	}
	return fmt.Sprintf(", %d lost", r.Lost)
}

// captures are what the contenders kept of bulk traffic.
func captures(t *strings.Builder, all []contest) {
	first := true
	for _, c := range all {
		if c.Work != "capture" {
			continue
		}
		if first {
			t.WriteString("\nOf the frames, which are seen twice, so many were not recorded (in one turn, on average), and so much was held to keep the others:\n\n")
			header(t, "frames", columns[:3]...)
			first = false
		}
		fmt.Fprintf(t, "| %s of %d bytes |", thousands(c.Times), c.Size)
		for _, col := range columns[:3] {
			r := c.of(col.name)
			if len(r.Seconds) == 0 {
				t.WriteString(" – |")
				continue
			}
			fmt.Fprintf(t, " %s lost, %d MB |", thousands(r.Lost/len(r.Seconds)), r.Kilobytes/1024)
		}
		t.WriteString("\n")
	}
}

func throughput(t *strings.Builder, all []contest) {
	for _, c := range all {
		own, bare := median(c.of("netrig").Bits), median(c.of("shell").Bits)
		if c.Work == "throughput" && own > 0 && bare > 0 {
			fmt.Fprintf(t, "\nTCP (iperf3) over a cable with recording off: %.2f Gbit/s, between two bare namespaces %.2f Gbit/s: a ratio of %.3f.\n", own/1e9, bare/1e9, own/bare)
		}
	}
}

// afterwards is how long the kernel goes on when the contender is done.
func afterwards(t *strings.Builder, all []contest) {
	t.WriteString("\nAfter the last of it the kernel takes the namespaces apart, while whoever wants to goes on; so long until it was done, for one repetition:\n\n")
	header(t, "work", columns...)
	for _, c := range all {
		if c.Work == "throughput" || c.Work == "capture" {
			continue
		}
		fmt.Fprintf(t, "| %s |", c.title())
		for _, col := range columns {
			if r := c.of(col.name); len(r.After) > 0 {
				fmt.Fprintf(t, " %s |", duration(median(r.After)))
			} else {
				t.WriteString(" – |")
			}
		}
		t.WriteString("\n")
	}
}

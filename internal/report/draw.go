package report

import (
	"fmt"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/ladder"
	"github.com/netrig/netrig/internal/result"
	"github.com/netrig/netrig/internal/topology"
)

// draw draws the pictures that the files lack. Those of a failed test know more:
// where the packet ended.
func (s *set) draw() {
	if s.facts == nil {
		return
	}
	if s.topology == "" {
		s.try(result.TopologyFile, func() { s.topology = topology.New(s.test.Name, s.facts).SVG() })
	}
	if packets := s.packets.Packets(); s.ladder == "" && len(packets) > 0 {
		s.try(result.LadderFile, func() {
			s.ladder = ladder.Story{Title: s.test.Name, Facts: s.facts, Chapters: s.chapters(packets)}.SVG()
		})
	}
}

// try draws; facts that somebody has changed may make no sense.
func (s *set) try(name string, draw func()) {
	defer func() {
		if p := recover(); p != nil {
			s.problems = append(s.problems, fmt.Sprintf("%s: it is missing, and can't be drawn: %v", s.Name(name), p))
		}
	}()
	draw()
}

// chapters are the packets by step.
func (s *set) chapters(packets []*capture.Packet) []ladder.Chapter {
	chapters := []ladder.Chapter{{}}
	for _, step := range s.test.Steps {
		if step.Name == "" {
			continue
		}
		last := &chapters[len(chapters)-1]
		for len(packets) > 0 && packets[0].Time.Before(step.Began) {
			last.Packets, packets = append(last.Packets, packets[0]), packets[1:]
		}
		chapters = append(chapters, ladder.Chapter{Heading: step.Name})
	}
	last := &chapters[len(chapters)-1]
	last.Packets = append(last.Packets, packets...)
	if chapters[0].Packets == nil {
		chapters = chapters[1:]
	}
	return chapters
}

// Package ladder draws the story of a lab as a sequence diagram: a life line for
// each interface at which a packet was seen, an arrow for each packet over each
// cable, with what it is, its addresses and its TTL, in order of time; and where
// packets were lost. As SVG and Mermaid.
package ladder

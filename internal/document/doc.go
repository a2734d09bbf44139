// Package document writes what a scenario does as Markdown, for people who read
// no Go: its network as the kernel has it, and step by step what was asked, what
// was seen, and the way of each packet. It is made of the journal of a real run,
// so that it is the same whenever the scenario does the same.
package document

// Package report writes what tests left behind (package result) as one HTML file
// that needs nothing else: the list of tests, and for each why it failed, its
// network, its packets with their layers, and the state of its nodes.
//
// What came off the wire, or out of files, is data: the page's own script puts it
// in as text, and the page's policy lets no other script run.
package report

// Package journal keeps what a test of a network observed, so that two runs can
// be compared: on another kernel, with another plugin, after a change.
//
// With NETRIG_JOURNAL=DIR each test that uses a lab writes one JSON file into
// the folder, and each process one more with the sysctls of a fresh namespace and
// the modules that the kernel has loaded.
// What is different whenever such a lab is built (ephemeral ports, identifiers,
// made-up MACs, times) is put into words that are not, in words.go and nowhere
// else.
package journal

// Variable names the folder that the journals go to. Unset, nothing is written.
const Variable = "NETRIG_JOURNAL"

// Version is that of the form of the files. A reader refuses others.
const Version = 2

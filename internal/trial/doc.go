// Package trial holds trials of what netrig promises about its end: whatever
// ends the tests, nothing of theirs is left on the machine, and nothing of the
// machine's is changed. It has tests only.
//
// The test binary is its own victim: started once more with a variable set, it
// builds labs inside a sandbox until it is ended (victim_test.go). Without it,
// it stays outside, ends victims and looks at the machine.
//
// What only a machine of one's own can be starved of has the build tag "machine"
// (tables_test.go, make starved).
package trial

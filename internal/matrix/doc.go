// Package matrix runs the tests of packages on several kernels at a time, each in
// a virtual machine of its own, and tells what changed from one to the others:
// tests that end otherwise, and what was observed although they pass.
package matrix

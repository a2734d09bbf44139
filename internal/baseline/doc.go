// Package baseline keeps what was observed on a kernel in one file: the journals
// of every run of every test, the sysctls of a fresh namespace, and how the
// kernel was configured. Such files are what later runs are compared with.
package baseline

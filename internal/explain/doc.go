// Package explain tells why a packet died: which packet it was, where it was
// seen last, and what the kernel says about that place. It reasons on values
// only, the packets that were recorded and the answers of the kernel, so that
// it can be tested without either; and it knows no list of faults.
package explain

// Package vm runs a test binary on another kernel, in a virtual machine made for
// the purpose: qemu boots the kernel with an archive (initramfs) that holds a
// first process, the test binary, the programs and the modules that it may want,
// and nothing else. What the tests print comes out as they print it; the exit
// status comes in an end record. A machine that ends without that record has
// crashed, whatever qemu itself says.
package vm

// Package kernels finds kernels that are not the running one, and lays them out
// so that a virtual machine can boot them: the image, the configuration, and
// the modules that networks need, with a table of what each needs
// and by which aliases the kernel asks for it.
//
// Kernels come from three places: Debian's archive, by the machine's own apt
// configuration ("debian/bookworm"); package files ("linux-image-….deb"); and
// what is installed ("/boot/vmlinuz-…"). All are kept in a cache, ready to boot.
package kernels

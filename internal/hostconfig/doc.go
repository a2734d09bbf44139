// Package hostconfig reads what a system applies to its kernel when it starts:
// modprobe.d(5), modules-load.d(5), sysctl.d(5) and /etc/nftables.conf. A new
// kernel meets those, too.
package hostconfig

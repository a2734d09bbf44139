// Package drops asks the kernel which packets it throws away in given network
// namespaces while somebody watches, why (the reason that it passes to the
// tracepoint skb:kfree_skb, from 5.17 on) and in which of its functions. It
// needs root on the machine itself, BPF and the kernel's BTF.
package drops

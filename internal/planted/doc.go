// Package planted holds the proof that a comparison finds regressions: kernels
// with one behaviour altered, by a change of their own code, by a parameter, a
// module withheld, a default changed or an eBPF program on a hook. Each has to
// turn up under the scenario concerned, by its right name. `make regressions`
// runs it.
package planted

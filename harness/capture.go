package harness

import "github.com/netrig/netrig/capture"

// WithCapture changes how the lab's packets are recorded, for bulk traffic that
// is to be recorded whole:
//
//	harness.New(t, harness.WithCapture(capture.Ring(16<<20), capture.Keep(128, 128)))
//
// Without it every frame of an Ethernet is kept whole, and a node can have some
// ten thousand packets that have not been read yet.
func WithCapture(options ...capture.Option) Option {
	return func(l *Lab) {
		l.TB.Helper()
		for i, o := range options {
			if o == nil {
				l.fatalf("option %d of WithCapture is nil", i+1)
			}
		}
		l.recording = capture.New(append(options[:len(options):len(options)], capture.NamesTold())...)
	}
}
